"""Reads one route. What other files declare is checked later, once all of them are read."""

import re
from collections.abc import Mapping

import msgspec

from gateway.model.address import Address
from gateway.model.words import Direction, Mode, Posture, Rest
from gateway.policy import forms, route_shapes
from gateway.policy.declarations import Declarations, Mention, place_of, read_postures
from gateway.policy.each import read_each
from gateway.policy.matches import Match, read_match
from gateway.policy.policy import CALLER, Each, Place
from gateway.policy.reader import Reader
from gateway.policy.sections import DraftSection, read_address, read_section, whole_rest
from gateway.policy.sign_in import DraftSession, read_session
from gateway.policy.source import Mapping as MappingNode
from gateway.policy.source import Node, Scalar

_UNITS = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SIZE = re.compile(r"([0-9]+)([A-Za-z]*)")


class DraftSubject(msgspec.Struct, frozen=True):
    """Without an address the person is whom a verified source names, but for those of `each`."""

    address: Address | None
    at: Place
    each: Each | None = None

    @property
    def identified(self) -> bool:
        return self.address is None and self.each is None


class DraftOptions(msgspec.Struct, frozen=True):
    """What a route says beside who, where and what; `items_at` is where its `stream` names `items`."""

    postures: Mapping[Posture, str]
    stream: frozenset[str]
    items_at: Place | None
    record_always: bool
    body_limit: int | None


class DraftRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A route as far as it could be read: what is None has got its diagnostic.

    `has_subject` tells a subject that could not be read from one that was never written.
    """

    name: str
    place: Place
    match: Match | None
    to: Mention | None
    caller: Mention | None
    mode: Mode
    subject: DraftSubject | None
    has_subject: bool
    request: DraftSection
    response: DraftSection
    options: DraftOptions
    session: DraftSession

    @property
    def caller_name(self) -> str:
        return self.caller.name if self.caller else CALLER

    @property
    def methods(self) -> frozenset[str]:
        """Methods as far as they are known; none means any."""
        return self.match.methods if self.match else frozenset()


def read_route(reader: Reader, node: Node, known: Declarations) -> DraftRoute | None:
    """One route; None only where the node is no mapping at all."""
    keys = reader.keys(node, route_shapes.ROUTE)
    if not isinstance(node, MappingNode):
        return None
    mode = reader.word(keys["mode"], Mode, "mode") if "mode" in keys else Mode.ENFORCE
    if "response" not in keys and mode is Mode.ENFORCE:
        hint = "write 'response: {rest: pass}' to forward responses as they are, or list their fields"
        reader.report.add("PG213", node, "the route does not say what becomes of responses", hint)
    silent = Rest.PASS if mode is Mode.OBSERVE else Rest.DROP
    return DraftRoute(
        name=_read_name(reader, keys, known),
        place=place_of(keys.get("name", node)),
        match=read_match(reader, keys["match"]) if "match" in keys else None,
        to=_mention(reader, keys, "to", known.targets_mentioned),
        caller=_mention(reader, keys, "caller", known.callers_mentioned),
        mode=mode or Mode.ENFORCE,
        subject=_read_subject(reader, keys["subject"]) if "subject" in keys else None,
        has_subject="subject" in keys,
        request=_read_direction(reader, keys, Direction.REQUEST, Rest.DROP, known),
        response=_read_direction(reader, keys, Direction.RESPONSE, silent, known),
        options=_read_options(reader, keys),
        session=read_session(reader, keys),
    )


def _read_name(reader: Reader, keys: Mapping[str, Node], known: Declarations) -> str:
    if "name" not in keys:
        return ""
    hint = "letters, digits, '.', '_' and '-', at most 64"
    name = reader.matching(keys["name"], forms.NAME, "the name of a route", hint)
    if name:
        known.claim(reader, "route", name, keys["name"])
    return name or ""


def _read_direction(
    reader: Reader, keys: Mapping[str, Node], direction: Direction, silent: Rest, known: Declarations
) -> DraftSection:
    if direction in keys:
        return read_section(reader, keys[direction], direction, known)
    return DraftSection((), whole_rest(silent))


def _mention(reader: Reader, keys: Mapping[str, Node], name: str, mentioned: list[Mention]) -> Mention | None:
    text = reader.text(keys[name], f"'{name}'") if name in keys else None
    if text is None:
        return None
    mention = Mention(text, place_of(keys[name]))
    mentioned.append(mention)
    return mention


def _read_subject(reader: Reader, node: Node) -> DraftSubject | None:
    if isinstance(node, Scalar) and not node.is_null:
        if node.text in forms.SUBJECT_WORDS:
            return DraftSubject(None, place_of(node))
        hint = "write 'subject: identity', or 'subject: {field: ADDRESS}'"
        reader.report.add("PG107", node, f"'{node.text}' is not a known subject", hint)
        return None
    keys = reader.keys(node, route_shapes.SUBJECT)
    if "each" in keys:
        each = read_each(reader, keys)
        return DraftSubject(None, place_of(keys["each"]), each) if each else None
    if "in" in keys:
        reader.report.add("PG106", keys["in"], "'in' says where the items of 'each' are", "add 'each: ADDRESS[*]'")
    scalar = reader.scalar(keys["field"], "'field'") if "field" in keys else None
    address = read_address(reader, scalar) if scalar else None
    return DraftSubject(address, place_of(keys["field"])) if address else None


def _read_options(reader: Reader, keys: Mapping[str, Node]) -> DraftOptions:
    postures: dict[Posture, str] = {}
    if "postures" in keys:
        postures = {posture: choice for _, posture, choice in read_postures(reader, keys["postures"])}
    words = reader.scalars(keys["stream"], "'stream'") if "stream" in keys else []
    stream = [reader.choice(word, forms.STREAMS, "stream") for word in words]
    record = reader.word(keys["record"], forms.RECORDS, "record") if "record" in keys else None
    limit = _read_size(reader, keys["body_limit"]) if "body_limit" in keys else None
    items = next((place_of(word) for word in words if word.text == "items"), None)
    return DraftOptions(postures, frozenset(word for word in stream if word), items, record == "always", limit)


def _read_size(reader: Reader, node: Node) -> int | None:
    hint = "bytes, or a number with KiB, MiB or GiB, such as '2MiB'"
    text = reader.matching(node, forms.SIZE, "a size", hint)
    size = _SIZE.fullmatch(text) if text else None
    return int(size[1]) * _UNITS[size[2]] if size else None
