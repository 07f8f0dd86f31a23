"""Generalisation: a value becomes the group it belongs to. What cannot be read becomes "", never itself."""

import ipaddress
import re
from collections.abc import Mapping
from types import MappingProxyType

from gateway.documents.edit import Transform
from gateway.model.action import Generalisation
from gateway.transforms.user_agent import user_agent

# RFC 3339 and the common ISO 8601 forms: a date alone, or with a time of day that is not looked at further.
_DATE = re.compile(
    r"([0-9]{4})-(0[1-9]|1[0-2])(?:-(?:0[1-9]|[12][0-9]|3[01])"
    r"(?:[Tt ][0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2}(?:[.,][0-9]+)?)?)?(?: ?(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?))?)?)?"
)
_COMPACT_DATE = re.compile(r"([0-9]{4})(0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")
_YEAR = re.compile(r"[0-9]{4}")
_AGE = re.compile(r"[0-9]{1,3}")
_OLDEST = 130
_DOMAIN = re.compile(r"(?:[\w-]{1,63}\.)*[\w-]{1,63}")
_ADDRESS_WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?")
# RFC 9110 section 12.5.4 with the basic ranges of RFC 4647; only the primary subtag is kept.
_LANGUAGE_RANGE = re.compile(
    r"(\*|[A-Za-z]{1,8})(?:-[A-Za-z0-9]{1,8})*(?:[ \t]*;[ \t]*[qQ]=(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"
)
_AREA_SIZE = 2


def generaliser(to: Generalisation) -> Transform:
    """The transform for one kind of generalisation; it raises for no text."""
    return _TRANSFORMS[to]


def year(text: str) -> str:
    """`1987-03-05T…` and `1987` become `1987`."""
    text = text.strip()
    if _YEAR.fullmatch(text):
        return text
    found = _date(text)
    return found[1] if found else ""


def month(text: str) -> str:
    """`1987-03-05T…` becomes `1987-03`."""
    found = _date(text.strip())
    return f"{found[1]}-{found[2]}" if found else ""


def decade(text: str) -> str:
    """A date or year becomes its decade (`1980s`), an age its ten years (`30-39`)."""
    text = text.strip()
    if _AGE.fullmatch(text):
        age = int(text)
        return f"{age // 10 * 10}-{age // 10 * 10 + 9}" if age <= _OLDEST else ""
    found = year(text)
    return f"{found[:3]}0s" if found else ""


def network(text: str) -> str:
    """An IPv4 address becomes its /24, an IPv6 address its /48; a port is left out.

    An IPv4 address inside an IPv6 one (RFC 4291 section 2.5.5.2) counts as IPv4.
    """
    text = text.strip()
    with_port = _ADDRESS_WITH_PORT.fullmatch(text)
    if with_port:
        text = with_port[1] or with_port[2]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if isinstance(address, ipaddress.IPv4Address):
        return str(ipaddress.IPv4Network((int(address), 24), strict=False))
    # From the number: the text may carry a zone id, which names an interface of the person's device.
    return str(ipaddress.IPv6Network((int(address), 48), strict=False))


def email_domain(text: str) -> str:
    """`ann@shop.example` becomes `shop.example`, in lower case."""
    local, at, domain = text.strip().rpartition("@")
    if not local or not at or not _DOMAIN.fullmatch(domain):
        return ""
    return domain.lower()


def postal_area(text: str) -> str:
    """The first two letters or digits of a postal code, so `10115` becomes `10`."""
    found = "".join(character for character in text if character.isalnum())
    # A code of two characters or less is no area of itself: it would pass whole.
    return found[:_AREA_SIZE].upper() if len(found) > _AREA_SIZE else ""


def language(text: str) -> str:
    """`de-CH,de;q=0.9,en;q=0.8` becomes `de,en`: primary languages in order, without weights."""
    languages: list[str] = []
    for member in text.split(","):
        if not member.strip():
            continue
        found = _LANGUAGE_RANGE.fullmatch(member.strip())
        if found is None:
            return ""
        if found[1].lower() not in languages:
            languages.append(found[1].lower())
    return ",".join(languages)


def _date(text: str) -> re.Match[str] | None:
    return _DATE.fullmatch(text) or _COMPACT_DATE.fullmatch(text)


_TRANSFORMS: Mapping[Generalisation, Transform] = MappingProxyType(
    {
        Generalisation.YEAR: year,
        Generalisation.MONTH: month,
        Generalisation.NETWORK: network,
        Generalisation.EMAIL_DOMAIN: email_domain,
        Generalisation.USER_AGENT: user_agent,
        Generalisation.DECADE: decade,
        Generalisation.POSTAL_AREA: postal_area,
        Generalisation.LANGUAGE: language,
    }
)
