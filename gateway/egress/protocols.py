"""Which protocol the first bytes of a connection, or of a tunnel, are: HTTP, TLS, or nothing that may pass. Pure."""

import re
from enum import StrEnum


class Spoken(StrEnum):
    """What the bytes are. `UNDECIDED` asks for more of them."""

    HTTP = "http"
    TLS = "tls"
    OTHER = "other"
    UNDECIDED = "undecided"


_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}"
_BEGUN = re.compile(_TOKEN + rb" ?")
_REQUEST = re.compile(_TOKEN + rb" (?:/|\*|[Hh]|\[?[0-9A-Za-z])")
_CONNECT = b"CONNECT "
_PRIOR_KNOWLEDGE = b"PRI "
_HANDSHAKE_RECORD = b"\x16\x03"


def spoken(first: bytes) -> Spoken:
    """What speaks so. A banner (SSH, SMTP), the preface of HTTP/2 without ALPN, and all binary protocols are OTHER.

    >>> spoken(b"GET / HTTP/1.1")
    <Spoken.HTTP: 'http'>
    """
    data = first.lstrip(b"\r\n") if first[:1] in b"\r\n" else first
    if not data:
        return Spoken.UNDECIDED if len(first) <= 4 else Spoken.OTHER
    if data[:2] == _HANDSHAKE_RECORD[: len(data)]:
        return Spoken.TLS if len(data) > 2 else Spoken.UNDECIDED
    if data.startswith(_PRIOR_KNOWLEDGE):
        return Spoken.OTHER
    if _BEGUN.fullmatch(data):
        return Spoken.UNDECIDED
    match = _REQUEST.match(data)
    if match is None:
        return Spoken.OTHER
    # Only the target of CONNECT begins with a host: a banner has words behind its first space, too.
    beginning = match[0][match[0].index(b" ") + 1 :]
    if beginning in (b"/", b"*") or data.startswith(_CONNECT):
        return Spoken.HTTP
    scheme = data[match.end() - 1 :][:7].lower()
    if b"http://"[: len(scheme)] == scheme:
        return Spoken.HTTP if len(scheme) == 7 else Spoken.UNDECIDED
    if b"https://"[: len(scheme)] == scheme:
        return Spoken.HTTP if len(scheme) == 7 else Spoken.UNDECIDED
    return Spoken.OTHER
