"""Reads the two sections of a route: listed fields, and what becomes of the rest."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from gateway.model.action import Action, Blank, Block, Drop, Keep, action_name
from gateway.model.address import Address, AddressError, parse_address
from gateway.model.address import Place as Where
from gateway.model.words import Direction, Part, Rest
from gateway.policy import route_shapes
from gateway.policy.actions import read_action
from gateway.policy.declarations import Declarations, Mention, place_of, read_class
from gateway.policy.pages import read_pages
from gateway.policy.policy import FieldRule, PageRules, Place, Section
from gateway.policy.reader import Reader
from gateway.policy.source import Node, Scalar

FRAMING_HEADERS = frozenset(
    (
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "max-forwards",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    )
)
"""Header fields that say how a message is carried (RFC 9110 sections 7 and 8, RFC 9112)."""

PERSONS_WISH = frozenset(("dnt", "sec-gpc"))
"""Request fields that state what the person wishes: no rule may change them (W3C GPC section 3.3, TPE section 5.2)."""

_REQUEST_ONLY = (Where.QUERY, Where.PATH, Where.FORM, Where.PART)
_REQUEST_PARTS = (Part.QUERY,)


class DraftField(msgspec.Struct, frozen=True):
    """A field as read, with the places that later checks speak about."""

    rule: FieldRule
    class_at: Place
    purpose_at: Place


class DraftSection(msgspec.Struct, frozen=True):
    fields: tuple[DraftField, ...]
    rest: Mapping[Part, Rest]
    pages: PageRules | None = None

    def section(self) -> Section:
        return Section(tuple(field.rule for field in self.fields), MappingProxyType(dict(self.rest)), self.pages)


def whole_rest(rest: Rest) -> Mapping[Part, Rest]:
    """The same for every part of a message."""
    return dict.fromkeys(Part, rest)


def read_section(reader: Reader, node: Node, direction: Direction, known: Declarations) -> DraftSection:
    """One direction of a route, as far as it can be read."""
    keys = reader.keys(node, route_shapes.SECTION)
    fields: list[DraftField] = []
    if "fields" in keys:
        for key, value in reader.entries(keys["fields"], "'fields'") or ():
            field = _read_field(reader, key, value, direction, known)
            if field:
                fields.append(field)
    rest = _read_rest(reader, keys["rest"], direction) if "rest" in keys else whole_rest(Rest.DROP)
    pages = read_pages(reader, keys["pages"], direction) if "pages" in keys else None
    return DraftSection(tuple(fields), rest, pages)


def read_address(reader: Reader, scalar: Scalar) -> Address | None:
    """An address; None, with a diagnostic at the very column, where it is none."""
    try:
        return parse_address(scalar.text)
    except AddressError as error:
        offset = error.column - 1 + (0 if scalar.plain else 1)
        reader.report.add("PG205", scalar, error.message, error.hint, offset=offset)
        return None


def _read_field(
    reader: Reader, key: Scalar, value: Node, direction: Direction, known: Declarations
) -> DraftField | None:
    address = read_address(reader, key)
    if address is not None and not _exists(reader, key, address, direction):
        address = None
    keys = reader.keys(value, route_shapes.FIELD)
    named = reader.scalar(keys["is"], "'is'") if "is" in keys else None
    data_class = read_class(reader, named) if named else None
    purpose = reader.scalar(keys["for"], "'for'") if "for" in keys else None
    if purpose:
        known.purposes_mentioned.append(Mention(purpose.text, place_of(purpose)))
    action = _read_action_at(reader, keys, "as", Keep(), address)
    otherwise = _read_action_at(reader, keys, "otherwise", Block(), address)
    if not (address and named and data_class and purpose and action is not None and otherwise is not None):
        return None
    rule = FieldRule(address, data_class, purpose.text, action, otherwise, place_of(key))
    return DraftField(rule, place_of(named), place_of(purpose))


def _exists(reader: Reader, key: Scalar, address: Address, direction: Direction) -> bool:
    if direction is Direction.RESPONSE and address.place in _REQUEST_ONLY:
        hint = "address the body of a response with '$…', its head with 'header:' and 'cookie:'"
        reader.report.add("PG206", key, f"a response has no '{address.place}:'", hint)
        return False
    if address.place is Where.HEADER and address.name in FRAMING_HEADERS:
        hint = "the gateway takes care of it, and it holds nothing about a person"
        reader.report.add("PG207", key, f"the header '{address.name}' belongs to HTTP itself", hint)
        return False
    wish = direction is Direction.REQUEST and address.place is Where.HEADER
    if wish and address.name.replace("_", "-") in PERSONS_WISH:
        hint = "leave it out: it passes whatever 'rest' says"
        reader.report.add("PG219", key, f"the header '{address.name}' says what the person wishes", hint)
        return False
    return True


def _read_action_at(
    reader: Reader, keys: Mapping[str, Node], name: str, default: Action, address: Address | None
) -> Action | None:
    if name not in keys:
        return default
    action = read_action(reader, keys[name])
    if action is not None and address is not None and address.place is Where.PATH and isinstance(action, Drop | Blank):
        message = f"a part of the path cannot be given to '{action_name(action)}'"
        hint = "one of: keep, mask, generalise, hash, pseudonym, block"
        reader.report.add("PG208", keys[name], message, hint)
        return None
    return action


def _read_rest(reader: Reader, node: Node, direction: Direction) -> Mapping[Part, Rest]:
    rest = dict.fromkeys(Part, Rest.DROP)
    if isinstance(node, Scalar):
        word = reader.word(node, Rest, "rest")
        return whole_rest(word) if word else rest
    for name, value in reader.keys(node, route_shapes.REST).items():
        if direction is Direction.RESPONSE and name in _REQUEST_PARTS:
            reader.report.add("PG215", value, f"a response has no {name}", "leave it out")
            continue
        word = reader.word(value, Rest, "rest")
        if word:
            rest[Part(name)] = word
    return rest
