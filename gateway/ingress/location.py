"""Where a partner's answer leads, as whoever asked the relay has to follow it (RFC 9110 section 10.2.2)."""

import re
from collections.abc import Callable
from urllib.parse import urljoin

from gateway.ingress.partner import Partner
from gateway.model.errors import Fault, Unreadable
from gateway.upstream.target import host_of

_WHOLE = re.compile(rb"(?:(?i:(https?)):)?//([^/?#\\]*)(.*)", re.DOTALL)
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*:")
_AFTER_PATH = re.compile(rb"[?#]")


def homeward(value: bytes, partner: Partner, asked: bytes, leads_to: Callable[[bytes], Partner | None]) -> bytes:
    """The value of Location as a path of the relay, where it is one of this partner; any other stays as it is.

    `asked` is the relay's target that is answered. `leads_to` tells whom the relay takes a path for, and raises
    Unreadable where that is in doubt. A path of the partner that the relay would take for another's, or for
    nobody's, is given as the partner's whole URL, which means the same.
    """
    path = _own_path(value, partner, asked)
    if path is None:
        return value
    home = partner.prefix + path
    try:
        stays = leads_to(_AFTER_PATH.split(home, maxsplit=1)[0]) is partner
    except Unreadable:
        stays = False
    if stays:
        return home
    return value if _WHOLE.match(value) else partner.url.encode() + path


def _own_path(value: bytes, partner: Partner, asked: bytes) -> bytes | None:
    """Path, query and fragment of a reference to the partner's own origin; None for any other reference."""
    whole = _WHOLE.fullmatch(value)
    if whole is not None:
        scheme = whole[1].lower().decode() if whole[1] else partner.scheme
        try:
            own = scheme == partner.scheme and host_of(whole[2], scheme) == partner.host
        except Fault:
            own = False
        return _rooted(whole[3]) if own else None
    if _SCHEME.match(value):
        return None
    here = _rooted(asked[len(partner.prefix) :]).decode("latin-1")
    joined = urljoin(partner.url + here, value.decode("latin-1"))
    return _rooted(joined[len(partner.url) :].encode("latin-1"))


def _rooted(path: bytes) -> bytes:
    return path if path.startswith(b"/") else b"/" + path
