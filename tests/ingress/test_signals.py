"""Signals on the wire: what goes on, what counts, and what a sender cannot do about it."""

import pytest
from data_port import data_port
from messages import GET, HOST, ask

from gateway.model.message import header_values
from gateway.runtime.metrics import merge, render

ROUTES = """
signals: {gpp: {cookie: gpp}}
routes:
  - name: products
    match: {path: /products}
    to: shop
    subject: {field: header:X-Person}
    request:
      fields: {header:X-Ad: {is: behavior, for: ads, otherwise: drop}}
      rest: {body: pass}
    response: {rest: pass}
  - name: open
    match: {path: /**}
    to: shop
    request: {rest: drop}
    response: {rest: pass}
"""


def fields_of(request):
    lines = request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    return [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]


async def sent_for(*lines, target=b"/products"):
    async with data_port(routes=ROUTES) as port:
        assert (await port.ask(ask(*lines, target=target))).status == 200
        return fields_of(port.upstream.requests[0])


@pytest.mark.parametrize("target", [b"/products", b"/other"])
@pytest.mark.parametrize(
    ("lines", "values"),
    [
        ([b"Sec-GPC: 1"], [b"1"]),
        ([b"sec-gpc:1 "], [b"1"]),
        ([b"Sec-GPC: 1", b"Connection: sec-gpc, dnt"], [b"1"]),
        ([b"Sec-GPC: 0", b"Sec-GPC: 1"], [b"0", b"1"]),
        ([b"Sec_GPC: 1"], []),
        ([], []),
    ],
)
async def test_the_signal_goes_on_as_it_came(lines, values, target):
    sent = await sent_for(*lines, b"DNT: 1", target=target)

    assert header_values(sent, b"sec-gpc") == values
    assert header_values(sent, b"dnt") == [b"1"]
    assert not header_values(sent, b"sec_gpc")


async def test_a_trailer_is_no_signal_and_does_not_go_on():
    message = b"POST /products HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nTrailer: Sec-GPC\r\n\r\n"
    async with data_port(routes=ROUTES) as port:
        answer = await port.ask(message + b"2\r\nok\r\n0\r\nSec-GPC: 1\r\n\r\n")
        assert answer.status == 200
        assert b"gpc" not in port.upstream.requests[0].lower()


async def test_the_answer_varies_by_what_its_request_depended_on():
    async with data_port(routes=ROUTES) as port:
        assert (await port.ask(ask(target=b"/products"))).all(b"vary") == [b"Sec-GPC, Cookie"]
        assert (await port.ask(GET)).all(b"vary") == []


async def test_strings_that_cannot_be_read_are_counted_and_never_shown():
    async with data_port(routes=ROUTES) as port:
        for line in (b"Cookie: gpp=DBAA", b"Cookie: gpp=secret-string", b"Cookie: gpp="):
            assert (await port.ask(ask(line, target=b"/products"))).status == 200
        await port.ask(ask(b"Cookie: gpp=secret-string", target=b"/other"))
        snapshot = port.gateway.services.metrics.snapshot()

        assert snapshot.unreadable_signals == {"gpp": 2}
        page = render(merge([snapshot, snapshot]))
        assert b'privacy_gateway_unreadable_signals_total{kind="gpp"} 4.0' in page
        assert b"secret" not in page
