"""Browsers that decided something before anybody signed in, known by a cookie of the gateway's own.

The cookie is `__Host-privacy-visitor` (RFC 6265bis, section 4.1.3.2: a browser takes it from this very host
only, over TLS, for all paths). Its value is `NUMBER.TAG`, both 22 characters of base64url: 128 random bits, and
an HMAC under a key of the gateway's that shows who gave them. It says nothing about the person. What
was altered, was made elsewhere, or comes twice names nobody.

The cookie is between the browser and the gateway: ingress takes it out of each request, and no service sees it.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from secrets import token_bytes
from typing import Final

from gateway.crypto.keyring import KeyRing
from gateway.model.field_template import Fields, FilledFields
from gateway.model.identity import VISITOR_PREFIX, Identity, IdentitySource
from gateway.model.message import HeaderPairs, header_values

VISITOR_COOKIE: Final = b"__Host-privacy-visitor"

_VALUE = re.compile(rb"([A-Za-z0-9_-]{21}[AQgw])\.([A-Za-z0-9_-]{22})")
_FOREVER = float("inf")
_NOBODY = Identity(IdentitySource.VISITOR, "", _FOREVER)


class Visitors:
    """Makes and verifies the cookies of visitors; `days` is how long a browser keeps one."""

    def __init__(self, keys: KeyRing, days: int) -> None:
        self._keys = keys
        self._attributes = b"; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=%d" % (days * 86_400)

    def new(self) -> tuple[Identity, bytes]:
        """A visitor whom nobody has met, and the value of the Set-Cookie field that makes the browser that visitor.

        For answers in which the person is asked or told something, and for no others.
        """
        number = urlsafe_b64encode(token_bytes(16))[:22]
        value = VISITOR_COOKIE + b"=" + number + b"." + self._keys.visitor_tag(number).encode()
        return _named(number), value + self._attributes

    def read(self, lines: HeaderPairs) -> Identity | None:
        """Whom the request's cookie names: None without one, an identity without a name where it is not believed."""
        values = [
            value
            for line in header_values(lines, b"cookie")
            if VISITOR_COOKIE in line
            for name, _, value in map(_parted, line.split(b";"))
            if name == VISITOR_COOKIE
        ]
        if not values:
            return None
        match = _VALUE.fullmatch(values[0]) if len(values) == 1 else None
        if match is None or not hmac.compare_digest(self._keys.visitor_tag(match[1]).encode(), match[2]):
            return _NOBODY
        return _named(match[1])

    @staticmethod
    def is_set_by(fields: Fields) -> bool:
        """Whether an answer of a service sets, or deletes, a cookie of this name."""
        headers = fields.template.pairs if isinstance(fields, FilledFields) else fields
        return any(
            VISITOR_COOKIE in line and _parted(line.partition(b";")[0])[0] == VISITOR_COOKIE
            for line in header_values(headers, b"set-cookie")
        )

    def without(self, lines: HeaderPairs) -> HeaderPairs:
        """The fields without the cookie, whatever it holds; all other bytes stay, and a Cookie line left empty goes."""
        if not any(VISITOR_COOKIE in value for _, value in lines):
            return lines
        kept: list[tuple[bytes, bytes]] = []
        for line in lines:
            if VISITOR_COOKIE not in line[1] or line[0].lower() != b"cookie":
                kept.append(line)
                continue
            pairs = line[1].split(b";")
            others = [pair for pair in pairs if _parted(pair)[0] != VISITOR_COOKIE]
            if len(others) == len(pairs):
                kept.append(line)
            elif rest := b";".join(others).strip(b" \t"):
                kept.append((line[0], rest))
        return tuple(kept)


def _named(number: bytes) -> Identity:
    return Identity(IdentitySource.VISITOR, VISITOR_PREFIX + number.decode("ascii"), _FOREVER)


def _parted(pair: bytes) -> tuple[bytes, bytes, bytes]:
    name, equals, value = pair.partition(b"=")
    return name.strip(b" \t"), equals, value.strip(b" \t")
