"""Which resource a request is for: the four forms of the target, and the host (RFC 9112 section 3.2)."""

import re
from functools import lru_cache

from gateway.model.errors import Fault, Source

_ORIGIN_FORM = re.compile(rb"/[!-\"$-~]*")
_ABSOLUTE_FORM = re.compile(rb"(?i:https?)://([^/?#]*)([!-\"$-~]*)")
_HOST = re.compile(rb"(?P<name>[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{0,5}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def read_target(method: str, raw: bytes) -> tuple[bytes, bytes | None]:
    """Path and query byte for byte (or `*`), and the authority where the target names one.

    User information before the authority is dropped (RFC 9110 section 4.2.4).

    Raises:
        Fault: bad_request for fragments, spaces, bytes outside ASCII, and forms that no gateway serves.
    """
    if _ORIGIN_FORM.fullmatch(raw):
        return raw, None
    if raw == b"*" and method == "OPTIONS":
        return raw, None
    absolute = _ABSOLUTE_FORM.fullmatch(raw)
    if absolute is None:
        raise _fault("the target has no form that is served here")
    authority, path = absolute[1].rpartition(b"@")[2], absolute[2]
    if not path:
        return (b"*" if method == "OPTIONS" else b"/"), authority
    return (path if path.startswith(b"/") else b"/" + path), authority


@lru_cache(maxsize=1024)
def host_of(authority: bytes, scheme: str) -> str:
    """Lower-case host, with its port only where that is not the scheme's own; without a trailing dot.

    Raises:
        Fault: bad_request, if this is no host that RFC 3986 section 3.2.2 knows.
    """
    match = _HOST.fullmatch(authority)
    if match is None or int(match["port"] or 0) > 65535:
        raise _fault("Host is not the name of a host")
    name = match["name"].decode().lower().removesuffix(".")
    port = (match["port"] or b"").decode().lstrip("0")
    return f"{name}:{port}" if port and port != _DEFAULT_PORTS.get(scheme) else name


def _fault(why: str) -> Fault:
    return Fault("bad_request", Source.CLIENT, why, close=True)
