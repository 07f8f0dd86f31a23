"""The attributes of a Set-Cookie line: read as browsers do (RFC 6265 section 5.2), shortened, and its deletion."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import msgspec

from gateway.documents.cookie_names import name_of
from gateway.model.cookie import CookieLimits
from gateway.model.message import HeaderPairs, header_values

_SECONDS = re.compile(rb'"?([+-]?[0-9]+)"?')
_DELIMITERS = re.compile(rb"[\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_TIME = re.compile(rb"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?![0-9])")
_DAY = re.compile(rb"([0-9]{1,2})(?![0-9])")
_YEAR = re.compile(rb"([0-9]{2,4})(?![0-9])")
_MONTHS = (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec")
_EARLIEST_YEAR = 1601
_LATEST = datetime.max.replace(tzinfo=UTC)

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}")
"""Names that can stand in a Set-Cookie line and break out of nothing (RFC 6265 section 4.1.1)."""
_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]{0,252}[a-z0-9_])?")
_PATH = re.compile(r"/[!-:<-~ ]{0,1023}")
"""What a Path can hold without ending its attribute; browsers take other octets too, we do not send them."""
_ADDRESS = re.compile(r"[0-9.]+|\[.*|.*:.*")


class Placed(msgspec.Struct, frozen=True):
    """Where a cookie lies in a browser. `domain` is empty for one that goes back to its host alone."""

    name: str
    domain: str
    path: str

    @property
    def is_safe(self) -> bool:
        """Whether all three can be written into a Set-Cookie line."""
        return (
            TOKEN.fullmatch(self.name) is not None
            and (not self.domain or _HOST.fullmatch(self.domain) is not None)
            and _PATH.fullmatch(self.path) is not None
        )


def placed_cookies(headers: HeaderPairs, host: str, target: bytes) -> Iterator[Placed]:
    """Where the cookies of an answer come to lie, as RFC 6265 sections 5.2.3, 5.2.4 and 5.3 have it.

    Args:
        headers: those of the answer.
        host: that the browser asked, lower case, without port.
        target: that it asked for, whose directory is the path where none is set (section 5.1.4).

    A cookie for a domain that is not above the host is left out, since browsers do not take it, and so
    is what could not be written safely.
    """
    for line in header_values(headers, b"set-cookie"):
        segment, *attributes = line.split(b";")
        domain, path = "", default_path(target)
        for name, value in map(_attribute, attributes):
            if name == b"domain" and value:
                domain = value.removeprefix(b".").decode("latin-1").lower()
            elif name == b"path":
                path = value.decode("latin-1") if value.startswith(b"/") else default_path(target)
        if domain == host and domain not in _domains(host):
            domain = ""  # section 5.3, step 5: what nothing can lie below is a host alone
        place = Placed(name_of(segment), domain, path)
        if place.is_safe and (not domain or domain in _domains(host)):
            yield place


def default_path(target: bytes) -> str:
    """The directory of a request target (RFC 6265 section 5.1.4)."""
    path = target.partition(b"?")[0]
    return path[: path.rfind(b"/")].decode("latin-1") or "/" if path.startswith(b"/") else "/"


def deletions(name: str, host: str, places: Iterable[tuple[str, str]]) -> list[bytes]:
    """Values of Set-Cookie fields that delete a cookie wherever it may lie.

    Those are the `places` (domain and path) that are known; the host alone with the path `/`; and,
    since scripts set cookies that no answer shows, the host and each domain of two labels or more above
    it, with the path `/`. A browser ignores those that are not a site's to set. Empty where the name
    cannot be written.
    """
    if TOKEN.fullmatch(name) is None:
        return []
    prefix = name.lower()
    secure = "; Secure" if prefix.startswith(("__secure-", "__host-")) else ""
    if prefix.startswith("__host-"):
        # RFC 6265bis section 4.1.3.2: no Domain, and no other Path.
        return [f"{name}=; Max-Age=0; Path=/{secure}".encode()]
    wanted = dict.fromkeys([("", "/"), *places, *((domain, "/") for domain in _domains(host))])
    return [
        f"{name}=; Max-Age=0; Path={path}{f'; Domain={domain}' if domain else ''}{secure}".encode()
        for domain, path in wanted
        if Placed(name, domain, path).is_safe
    ]


def _domains(host: str) -> list[str]:
    """The host and the domains above it that a cookie of its can be for; none for an address of a network."""
    if _ADDRESS.fullmatch(host) or _HOST.fullmatch(host) is None:
        return []
    labels = host.split(".")
    return [".".join(labels[start:]) for start in range(len(labels) - 1)]


def limited(attributes: Sequence[bytes], limits: CookieLimits, now: float) -> list[bytes]:
    """The attributes of a Set-Cookie line under the limits; those that are strict enough keep their bytes.

    A lifetime is shortened and never lengthened: a cookie of the session stays one. `now` is seconds
    since the epoch.
    """
    kept = [_shortened(each, limits.max_age, now) for each in attributes] if limits.max_age else list(attributes)
    present = {name for name, _ in map(_attribute, kept)}
    if limits.secure and b"secure" not in present:
        kept.append(b" Secure")
    if limits.http_only and b"httponly" not in present:
        kept.append(b" HttpOnly")
    if limits.same_site and b"samesite" not in present:
        kept.append(b" SameSite=" + limits.same_site.capitalize().encode())
    return kept


def _shortened(attribute: bytes, most: int, now: float) -> bytes:
    name, value = _attribute(attribute)
    head = attribute.partition(b"=")[0]
    if name == b"max-age" and (seconds := _SECONDS.fullmatch(value)) is not None:
        # More digits than a century of seconds has are not worth reading, and could be too many to read.
        long = len(seconds[1]) > 12 and not seconds[1].startswith(b"-")
        return b"%b=%d" % (head, most) if long or int(seconds[1][:13]) > most else attribute
    if name == b"expires" and (date := cookie_date(value)) is not None:
        end = min(datetime.fromtimestamp(now, UTC) + timedelta(seconds=most), _LATEST)
        return head + b"=" + format_datetime(end, usegmt=True).encode() if date > end else attribute
    return attribute


def _attribute(attribute: bytes) -> tuple[bytes, bytes]:
    name, _, value = attribute.partition(b"=")
    return name.strip(b" \t").lower(), value.strip(b" \t")


def cookie_date(text: bytes) -> datetime | None:
    """The moment that a browser reads in `Expires` (RFC 6265 section 5.1.1); None where it reads none."""
    clock = day = month = year = None
    for token in _DELIMITERS.split(text):
        if clock is None and (found := _TIME.match(token)):
            clock = (int(found[1]), int(found[2]), int(found[3]))
        elif day is None and (found := _DAY.match(token)):
            day = int(found[1])
        elif month is None and token[:3].lower() in _MONTHS:
            month = _MONTHS.index(token[:3].lower()) + 1
        elif year is None and (found := _YEAR.match(token)):
            year = int(found[1])
    if clock is None or day is None or month is None or year is None:
        return None
    year += 1900 if 70 <= year <= 99 else 2000 if year <= 69 else 0
    if year < _EARLIEST_YEAR:
        return None
    try:
        return datetime(year, month, day, *clock, tzinfo=UTC)
    except ValueError:
        return None
