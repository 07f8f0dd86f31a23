"""Where a port listens: a TCP address or a unix socket, with TLS or without."""

import ipaddress
import re
from pathlib import Path

import msgspec

from gateway.model.network import is_loopback

_TCP = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})")
_UNIX_PATH_LIMIT = 107  # sockaddr_un.sun_path, less its final NUL


class ListenerAddressError(ValueError):
    """The text is no address to listen on; the message says what one looks like."""


class Tls(msgspec.Struct, frozen=True):
    """Paths of PEM files. With `client_ca`, clients present a certificate that it signed, or are turned away.

    `client_certificate` says whether one without any certificate is: `required`, `optional`.
    """

    certificate: str
    key: str
    client_ca: str | None = None
    client_certificate: str = "required"


class Listener(msgspec.Struct, frozen=True):
    """A TCP address, or the path of a unix socket (then `host` is empty).

    `descriptor`, if not negative, is an inherited socket that is bound to it and listens already:
    workers can share a TCP port by SO_REUSEPORT, but a unix socket only by inheriting it.
    """

    host: str
    port: int = 0
    path: str = ""
    tls: Tls | None = None
    descriptor: int = -1

    @property
    def address(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Where clients find it; a unix socket has only its address."""
        return self.address if self.path else f"{'https' if self.tls is not None else 'http'}://{self.address}"

    @property
    def is_loopback(self) -> bool:
        return bool(self.path) or is_loopback(self.host)


def parse_listener(text: str, *, base: Path | None = None, tls: Tls | None = None) -> Listener:
    """Read `HOST:PORT`, `[IPV6]:PORT` or `unix:/path`; port 0 lets the system choose one.

    A relative socket path is taken from `base`.

    Raises:
        ListenerAddressError: it is none of these.
    """
    if text.startswith("unix:"):
        path = str(base / text[5:]) if base is not None else text[5:]
        if not text[5:] or len(path.encode()) > _UNIX_PATH_LIMIT or "\0" in path:
            raise ListenerAddressError(f"a socket path has 1 to {_UNIX_PATH_LIMIT} bytes")
        return Listener("", path=path, tls=tls)
    match = _TCP.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        raise ListenerAddressError("write HOST:PORT, [IPV6]:PORT or unix:/path")
    host = match["six"] or match["host"]
    if match["six"]:
        try:
            host = str(ipaddress.IPv6Address(host))
        except ValueError:
            raise ListenerAddressError("write an IPv6 address between the brackets") from None
    return Listener(host, int(match["port"]), tls=tls)
