"""An upstream that remembers every byte it received: the evidence that tests judge by."""

import asyncio
import ssl
import threading
from dataclasses import dataclass, field

DEFAULT_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class Received:
    head: bytes
    body: bytes

    @property
    def line(self) -> bytes:
        return self.head.split(b"\r\n", 1)[0]

    @property
    def target(self) -> bytes:
        return self.line.split(b" ")[1]

    def header(self, name: str) -> list[bytes]:
        wanted = name.lower().encode()
        pairs = (line.partition(b":") for line in self.head.split(b"\r\n")[1:] if line)
        return [value.strip() for key, _, value in pairs if key.strip().lower() == wanted]


@dataclass
class RecordingUpstream:
    """Serves `answer` (bytes, or a function of the request) on a loopback port, in a thread of its own.

    With `context` it speaks TLS, as partners do.
    """

    answer: object = DEFAULT_ANSWER
    context: ssl.SSLContext | None = None
    requests: list[Received] = field(default_factory=list)
    port: int = 0

    def __enter__(self):
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()

        def run() -> None:
            asyncio.set_event_loop(self._loop)
            starting = asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20, ssl=self.context)
            server = self._loop.run_until_complete(starting)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            self._loop.run_forever()
            server.close()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}" if self.context else f"http://127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        """What clients call it."""
        return self.url.partition("://")[2]

    @property
    def everything(self) -> bytes:
        return b"\n".join(each.head + each.body for each in self.requests)

    async def _serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                received = Received(head[:-4], b"")
                self.requests.append(received)
                await self._body(reader, received)
                answer = self.answer(received) if callable(self.answer) else self.answer
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    @staticmethod
    async def _body(reader, received):
        length = received.header("content-length")
        if length:
            received.body = await reader.readexactly(int(length[0]))
        elif b"chunked" in b"".join(received.header("transfer-encoding")):
            while True:
                size = int((await reader.readline()).split(b";")[0], 16)
                received.body += await reader.readexactly(size)
                await reader.readline()
                if not size:
                    return


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
