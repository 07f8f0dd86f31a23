"""Whole exchanges whose bodies flow: events, slow peers, broken ends, forms edited part by part."""

import asyncio

from data_port import data_port
from messages import GET, HOST, body_of
from scripted_upstream import OK


async def test_events_flow_one_by_one():
    async def events(server, reader, writer):
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for number in range(3):
            await turn.acquire()
            writer.write(b"data: %d\n\n" % number)
            await writer.drain()

    turn = asyncio.Semaphore(0)
    async with data_port(events) as port:
        client = await port.connect()
        await client.send(b"GET /events HTTP/1.1\r\n" + HOST + b"\r\n")
        assert (await client.head()).all(b"transfer-encoding") == [b"chunked"]
        for number in range(3):
            turn.release()
            async with asyncio.timeout(5):
                assert (await client.reader.readuntil(b"\n\n")).endswith(b"data: %d\n\n" % number)
                await client.reader.readuntil(b"\r\n")
        assert await client.reader.readuntil(b"\r\n\r\n") == b"0\r\n\r\n"


MANY = 64 * 1024 * 1024
PIECE = b"x" * 65536


async def test_a_slow_client_slows_the_upstream():
    sent = 0

    async def flood(server, reader, writer):
        nonlocal sent
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MANY)
        while sent < MANY:
            writer.write(PIECE)
            await writer.drain()
            sent += len(PIECE)

    async with data_port(flood) as port:
        client = await port.connect(limit=1)
        await client.send(GET)
        before = -1
        while before != sent or not sent:
            before = sent
            await asyncio.sleep(0.1)
        assert sent < MANY / 4
        received = 0
        async with asyncio.timeout(20):
            while received < MANY:
                received += len(await client.reader.read(1 << 20))


async def test_a_slow_upstream_slows_the_client():
    read = asyncio.Event()
    received = 0

    async def lazy(server, reader, writer):
        nonlocal received
        await reader.readuntil(b"\r\n\r\n")
        await read.wait()
        while received < MANY:
            received += len(await reader.read(1 << 20))
        writer.write(OK)
        await writer.drain()

    async with data_port(lazy) as port:
        client = await port.connect()
        await client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % MANY)
        sent = 0

        async def pour():
            nonlocal sent
            while sent < MANY:
                await client.send(PIECE)
                sent += len(PIECE)

        pouring = asyncio.create_task(pour())
        before = -1
        while before != sent or not sent:
            before = sent
            await asyncio.sleep(0.1)
        assert sent < MANY / 4
        read.set()
        async with asyncio.timeout(20):
            await pouring
        assert (await client.answer()).body == b"ok"


async def test_a_client_that_leaves_ends_the_stream():
    async def flood(server, reader, writer):
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1\r\nx\r\n")
            await writer.drain()
            await asyncio.sleep(0.005)

    async with data_port(flood) as port:
        client = await port.connect()
        await client.send(GET)
        await client.head()
        await client.close()
        async with asyncio.timeout(5):
            await port.upstream.ended.wait()
        await port.settle(lambda: not port.server.in_flight)


def form(note: bytes, photo: bytes, *, end: bytes = b"--\r\n") -> bytes:
    part = b'--b\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
    return (
        part % (b"note", b"", note)
        + part % (b"secret", b"", b"hidden")
        + part % (b"photo", b'; filename="p.jpg"\r\nContent-Type: image/jpeg', photo)
        + b"--b"
        + end
    )


def photos(body: bytes, length: int | None = None) -> bytes:
    head = b"POST /photos HTTP/1.1\r\n" + HOST + b"Content-Type: multipart/form-data; boundary=b\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % (len(body) if length is None else length) + body


async def test_parts_are_edited_as_they_flow():
    photo = bytes(range(256)) * 4096

    async def patient(server, reader, writer):
        raw = b""
        while not raw.endswith(b"\r\n0\r\n\r\n"):
            raw += await reader.read(1 << 20)
        server.requests.append(raw)
        writer.write(OK)
        await writer.drain()

    async with data_port(patient) as port:
        raw = photos(form(b"a@b.example", photo))
        client = await port.connect()
        for start in range(0, len(raw), 100_000):
            await client.send(raw[start : start + 100_000])
            await asyncio.sleep(0.001)
        assert (await client.answer()).status == 200
        (request,) = port.upstream.requests
        assert b"Transfer-Encoding: chunked" in request
        received = b""
        rest = body_of(request)
        while size := int(rest.partition(b"\r\n")[0], 16):
            rest = rest.partition(b"\r\n")[2]
            received += rest[:size]
            rest = rest[size + 2 :]
        assert photo in received
        assert b"a@b.example" not in received
        assert b"hidden" not in received
        assert b'name="note"' in received


async def test_parts_that_cannot_be_read_end_the_upload_half_way():
    async with data_port(lingering_time=0.1) as port:
        broken = form(b"x", b"y", end=b"\r\n")
        answer = await port.ask(photos(broken))
        assert (answer.status, answer.code) == (400, "unparsable_body")
        assert port.upstream.requests == []
