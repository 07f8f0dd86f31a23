"""The cookie by which an application knows a browser: what a request sends of it, and what an answer makes of it.

Values are compared byte for byte as they stand on the wire, quotes included: that is what a browser stores and
sends back (RFC 6265, sections 5.2 and 5.4).
"""

from calendar import timegm
from email.utils import parsedate_tz
from urllib.parse import unquote_to_bytes

import msgspec

from gateway.model.message import HeaderPairs


class SessionChange(msgspec.Struct, frozen=True):
    """What an answer does to the cookie: sets this one new value, or makes the browser drop it.

    With neither, it says several things at once, so that nobody can tell what the browser will send.
    """

    value: bytes = b""
    ended: bool = False


def sent_values(headers: HeaderPairs, name: bytes) -> list[bytes]:
    """Every value that the request sends under this name; also under names that some applications decode to it."""
    found = []
    for key, line in headers:
        if len(key) != 6 or key.lower() != b"cookie":
            continue
        for pair in line.split(b";"):
            written, _, value = pair.partition(b"=")
            written = written.strip(b" \t")
            if written == name or (b"%" in written and unquote_to_bytes(written) == name):
                found.append(value.strip(b" \t"))
    return found


def change_of(headers: HeaderPairs, name: bytes, now: float) -> SessionChange | None:
    """What the Set-Cookie fields of an answer do to the cookie; None where they do not name it. `now`: seconds."""
    set_to: dict[bytes, None] = {}
    named = False
    for key, line in headers:
        if len(key) != 10 or key.lower() != b"set-cookie":
            continue
        pair, *attributes = line.split(b";")
        written, _, value = pair.partition(b"=")
        if written.strip(b" \t") != name:
            continue
        named = True
        value = value.strip(b" \t")
        if value.strip(b'"') and not _expired(attributes, now):
            set_to[value] = None
    if not named:
        return None
    if len(set_to) > 1:
        return SessionChange()
    return SessionChange(value=next(iter(set_to))) if set_to else SessionChange(ended=True)


def _expired(attributes: list[bytes], now: float) -> bool:
    """Whether the browser drops the cookie at once: by Max-Age, which goes before Expires (section 5.3)."""
    said: dict[bytes, str] = {}
    for attribute in attributes:
        name, _, value = attribute.partition(b"=")
        said[name.strip(b" \t").lower()] = value.strip(b" \t").decode("latin-1")
    age = said.get(b"max-age", "")
    if age.removeprefix("-").isdecimal() and age.isascii():
        return age.startswith("-") or not age.strip("0")
    # A date that is none is as if it were not there.
    date = parsedate_tz(said.get(b"expires", ""))
    try:
        return date is not None and timegm((*date[:6], 0, 1, 0)) - (date[9] or 0) <= now
    except (ValueError, OverflowError):
        return False
