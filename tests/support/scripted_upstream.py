"""An upstream that says exactly the bytes a test scripts, on a real socket."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from gateway.model.limits import Limits
from gateway.upstream import UpstreamPool, parse_upstream

Script: TypeAlias = "Callable[[ScriptedUpstream, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]"

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class ScriptedUpstream:
    """`requests` holds each request's raw bytes as they came, `connections` how often someone connected."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.requests: list[bytes] = []
        self.ended = asyncio.Event()

    async def read_request(self, reader: asyncio.StreamReader) -> bytes:
        """Head and body of the next request; b"" if the connection ended instead."""
        try:
            raw = await reader.readuntil(b"\r\n\r\n")
            head = raw
            if length := re.search(rb"(?i)content-length: (\d+)", head):
                raw += await reader.readexactly(int(length[1]))
            elif re.search(rb"(?i)transfer-encoding: chunked", head):
                raw += await reader.readuntil(b"0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        self.requests.append(raw)
        return raw

    def url(self, scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}"

    def pool(self, **limits: float) -> UpstreamPool:
        return UpstreamPool(parse_upstream(self.url()), Limits(**limits))  # type: ignore[arg-type]


def answering(raw: bytes, *, close: bool = False) -> Script:
    """Answer every request with `raw`; with `close`, end the connection after the first."""

    async def script(server: ScriptedUpstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await server.read_request(reader):
            writer.write(raw)
            await writer.drain()
            if close:
                return

    return script


async def settle(condition: Callable[[], object]) -> None:
    """Wait for what another task or socket is about to do; fail after 5 seconds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - nothing tells of it but the state itself
            await asyncio.sleep(0.005)


@asynccontextmanager
async def scripted(*scripts: Script, context: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedUpstream]:
    """Run an upstream whose n-th connection follows the n-th script, or the last one."""
    server = ScriptedUpstream()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = scripts[min(server.connections, len(scripts) - 1)]
        server.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await script(server, reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            server.ended.set()
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.sleep(0)
