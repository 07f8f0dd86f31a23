"""Reads what a rule file declares beside its routes: controller, purposes, recipients, postures."""

from collections.abc import Callable, Iterator
from collections.abc import Mapping as MappingType
from datetime import date
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from gateway.model.words import Basis, ConsentScope, Posture, Role
from gateway.policy import forms, schema
from gateway.policy.pattern import PatternError, parse_host
from gateway.policy.policy import Contract, FieldRule, Notice, Place, Purpose, Recipient, Signals
from gateway.policy.read_texts import read_text
from gateway.policy.reader import Reader
from gateway.policy.report import Located, closest
from gateway.policy.source import Mapping, Node, Refused, Scalar
from gateway.policy.taxonomy import SHORT_CLASSES, class_of
from gateway.policy.texts import NO_TEXT

Declared = TypeVar("Declared")


class Mention(msgspec.Struct, frozen=True):
    """A name that a rule uses before it is known whether any file declares it."""

    name: str
    at: Place


class Declarations(msgspec.Struct):
    """Everything declared so far, over all files; `places` says where, by kind and name."""

    controller: dict[str, str] = {}
    purposes: dict[str, Purpose] = {}
    recipients: dict[str, Recipient] = {}
    postures: dict[Posture, str] = {}
    signals: Signals = Signals()
    notice: Notice | None = None
    cookies: list[FieldRule] = []
    places: dict[tuple[str, str], Place] = {}
    purposes_mentioned: list[Mention] = []
    targets_mentioned: list[Mention] = []
    callers_mentioned: list[Mention] = []

    def claim(self, reader: Reader, kind: str, name: str, at: Located) -> bool:
        """Take a name for a kind of thing; False, with a diagnostic, where it is taken."""
        first = self.places.setdefault((kind, name), place_of(at))
        if (first.file, first.line, first.column) == (at.file, at.line, at.column):
            return True
        message = f"the {kind} '{name}' is already declared in {first.file}, line {first.line}"
        reader.report.add("PG110", at, message, "remove one of the two")
        return False


def place_of(at: Located) -> Place:
    return Place(at.file, at.line, at.column)


def read_controller(reader: Reader, node: Node, into: Declarations) -> None:
    if not into.claim(reader, "controller", "controller", node):
        return
    for name, value in reader.keys(node, schema.CONTROLLER).items():
        text = reader.text(value, f"'{name}'")
        if text is not None:
            into.controller[name] = text


def read_purposes(reader: Reader, node: Node, into: Declarations) -> None:
    form = (forms.PURPOSE_NAME, "lower-case words joined by '.', such as 'ads.email'")
    for key, value in _named(reader, node, "purpose", form, into):
        keys = reader.keys(value, schema.PURPOSE)
        basis = _read(keys, "basis", lambda found: reader.word(found, Basis, "basis"))
        title = _read(keys, "title", lambda found: read_text(reader, found, "'title'"))
        description = _read(keys, "description", lambda found: read_text(reader, found, "'description'"))
        sale = _read(keys, "sale_or_share", lambda found: reader.flag(found, "'sale_or_share'"))
        scope = _read(keys, "consent_scope", lambda found: reader.word(found, ConsentScope, "consent_scope"))
        tcf = _read(keys, "tcf", lambda found: _read_tcf(reader, found))
        if "tcf" in keys:
            into.places["tcf", key.text] = place_of(keys["tcf"])
        if "consent_scope" in keys:
            into.places["consent_scope", key.text] = place_of(keys["consent_scope"])
        # A purpose whose basis cannot be read stays known, so that its uses are not called undeclared.
        into.purposes[key.text] = Purpose(
            key.text,
            basis or Basis.CONSENT,
            title or NO_TEXT,
            sale or False,
            scope or ConsentScope.ANY,
            description or NO_TEXT,
            tcf or (),
        )


def _read_tcf(reader: Reader, node: Node) -> tuple[int, ...]:
    found = [reader.whole(each, "a purpose of the TCF", forms.TCF_PURPOSES) for each in reader.scalars(node, "'tcf'")]
    return tuple(dict.fromkeys(number for number in found if number is not None))


