"""How a client gets to a server: directly, by TLS, or by TLS in a tunnel that a proxy opens (CONNECT)."""

import asyncio
import base64
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Spoken = TypeVar("Spoken", bound=asyncio.Protocol)

PARTNER = "localhost"
"""What servers with TLS are called."""


@dataclass(frozen=True)
class Way:
    """Connections to `port`, with TLS where `ca` is given, and through the proxy on the port `proxy` if there is one.

    `credentials` (name and secret) are for that proxy.
    """

    port: int
    ca: Path | None = None
    proxy: int | None = None
    credentials: tuple[str, str] | None = None

    async def open(self, protocol: Callable[[], Spoken]) -> Spoken:
        loop = asyncio.get_running_loop()
        if self.ca is None:
            return (await loop.create_connection(protocol, "127.0.0.1", self.port))[1]
        context = ssl.create_default_context(cafile=self.ca)
        link = await loop.run_in_executor(None, self._connected)
        return (await loop.create_connection(protocol, sock=link, ssl=context, server_hostname=PARTNER))[1]

    def _connected(self) -> socket.socket:
        link = socket.create_connection(("127.0.0.1", self.proxy or self.port), timeout=20)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.proxy is not None:
            self._tunnel(link)
        link.setblocking(False)
        return link

    def _tunnel(self, link: socket.socket) -> None:
        target = f"{PARTNER}:{self.port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}", *basic(self.credentials)]
        link.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = link.recv(4096)
            if not more:
                break
            answer += more
        if not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")):
            raise ConnectionError(f"the proxy opens no tunnel: {answer[:60]!r}")


def basic(credentials: tuple[str, str] | None) -> list[str]:
    """The header line of an application that proves itself; none without credentials."""
    if credentials is None:
        return []
    return ["Proxy-Authorization: Basic " + base64.b64encode(":".join(credentials).encode()).decode()]
