"""Large JSON that breaks, is withdrawn or loses an end on its way: it never ends well on the other side."""

import asyncio

import pytest
from data_port import data_port
from flowing import BROKEN, CHUNKED, KEPT, MANY, ROUTES, USER, Listening, Noted, chunk, decide, get, post, saying

from gateway.model.words import ConsentStatus


async def test_an_answer_that_breaks_in_the_middle_never_ends_well():
    ledger, turn = Noted(), asyncio.Semaphore(0)
    async with data_port(saying(MANY[:-1], BROKEN[len(MANY) - 1 :], turn=turn), routes=ROUTES, ledger=ledger) as port:
        client = await port.connect()
        await client.send(get())
        assert (await client.head()).status == 200
        turn.release()
        said = await client.rest()
        assert not said.endswith(b"0\r\n\r\n")
        assert said.count(b"a@b.example") in (99, 100)
        await port.settle(lambda: ledger.records[-1]["kind"] == "refuse")
    assert ledger.records[-1]["reason"] == "unparsable_body"


async def test_to_a_client_of_http_1_0_a_break_is_a_reset():
    turn = asyncio.Semaphore(0)
    async with data_port(saying(MANY[:-1], BROKEN[len(MANY) - 1 :], turn=turn), routes=ROUTES) as port:
        client = await port.connect()
        await client.send(get(version=b"1.0"))
        assert (await client.head()).status == 200
        turn.release()
        with pytest.raises(ConnectionResetError):
            await client.rest()


async def test_to_a_client_of_http_1_0_the_end_of_the_connection_ends_the_items():
    async with data_port(saying(MANY), routes=ROUTES) as port:
        assert (await port.ask(get(version=b"1.0"))).body == KEPT


@pytest.mark.parametrize(("body", "code"), [(b'[{"a":},', "unparsable_body"), (b'["%b"' % (b"x" * 2000), "over_size")])
async def test_an_answer_that_is_broken_at_its_start_is_refused_in_full(body, code):
    async with data_port(saying(body), routes=ROUTES) as port:
        answer = await port.ask(get())
        assert (answer.status, answer.code) == (502, code)


async def test_a_request_that_breaks_in_the_middle_never_arrives_whole():
    upstream, ledger = Listening(), Noted()
    async with data_port(upstream, routes=ROUTES, ledger=ledger, lingering_time=0.1) as port:
        client = await port.connect()
        await client.send(post(b"Content-Length: %d\r\n" % len(BROKEN)), MANY[:-1])
        await port.settle(lambda: upstream.raw.count(b"a@b.example") == 99)
        await client.send(BROKEN[len(MANY) - 1 :])
        answer = await client.answer()
        assert (answer.status, answer.code) == (400, "unparsable_body")
        await port.settle(port.upstream.ended.is_set)
        assert not upstream.raw.endswith(b"0\r\n\r\n")
        assert upstream.body == KEPT[: len(upstream.body)]
    assert [record["kind"] for record in ledger.records] == ["collect", "refuse"]


@pytest.mark.parametrize("direction", ["request", "response"])
async def test_p2_each_piece_waits_for_its_record(direction):
    upstream, ledger = Listening(), Noted()
    ledger.held = []
    script = upstream if direction == "request" else saying(MANY[:3000], MANY[3000:])
    async with data_port(script, routes=ROUTES, ledger=ledger) as port:
        client = await port.connect()
        await client.send(post(CHUNKED) + chunk(MANY) + b"0\r\n\r\n" if direction == "request" else get())
        for number in range(1, 100):
            await port.settle(lambda count=number: len(ledger.held) >= count or client.reader.at_eof())
            await asyncio.sleep(0.02)
            met = ledger.counted["$[*].email"] - ledger.records[-1]["fields"][0]["count"]
            assert (upstream.raw + bytes(client.reader._buffer)).count(b"a@b.example") <= met
            ledger.held[-1].set_result(number)
            if ledger.counted["$[*].email"] == 100:
                break
        answer = await client.answer()
        assert (upstream.body if direction == "request" else answer.body) == KEPT


