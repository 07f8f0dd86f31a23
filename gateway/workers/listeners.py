"""Places to listen at: TCP ports shared by all workers, unix sockets, TLS with certificates that can be renewed."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from gateway.model.limits import DEFAULT_LIMITS
from gateway.runtime.settings import Listener, Tls

SNI = "gateway_server_name"
"""Attribute of a TLS connection's `SSLObject`: the name that the client asked for, in lower case."""

_ACCEPTS = 16
"""Connections that one turn of the event loop accepts from a listener.

libuv takes one for each descriptor and turn. Where a turn serves many requests, newcomers would wait in
the kernel's queue for seconds, so each listener has that many descriptors of its one socket.
"""


def server_context(tls: Tls) -> ssl.SSLContext:
    """TLS 1.2 or newer, ALPN `http/1.1`; with `client_ca` not for clients that it does not vouch for.

    Raises:
        OSError: a file cannot be read (`ssl.SSLError`, one of its kind: its content does not fit).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.load_cert_chain(tls.certificate, tls.key)
    context.set_alpn_protocols(["http/1.1"])
    if tls.client_ca is not None:
        context.load_verify_locations(tls.client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL if tls.client_certificate == "optional" else ssl.CERT_REQUIRED
    context.sni_callback = _remember_server_name
    return context


def _remember_server_name(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
    setattr(connection, SNI, name.lower() if name else None)


class ListenerSet:
    """All listeners of one worker. `descriptors` are inherited sockets, one for each listener, or -1."""

    def __init__(
        self,
        listeners: tuple[Listener, ...],
        backlog: int,
        descriptors: tuple[int, ...] = (),
        *,
        handshake_timeout: float = DEFAULT_LIMITS.header_timeout,
    ) -> None:
        given = (*descriptors, *(-1 for _ in listeners))
        self._listeners = tuple(zip(listeners, given, strict=False))
        self._backlog = backlog
        self._handshake_timeout = handshake_timeout
        self._servers: list[asyncio.Server] = []
        self._contexts: list[tuple[Tls, ssl.SSLContext]] = []
        self._paths: list[tuple[Path, int]] = []

    async def open(self, factory: Callable[[], asyncio.Protocol]) -> None:
        """Listen at all of them, or at none.

        Raises:
            OSError: an address is in use or not ours, or a TLS file cannot be used.
        """
        try:
            for listener, descriptor in self._listeners:
                await self._open(listener, descriptor, factory)
        except OSError:
            self.close()
            raise

    async def _open(self, listener: Listener, descriptor: int, factory: Callable[[], asyncio.Protocol]) -> None:
        loop = asyncio.get_running_loop()
        context = None
        if listener.tls is not None:
            context = server_context(listener.tls)
            self._contexts.append((listener.tls, context))
        bound = self._bind(listener, descriptor)
        for one in (bound, *(bound.dup() for _ in range(_ACCEPTS - 1))):
            self._servers.append(
                await loop.create_server(
                    factory,
                    sock=one,
                    ssl=context,
                    backlog=self._backlog,
                    ssl_handshake_timeout=self._handshake_timeout if context else None,
                )
            )

    def _bind(self, listener: Listener, descriptor: int) -> socket.socket:
        if descriptor >= 0:
            bound = socket.socket(fileno=descriptor)
            bound.setblocking(False)
            return bound
        if not listener.path:
            return _tcp_socket(listener)
        bound = _unix_socket(listener.path)
        self._paths.append((Path(listener.path), Path(listener.path).stat().st_ino))
        return bound

    @property
    def addresses(self) -> list[tuple[str, int] | str]:
        """Where each listener really listens: host and port, or the socket's path."""
        names = [server.sockets[0].getsockname() for server in self._servers if server.sockets]
        return list(dict.fromkeys(name if isinstance(name, str) else (name[0], name[1]) for name in names))

    def check(self) -> None:
        """See that the files could be used now. Raises as `reload`."""
        for tls, _ in self._contexts:
            server_context(tls)

    def reload(self) -> None:
        """Use the certificates that the files hold now for every handshake from here on.

        All files are tried in scratch contexts first: on an error nothing changes.

        Raises:
            OSError: a file cannot be read or its content does not fit; the old certificates stay.
        """
        self.check()
        for tls, context in self._contexts:
            context.load_cert_chain(tls.certificate, tls.key)

    def close(self) -> None:
        """Stop accepting. Connections that are open stay open."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        for path, inode in self._paths:
            if path.exists() and path.stat().st_ino == inode:
                path.unlink()
        self._paths.clear()


def _tcp_socket(listener: Listener) -> socket.socket:
    """A bound socket that other workers of this host may share the port with."""
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.setblocking(False)
        bound.bind((listener.host, listener.port))
    except OSError:
        bound.close()
        raise
    return bound


def _unix_socket(path: str) -> socket.socket:
    """A bound unix socket; one that a dead process left behind is replaced."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if Path(path).is_socket() and not _answers(path):
            Path(path).unlink()
        bound.setblocking(False)
        bound.bind(path)
    except OSError:
        bound.close()
        raise
    return bound


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
    return True
