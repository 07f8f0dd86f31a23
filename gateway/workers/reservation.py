"""The supervisor's hold on the listeners' addresses, so that its workers share them and nobody else does.

A TCP port is bound with SO_REUSEPORT and never listened on: connections go only to workers. A unix
socket cannot be bound twice, so the supervisor listens and its workers inherit the descriptor.
"""

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterable
from pathlib import Path

import msgspec

from gateway.model.errors import GatewayError
from gateway.runtime.settings import Listener

UNIX_MODE = 0o660
"""Owner and group may connect: put the terminator in front into the gateway's group."""

BACKLOG = 1024


class StartupError(GatewayError):
    """The gateway or a worker could not start; the text says why and what to do."""


class Reservation:
    """Bound sockets for a set of listeners; `listeners` tell workers what to open."""

    def __init__(self, held: list[tuple[Listener, socket.socket]]) -> None:
        self._held = held
        self.listeners = tuple(_as_bound(listener, one) for listener, one in held)

    @classmethod
    def take(cls, listeners: Iterable[Listener]) -> "Reservation":
        """Bind every address; port 0 becomes a port that the system chooses.

        Raises:
            OSError: an address is in use or not ours; its `filename` names it, and nothing stays bound.
        """
        return cls([]).moved_to(listeners)

    def moved_to(self, listeners: Iterable[Listener]) -> "Reservation":
        """A reservation of these addresses that shares the sockets of those which this one holds already.

        Raises:
            OSError: as `take`; what this reservation holds stays bound.
        """
        ours = list(self._held)
        held: list[tuple[Listener, socket.socket]] = []
        fresh: list[tuple[Listener, socket.socket]] = []
        try:
            for listener in listeners:
                known = next((entry for entry in ours if entry[0].address == listener.address), None)
                if known is not None:
                    ours.remove(known)
                    held.append((listener, known[1]))
                else:
                    fresh.append((listener, _bound(listener)))
                    held.append(fresh[-1])
        except OSError:
            _close(fresh)
            raise
        return Reservation(held)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Descriptors that a worker has to inherit."""
        return tuple(listener.descriptor for listener in self.listeners if listener.descriptor >= 0)

    def close(self, *, keeping: "Reservation | None" = None) -> None:
        """Let go of the addresses that `keeping` does not hold; their unix sockets leave the file system."""
        kept = [one for _, one in keeping._held] if keeping is not None else []  # noqa: SLF001 - its own class
        _close([(listener, one) for listener, one in self._held if one not in kept])


def _close(held: Iterable[tuple[Listener, socket.socket]]) -> None:
    for listener, one in held:
        one.close()
        if listener.path:
            Path(listener.path).unlink(missing_ok=True)


def _as_bound(listener: Listener, one: socket.socket) -> Listener:
    if listener.path:
        return msgspec.structs.replace(listener, descriptor=one.fileno())
    return msgspec.structs.replace(listener, port=one.getsockname()[1])


def _bound(listener: Listener) -> socket.socket:
    try:
        return _listening_unix(listener.path) if listener.path else _bound_tcp(listener)
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), listener.address) from None


def _bound_tcp(listener: Listener) -> socket.socket:
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    if listener.port:
        # Another gateway's workers would let us share the port; without SO_REUSEPORT they do not.
        _tcp(family, (listener.host, listener.port), shared=False).close()
    return _tcp(family, (listener.host, listener.port), shared=True)


def _tcp(family: int, address: tuple[str, int], *, shared: bool) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(address)
    except OSError:
        one.close()
        raise
    return one


def _listening_unix(path: str) -> socket.socket:
    if _is_socket(path):
        if _answers(path):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        Path(path).unlink()
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        one.bind(path)
        Path(path).chmod(UNIX_MODE)
        one.listen(BACKLOG)
        one.setblocking(False)
    except OSError:
        one.close()
        raise
    return one


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(Path(path).lstat().st_mode)
    except FileNotFoundError:
        return False


def _answers(path: str) -> bool:
    """Whether some process still listens there; a dead one leaves a socket that refuses."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        return True


def claim(state: Path, name: str) -> int | None:
    """Hold `name` in a state directory as long as the returned descriptor is open; None where somebody else does.

    The file `run/NAME.pid` tells people the process id.

    Raises:
        OSError: the directory cannot be written.
    """
    folder = state / "run"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / f"{name}.pid", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, b"%d\n" % os.getpid())
    return descriptor