async def test_p4_a_withdrawal_ends_an_answer_on_its_way():
    turn = asyncio.Semaphore(0)
    pieces = [MANY[start : start + 3000] for start in range(0, len(MANY), 3000)]
    async with data_port(saying(*pieces, turn=turn), routes=ROUTES) as port:
        await port.gateway.services.people.meet("ann@shop.example")
        decide(port, ConsentStatus.GIVEN)
        client = await port.connect()
        await client.send(get(USER))
        assert (await client.head()).status == 200
        assert b"1990" in await client.reader.readuntil(b"1990-01-02")
        decide(port, ConsentStatus.WITHDRAWN)
        # What was sent before the withdrawal may still be on its way.
        await asyncio.sleep(0.05)
        before = len(client.reader._buffer)
        for _ in pieces:
            turn.release()
        said = await client.rest()
        assert len(said) == before
        assert not said.endswith(b"0\r\n\r\n")


async def test_p4_a_withdrawal_ends_a_request_on_its_way():
    upstream = Listening()
    async with data_port(upstream, routes=ROUTES, lingering_time=0.1) as port:
        await port.gateway.services.people.meet("ann@shop.example")
        decide(port, ConsentStatus.GIVEN)
        client = await port.connect()
        await client.send(post(USER, CHUNKED), chunk(MANY[:6000]))
        await port.settle(lambda: b"1990" in upstream.raw)
        await asyncio.sleep(0.05)
        before = len(upstream.raw)
        decide(port, ConsentStatus.WITHDRAWN)
        await client.send(chunk(MANY[6000:]), b"0\r\n\r\n")
        answer = await client.answer()
        assert (answer.status, answer.code) == (503, "consent_changed")
        assert len(upstream.raw) == before


async def test_an_upstream_that_dies_in_the_middle_leaves_an_answer_without_end():
    turn = asyncio.Semaphore(0)
    async with data_port(saying(MANY[:5000], turn=turn, end=False), routes=ROUTES) as port:
        client = await port.connect()
        await client.send(get())
        await client.reader.readuntil(b"a@b.example")
        turn.release()
        said = await client.rest()
        assert not said.endswith(b"0\r\n\r\n")
        assert b"secret" not in said


async def test_a_client_that_leaves_in_the_middle_leaves_a_request_without_end():
    upstream = Listening()
    async with data_port(upstream, routes=ROUTES) as port:
        client = await port.connect()
        await client.send(post(CHUNKED), chunk(MANY[:6000]))
        await port.settle(lambda: upstream.body)
        client.writer.transport.abort()
        await port.settle(port.upstream.ended.is_set)
        assert not upstream.raw.endswith(b"0\r\n\r\n")
        await port.settle(lambda: not port.server.in_flight)


async def test_what_could_still_refuse_the_body_keeps_it_whole():
    upstream = Listening()
    async with data_port(upstream, routes=ROUTES, lingering_time=0.1) as port:
        await port.gateway.services.people.meet("ann@shop.example")
        refused = await port.ask(
            post(USER, b"Content-Length: 24\r\n", target=b"/refusing") + b'[{"born":"1990-01-02"} ]'
        )
        assert (refused.status, refused.code) == (451, "no_consent")
        large = post(USER, b"Content-Length: %d\r\n" % len(MANY), target=b"/refusing") + MANY
        assert (await port.ask(large)).code == "over_size"
        assert upstream.raw == b""
        decide(port, ConsentStatus.GIVEN)
        assert (await port.ask(large)).status == 200
        assert upstream.body.count(b"1990") == 100


@pytest.mark.parametrize("direction", ["request", "response"])
async def test_p2_a_piece_whose_record_cannot_be_written_ends_the_body(direction):
    upstream, ledger, turn = Listening(), Noted(), asyncio.Semaphore(0)
    script = upstream if direction == "request" else saying(MANY[:6000], MANY[6000:], turn=turn)
    async with data_port(script, routes=ROUTES, ledger=ledger, lingering_time=0.1) as port:
        client = await port.connect()
        await client.send(post(CHUNKED) + chunk(MANY[:6000]) if direction == "request" else get())
        await port.settle(lambda: b"a@b.example" in upstream.raw + bytes(client.reader._buffer))
        await asyncio.sleep(0.05)
        before = upstream.raw + bytes(client.reader._buffer)
        ledger.broken = True
        turn.release()
        if direction == "request":
            await client.send(chunk(MANY[6000:]) + b"0\r\n\r\n")
            assert (await client.answer()).code == "audit_unavailable"
            assert upstream.raw == before
        else:
            assert await client.rest() == before
