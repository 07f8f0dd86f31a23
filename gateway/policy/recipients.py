"""Reads who receives data: recipients, where they are reached, their contracts, and what they may have."""

from collections.abc import Mapping as MappingType
from types import MappingProxyType
from urllib.parse import urlsplit

from gateway.model.words import Role, Safeguard
from gateway.policy import forms, schema
from gateway.policy.declarations import (
    Declarations,
    Mention,
    named_entries,
    optional,
    place_of,
    read_class,
    read_date,
    read_hosts,
)
from gateway.policy.policy import Contract, Place, Recipient
from gateway.policy.read_texts import read_text
from gateway.policy.reader import Reader
from gateway.policy.source import Mapping, Node, Refused
from gateway.policy.texts import NO_TEXT

_PLACED = frozenset(("country", "embedded_for", "hosts", "safeguard", "tcf_vendor", "upstream"))
"""Keys of a recipient that diagnostics speak of later."""


def read_recipients(reader: Reader, node: Node, into: Declarations) -> None:
    form = (forms.NAME, "letters, digits, '.', '_' and '-', at most 64")
    for key, value in named_entries(reader, node, "recipient", form, into):
        keys = reader.keys(value, schema.RECIPIENT)
        contact = optional(keys, "contact", lambda found: reader.text(found, "'contact'"))
        into.recipients[key.text] = Recipient(
            name=key.text,
            role=(_read_role(reader, keys["role"]) if "role" in keys else None) or Role.PUBLIC,
            upstream=optional(keys, "upstream", lambda found: _read_upstream(reader, found)),
            hosts=_read_destinations(reader, keys["hosts"], key.text, into) if "hosts" in keys else (),
            country=optional(keys, "country", lambda found: _read_country(reader, found)),
            contract=optional(keys, "contract", lambda found: _read_contract(reader, found)),
            may_receive=optional(keys, "may_receive", lambda found: _read_may_receive(reader, found, into)),
            title=optional(keys, "title", lambda found: read_text(reader, found, "'title'")) or NO_TEXT,
            contact=contact or "",
            tcf_vendor=optional(
                keys, "tcf_vendor", lambda found: reader.whole(found, "'tcf_vendor'", forms.TCF_VENDORS)
            ),
            safeguard=optional(keys, "safeguard", lambda found: reader.word(found, Safeguard, "safeguard")),
            embedded_for=optional(keys, "embedded_for", lambda found: _read_embedded_for(reader, found, into)) or (),
        )
        for name in _PLACED & keys.keys():
            into.places[name, key.text] = place_of(keys[name])
        if "contract" in keys:
            into.places["contract", key.text] = _place_of_contract(keys["contract"])


def _read_destinations(reader: Reader, node: Node, name: str, into: Declarations) -> tuple[str, ...]:
    hosts = read_hosts(reader, node)
    into.places |= {(f"host of {name}", host): place for host, place in hosts.items()}
    return tuple(hosts)


def _read_upstream(reader: Reader, node: Node) -> str | None:
    hint = "scheme, host and perhaps a port, such as 'http://127.0.0.1:8000'; the path is that of the request"
    url = reader.matching(node, forms.UPSTREAM, "an upstream", hint)
    if url is None:
        return None
    try:
        usable = bool(urlsplit(url).hostname) and urlsplit(url).port != 0
    except ValueError:
        usable = False
    if not usable:
        reader.report.add("PG108", node, "host or port of the upstream cannot be read", hint)
        return None
    return url.removesuffix("/")


def _read_role(reader: Reader, node: Node) -> Role | None:
    return reader.word(node, Role, "role")


def _read_country(reader: Reader, node: Node) -> str | None:
    return reader.matching(node, "^[A-Z]{2}$", "a country", "two capital letters of ISO 3166, such as 'DE'")


def _place_of_contract(node: Node) -> Place:
    """Where its end is written, which is what diagnostics about a contract speak of."""
    ends = [value for key, value in node.entries if key.text == "expires"] if isinstance(node, Mapping) else []
    return place_of(ends[0] if ends else node)


def _read_contract(reader: Reader, node: Node) -> Contract | None:
    keys = reader.keys(node, schema.CONTRACT)
    ref = optional(keys, "ref", lambda found: reader.text(found, "'ref'"))
    expires = optional(keys, "expires", lambda found: read_date(reader, found))
    return Contract(ref, expires) if ref else None


def _read_embedded_for(reader: Reader, node: Node, into: Declarations) -> tuple[str, ...]:
    purposes = reader.scalars(node, "a purpose")
    into.purposes_mentioned.extend(Mention(purpose.text, place_of(purpose)) for purpose in purposes)
    return tuple(dict.fromkeys(purpose.text for purpose in purposes))


def _read_may_receive(reader: Reader, node: Node, into: Declarations) -> MappingType[str, tuple[str, ...]]:
    limits: dict[str, tuple[str, ...]] = {}
    for key, value in reader.entries(node, "'may_receive'") or ():
        data_class = read_class(reader, key)
        purposes = [] if isinstance(value, Refused) else reader.scalars(value, "a purpose")
        into.purposes_mentioned.extend(Mention(purpose.text, place_of(purpose)) for purpose in purposes)
        if data_class:
            limits[data_class] = tuple(purpose.text for purpose in purposes)
    return MappingProxyType(limits)
