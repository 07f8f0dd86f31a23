"""The outline of a document: which addresses it has, without any of its values.

Names of members can be data themselves (an object keyed by e-mail addresses), so a name that does
not look like one that a programmer chose is written `*`.
"""

import ipaddress
import re
from collections.abc import Iterator

import msgspec

from gateway.model.errors import Unreadable
from gateway.model.words import Posture

_NAME = re.compile(r"[A-Za-z_][A-Za-z_-]{0,39}[0-9]{0,2}")
_MOST = 200
_PORT = re.compile(r":[0-9]{1,5}")
_DIGITS = re.compile(r"[0-9]{6}")
_DOMAIN_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,40}(?<!-)")
_TOP_LABEL = re.compile(r"[a-z]{2,24}|xn--[a-z0-9-]{2,59}")
_LONGEST_LABEL = 24
_INSIDE = tuple(
    ipaddress.ip_network(text)
    for text in ["127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7", "fe80::/10"]
)
"""Addresses that say nothing outside of the network that they are in."""
_DECODER = msgspec.json.Decoder(float_hook=str)  # 1e400 is a number too, and no value is looked at


def is_name(text: str) -> bool:
    """Whether a key, parameter or path segment looks chosen by a programmer rather than filled with data."""
    return _NAME.fullmatch(text) is not None


def step_of(name: str) -> str:
    """The name as an outline writes it."""
    return name if is_name(name) else "*"


def host_outline(host: str) -> str:
    """A host name without labels that look like data: `*` stands for them, and for all to their left.

    Whoever makes names can write data into them, but pays for each domain: so its own two last labels only have to be
    short and without long numbers, those before them names. Of an address of the internet its network is written.

    >>> host_outline("api.mailer.example"), host_outline("o4507.ingest.sentry.io:8443"), host_outline("203.0.113.9")
    ('api.mailer.example', '*.ingest.sentry.io:8443', '203.0.113.*')
    """
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]") or _PORT.fullmatch(colon + port) is None:
        name, port = host, ""
    else:
        port = colon + port
    return (_address_outline(name) or _name_outline(name)) + port


def _address_outline(name: str) -> str:
    """Empty where it is no address."""
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return ""
    if any(address in network for network in _INSIDE if network.version == address.version):
        return name
    if address.version == 4:
        return name.rpartition(".")[0] + ".*"
    network = ipaddress.ip_network((int(address) >> 80 << 80, 48))
    return f"[{network.network_address.compressed}*]"


def _name_outline(name: str) -> str:
    labels = name.lower().rstrip(".").split(".")
    if len(labels) == 1:
        return name.lower() if _is_harmless(labels[0], 2) else "*"
    kept: list[str] = []
    for label in reversed(labels):
        if not _is_harmless(label, len(kept)):
            return ".".join(["*", *reversed(kept)])
        kept.append(label)
    return ".".join(reversed(kept))


def _is_harmless(label: str, place: int) -> bool:
    """`place` counts from the right."""
    if place == 0:
        return _TOP_LABEL.fullmatch(label) is not None
    if place == 1:
        return _DOMAIN_LABEL.fullmatch(label) is not None and _DIGITS.search(label) is None
    return len(label) <= _LONGEST_LABEL and is_name(label)


def json_outline(plain: bytes) -> list[str]:
    """Addresses of the scalars of a JSON document, sorted, array elements as `[*]`, at most 200.

    Raises:
        Unreadable: it is not JSON.
    """
    try:
        value = _DECODER.decode(plain)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        raise Unreadable(Posture.UNPARSABLE_BODY, "the body is not JSON") from cause
    found: set[str] = set()
    for address in _walk(value, "$", 0):
        found.add(address)
        if len(found) >= _MOST:
            break
    return sorted(found)


def _walk(value: object, address: str, depth: int) -> Iterator[str]:
    if isinstance(value, dict) and depth < 16:
        for name, member in value.items():
            yield from _walk(member, f"{address}.{step_of(name)}", depth + 1)
    elif isinstance(value, list) and depth < 16:
        for element in value:
            yield from _walk(element, address + "[*]", depth + 1)
    else:
        yield address
