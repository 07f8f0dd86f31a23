"""How an answer is framed, decided by what is known of its length and by the client's version."""

import pytest

from gateway.ingress.delivery import Delivery
from gateway.model.errors import Fault
from gateway.model.message import Outgoing

DATED = ((b"Date", b"x"),)


class Connection:
    writing_paused = False

    def __init__(self):
        self.writes = []

    def send(self, data):
        self.writes.append(data)


class Response:
    def __init__(self, *pieces, complete=False):
        self._pieces = iter(pieces)
        self.complete = complete

    def take_whole(self, limit):
        return b"".join(self._pieces)

    def __aiter__(self):
        return self

    async def __anext__(self):
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


async def delivered(response, *, body=None, length=None, legacy=False, without_body=False, status=200, first=()):
    connection = Connection()
    delivery = Delivery(connection, legacy=legacy, keep_alive=True, own=b"")
    headers = DATED if length is None else (*DATED, (b"Content-Length", b"%d" % length))
    outgoing = Outgoing(headers, body, status=status)
    await delivery.answer(outgoing, response, list(first), without_body=without_body)
    return delivery, connection.writes


HEAD = b"HTTP/1.1 200 OK\r\nDate: x\r\n"
LENGTH_4 = HEAD + b"Content-Length: 4\r\n\r\n"


@pytest.mark.parametrize(
    ("response", "options", "writes"),
    [
        (Response(b"zz"), {"body": b"abcd", "length": 9}, [LENGTH_4 + b"abcd"]),
        (Response(b"abcd", complete=True), {}, [LENGTH_4 + b"abcd"]),
        (Response(b"ab", b"cd"), {"length": 4}, [LENGTH_4 + b"ab", b"cd"]),
        (Response(b"cd"), {"length": 4, "first": [b"ab"]}, [LENGTH_4 + b"ab", b"cd"]),
        (
            Response(b"ab", b"c"),
            {},
            [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"2\r\nab\r\n", b"1\r\nc\r\n", b"0\r\n\r\n"],
        ),
        (Response(b"ab", b"c"), {"legacy": True}, [HEAD + b"Connection: close\r\n\r\n", b"ab", b"c"]),
        (Response(b"zz"), {"length": 4, "without_body": True}, [LENGTH_4]),
        (Response(b"zz"), {"without_body": True}, [HEAD + b"\r\n"]),
        (Response(), {"body": b""}, [HEAD + b"Content-Length: 0\r\n\r\n"]),
    ],
)
async def test_framing(response, options, writes):
    delivery, written = await delivered(response, **options)
    assert written == writes
    assert delivery.begun
    assert delivery.unmarked_end == bool(options.get("legacy"))
    assert delivery.keep_alive != bool(options.get("legacy"))


@pytest.mark.parametrize("pieces", [(b"ab",), (b"ab", b"cde"), ()])
async def test_a_length_that_is_not_kept_is_a_fault(pieces):
    with pytest.raises(Fault, match="upstream_broken"):
        await delivered(Response(*pieces), length=4)
