"""What shows that an answer came from a page of ours, in the hands of the person whom it was made for.

A token is an HMAC over the person's handle and the day on which the page was made. Beside it, browsers
say themselves where a request comes from: Sec-Fetch-Site (W3C Fetch Metadata), or Origin (RFC 6454).
"""

import hmac
import re
from urllib.parse import urlsplit

from gateway.crypto.keyring import KeyRing
from gateway.model.message import RequestHead, header_values

TOKEN_DAYS = 7
"""How long a page can be open before it is used."""

_TOKEN = re.compile(r"([0-9]{1,6})\.([A-Za-z0-9_-]{22})")
_DAY = 86_400
_PORT = re.compile(r":(?:80|443)$")


class CsrfTokens:
    """Makes and checks tokens; those of one root key are good in every worker."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def token(self, handle: str, now: float) -> str:
        """A token for a page that is shown to this person; `now` is seconds since the epoch."""
        day = int(now) // _DAY
        return f"{day}.{self._tag(handle, day)}"

    def fits(self, token: str, handle: str, now: float) -> bool:
        """Whether the token is from a page that was made for this person lately."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return False
        day, age = int(match[1]), int(now) // _DAY - int(match[1])
        return 0 <= age <= TOKEN_DAYS and hmac.compare_digest(match[2], self._tag(handle, day))

    def _tag(self, handle: str, day: int) -> str:
        return self._keys.form_tag(f"{day}\0{handle}".encode())


def is_same_origin(head: RequestHead) -> bool:
    """Whether the request was made by a page of this host, or by no browser that says where from."""
    sites = header_values(head.headers, b"sec-fetch-site")
    if sites:
        return sites == [b"same-origin"]
    origins = header_values(head.headers, b"origin")
    return not origins or (len(origins) == 1 and _host(origins[0]) == _PORT.sub("", head.host))


def is_loaded_elsewhere(head: RequestHead) -> bool:
    """Whether the browser says that a page of another origin has it load this, rather than have the person go there.

    What is loaded that way nobody reads, and it would be recorded as shown (W3C Fetch Metadata, section 2).
    """
    sites = header_values(head.headers, b"sec-fetch-site")
    if not sites or sites in ([b"same-origin"], [b"none"]):
        return False
    names = (b"sec-fetch-mode", b"sec-fetch-dest")
    return [header_values(head.headers, name) for name in names] != [[b"navigate"], [b"document"]]


def _host(origin: bytes) -> str | None:
    """Host and port of an origin; a TLS terminator may stand between, so the scheme says nothing."""
    try:
        parts = urlsplit(origin.decode("ascii"))
    except ValueError:
        return None
    return _PORT.sub("", parts.netloc.lower()) if parts.scheme in ("http", "https") and parts.netloc else None
