"""Row 29 of the faults to survive: either side drops in mid-stream. The record is there before the first byte.

Rows of `tests/e2e/test_records.py` hold the same for whole answers and a gateway that is killed. Row 30 is
about tokens, which this version does not give out.
"""

import asyncio

import pytest
from data_port import data_port
from ledgers import open_ledger, raw_lines

ROUTES = """
routes:
  - name: feed
    match: {path: /feed}
    to: shop
    stream: [event_stream]
    request: {rest: pass}
    response: {rest: {body: pass, headers: pass, cookies: pass}}
    record: always
"""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
ASK = b"GET /feed HTTP/1.1\r\nHost: shop.example\r\nAccept: text/event-stream\r\n\r\n"


@pytest.mark.parametrize("who", ["client", "upstream"])
async def test_row_29_the_record_precedes_the_first_byte_of_a_stream_that_is_cut_off(logs, who):
    said = asyncio.Event()

    async def speaking(server, reader, writer):
        await server.read_request(reader)
        writer.write(HEAD + b"9\r\ndata: a\n\n\r\n")
        await writer.drain()
        await said.wait()
        writer.transport.abort()

    ledger = open_ledger(logs)
    async with data_port(speaking, routes=ROUTES, ledger=ledger) as port:
        client = await port.connect()
        await client.send(ASK)
        await client.reader.readexactly(1)
        before = [raw for raw in raw_lines(logs.slot) if b'"direction":"response"' in raw]
        assert len(before) == 1
        if who == "client":
            client.writer.transport.abort()
        said.set()
        await asyncio.sleep(0.05)
        assert ledger.healthy()
    await ledger.close()
    assert [raw for raw in raw_lines(logs.slot) if b'"direction":"response"' in raw] == before
    assert logs.verdict() == "VERIFIED"