def read_recipients(reader: Reader, node: Node, into: Declarations) -> None:
    form = (forms.NAME, "letters, digits, '.', '_' and '-', at most 64")
    for key, value in _named(reader, node, "recipient", form, into):
        keys = reader.keys(value, schema.RECIPIENT)
        contact = _read(keys, "contact", lambda found: reader.text(found, "'contact'"))
        into.recipients[key.text] = Recipient(
            name=key.text,
            role=(_read_role(reader, keys["role"]) if "role" in keys else None) or Role.PUBLIC,
            upstream=_read(keys, "upstream", lambda found: _read_upstream(reader, found)),
            hosts=_read(keys, "hosts", lambda found: read_hosts(reader, found)) or (),
            country=_read(keys, "country", lambda found: _read_country(reader, found)),
            contract=_read(keys, "contract", lambda found: _read_contract(reader, found)),
            may_receive=_read(keys, "may_receive", lambda found: _read_may_receive(reader, found, into)),
            title=_read(keys, "title", lambda found: read_text(reader, found, "'title'")) or NO_TEXT,
            contact=contact or "",
            tcf_vendor=_read(keys, "tcf_vendor", lambda found: reader.whole(found, "'tcf_vendor'", forms.TCF_VENDORS)),
            embedded_for=_read(keys, "embedded_for", lambda found: _read_embedded_for(reader, found, into)) or (),
        )
        if "tcf_vendor" in keys:
            into.places["tcf_vendor", key.text] = place_of(keys["tcf_vendor"])
        if "embedded_for" in keys:
            into.places["embedded_for", key.text] = place_of(keys["embedded_for"])
        if "upstream" in keys:
            into.places["upstream", key.text] = place_of(keys["upstream"])
        if "contract" in keys:
            into.places["contract", key.text] = _place_of_contract(keys["contract"])


def read_postures(reader: Reader, node: Node) -> Iterator[tuple[Scalar, Posture, str]]:
    """The choices of one `postures:` mapping, each with its key."""
    for key, value in reader.entries(node, "'postures'") or ():
        posture = reader.choice(key, Posture, "posture")
        chosen = reader.scalar(value, f"'{key.text}'")
        if posture is None or chosen is None:
            continue
        allowed = forms.POSTURE_CHOICES[posture]
        if chosen.text in allowed:
            yield key, posture, chosen.text
        else:
            message = f"'{posture}' cannot be '{chosen.text}'"
            reader.report.add("PG214", chosen, message, "one of: " + ", ".join(allowed))


def read_default_postures(reader: Reader, node: Node, into: Declarations) -> None:
    for key, posture, choice in read_postures(reader, node):
        if into.claim(reader, "posture", posture, key):
            into.postures[posture] = choice


def read_hosts(reader: Reader, node: Node) -> tuple[str, ...]:
    """Host patterns in lower case."""
    hosts: list[str] = []
    for scalar in reader.scalars(node, "a host"):
        try:
            hosts.append(parse_host(scalar.text))
        except PatternError as error:
            reader.report.add(error.code, scalar, error.message, error.hint)
    return tuple(dict.fromkeys(hosts))


def read_class(reader: Reader, scalar: Scalar) -> str | None:
    """The full key of a class of data."""
    found = class_of(scalar.text)
    if found is None:
        message = f"'{scalar.text}' is not a class of the data taxonomy"
        reader.report.add("PG204", scalar, message, closest(scalar.text.removeprefix("user."), SHORT_CLASSES))
    return found


def _read(keys: MappingType[str, Node], name: str, read: Callable[[Node], Declared]) -> Declared | None:
    return read(keys[name]) if name in keys else None


def _named(
    reader: Reader, node: Node, kind: str, form: tuple[str, str], into: Declarations
) -> Iterator[tuple[Scalar, Node]]:
    """Entries of a mapping from names to declarations, as far as the names can be used.

    `form` is the pattern of a name, and how to say it.
    """
    for key, value in reader.entries(node, f"'{kind}s'") or ():
        fits = reader.matching(key, form[0], f"the name of a {kind}", form[1]) is not None
        if fits and into.claim(reader, kind, key.text, key):
            yield key, value


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
    ref = _read(keys, "ref", lambda found: reader.text(found, "'ref'"))
    expires = _read(keys, "expires", lambda found: read_date(reader, found))
    return Contract(ref, expires) if ref else None


def read_date(reader: Reader, node: Node) -> str | None:
    """A day of the calendar as its ISO date."""
    hint = "a day that exists, written YYYY-MM-DD"
    text = reader.matching(node, forms.DATE, "a date", hint)
    if text is None:
        return None
    try:
        date.fromisoformat(text)
    except ValueError:
        reader.report.add("PG108", node, f"'{text}' is no day of the calendar", hint)
        return None
    return text


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
