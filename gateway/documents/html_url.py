r"""Which host a URL of a page leads to, as the URL standard says as far as it matters (url.spec.whatwg.org).

>>> host_of(r" https:\\Ann@CDN.example:443/x")
'cdn.example'
>>> host_of("/pictures/1.png") is HERE
True
"""

import ipaddress
import re
import unicodedata
from enum import Enum
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

import idna


class Whither(Enum):
    """Where a URL leads that names no host that can be told."""

    HERE = "here"
    NOWHERE = "nowhere"
    DOUBTFUL = "doubtful"


HERE: Final = Whither.HERE
"""To the host of the page, or of its base."""
NOWHERE: Final = Whither.NOWHERE
"""To no host at all, as `data:` and `javascript:`."""
DOUBTFUL: Final = Whither.DOUBTFUL
"""To a host of which two readers may think differently, or that cannot exist."""

_STRIPPED: Final = "".join(map(chr, range(0x21)))
_IGNORED = re.compile(r"[\t\n\r]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_PORTS: Final = {"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21"}
_AUTHORITY = re.compile(r"[/\\]*([^/\\?#]*)")
_PORT = re.compile(r"(.*?)(?::([0-9]*))?", re.DOTALL)
_NAME = re.compile(r"[a-z0-9_!$&'()*+,;=~-]+(?:\.[a-z0-9_!$&'()*+,;=~-]+)*")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_LAST_PORT: Final = 65535


@lru_cache(maxsize=2048)
def host_of(url: str) -> str | Whither:
    """`name`, or `name:port` where the port is not its scheme's own; IPv6 in brackets, other names in ASCII."""
    url = _IGNORED.sub("", url.strip(_STRIPPED))
    found = _SCHEME.match(url)
    if found is None:
        if not re.match(r"[/\\]{2}", url):
            return HERE
        return _host(_authority(url), frozenset(("80", "443")))
    scheme = found[1].lower()
    if scheme not in _PORTS:
        return DOUBTFUL if scheme == "file" else NOWHERE
    # With fewer than two slashes it is relative where the page has this scheme, and else a host.
    return _host(_authority(url[found.end() :]), frozenset((_PORTS[scheme],)))


def _authority(text: str) -> str:
    found = _AUTHORITY.match(text)
    assert found is not None
    return found[1].rpartition("@")[2]


def _host(authority: str, own_ports: frozenset[str]) -> str | Whither:
    if authority.startswith("["):
        name, bracket, port = authority.partition("]")
        if not bracket or (port and not re.fullmatch(r":[0-9]*", port)):
            return DOUBTFUL
        address = _version_6(name[1:])
        return DOUBTFUL if address is None else _with_port(f"[{address}]", port[1:], own_ports)
    found = _PORT.fullmatch(authority)
    assert found is not None
    host = _name(found[1])
    return DOUBTFUL if host is None else _with_port(host, found[2] or "", own_ports)


def _with_port(name: str, port: str, own_ports: frozenset[str]) -> str | Whither:
    if not port:
        return name
    port = port.lstrip("0") or "0"
    if len(port) > len(str(_LAST_PORT)) or int(port) > _LAST_PORT:
        return DOUBTFUL
    return name if port in own_ports else f"{name}:{port}"


def _name(text: str) -> str | None:
    try:
        name = unquote_to_bytes(text.encode()).decode("utf-8")
    except UnicodeError:
        return None
    if not name.isascii():
        name = _in_ascii(name)
    name = name.lower().removesuffix(".")
    if not _NAME.fullmatch(name):
        return None
    last = name.rpartition(".")[2]
    return _version_4(name) if _NUMBER.fullmatch(last) else name


def _in_ascii(name: str) -> str:
    """The name's ASCII form; empty where it has none without doubt (UTS 46)."""
    try:
        mapped = idna.uts46_remap(unicodedata.normalize("NFC", name), std3_rules=False, transitional=False)
        return mapped if mapped.isascii() else idna.encode(mapped).decode("ascii")
    except UnicodeError:
        return ""


def _version_4(name: str) -> str | None:
    """Numbers in base 8, 10 or 16, of which the last fills what is left of 32 bits (URL standard, IPv4 parser)."""
    parts = name.split(".")
    try:
        numbers = [_number(part) for part in parts]
        address = numbers.pop()
        if len(numbers) > 3 or any(number > 255 for number in numbers) or address >= 256 ** (4 - len(numbers)):
            return None
        for place, number in enumerate(numbers):
            address += number * 256 ** (3 - place)
        return str(ipaddress.IPv4Address(address))
    except ValueError:
        return None


def _number(text: str) -> int:
    if text.lower().startswith("0x"):
        return int(text[2:] or "0", 16)
    return int(text, 8) if len(text) > 1 and text.startswith("0") else int(text)


def _version_6(text: str) -> str | None:
    try:
        return str(ipaddress.IPv6Address(text)) if "%" not in text else None
    except ValueError:
        return None
