"""Reads what a rule file declares beside its routes: controller, purposes, recipients, postures."""

from collections.abc import Callable, Iterator
from collections.abc import Mapping as MappingType
from datetime import date
from typing import TypeVar

import msgspec

from gateway.model.words import Basis, ConsentScope, Posture
from gateway.policy import forms, schema
from gateway.policy.pattern import PatternError, parse_host
from gateway.policy.policy import Egress, FieldRule, Notice, Place, Purpose, Recipient, Signals
from gateway.policy.read_texts import read_text
from gateway.policy.reader import Reader
from gateway.policy.report import Located, closest
from gateway.policy.source import Node, Scalar
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
    egress: Egress = Egress()
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

    def only_goes_out(self, recipient: str) -> bool:
        """Whether routes to the recipient are for calls that go out, since hosts are all that is written of it."""
        return ("hosts", recipient) in self.places and ("upstream", recipient) not in self.places


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
    for key, value in named_entries(reader, node, "purpose", form, into):
        keys = reader.keys(value, schema.PURPOSE)
        basis = optional(keys, "basis", lambda found: reader.word(found, Basis, "basis"))
        title = optional(keys, "title", lambda found: read_text(reader, found, "'title'"))
        description = optional(keys, "description", lambda found: read_text(reader, found, "'description'"))
        sale = optional(keys, "sale_or_share", lambda found: reader.flag(found, "'sale_or_share'"))
        scope = optional(keys, "consent_scope", lambda found: reader.word(found, ConsentScope, "consent_scope"))
        tcf = optional(keys, "tcf", lambda found: _read_tcf(reader, found))
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


def read_hosts(reader: Reader, node: Node) -> dict[str, Place]:
    """Host patterns in lower case, each with where it stands first."""
    hosts: dict[str, Place] = {}
    for scalar in reader.scalars(node, "a host"):
        try:
            hosts.setdefault(parse_host(scalar.text), place_of(scalar))
        except PatternError as error:
            reader.report.add(error.code, scalar, error.message, error.hint)
    return hosts


def read_class(reader: Reader, scalar: Scalar) -> str | None:
    """The full key of a class of data."""
    found = class_of(scalar.text)
    if found is None:
        message = f"'{scalar.text}' is not a class of the data taxonomy"
        reader.report.add("PG204", scalar, message, closest(scalar.text.removeprefix("user."), SHORT_CLASSES))
    return found


def optional(keys: MappingType[str, Node], name: str, read: Callable[[Node], Declared]) -> Declared | None:
    """What `read` makes of the value of a key; None where the key is not there."""
    return read(keys[name]) if name in keys else None


def named_entries(
    reader: Reader, node: Node, kind: str, form: tuple[str, str], into: Declarations
) -> Iterator[tuple[Scalar, Node]]:
    """Entries of a mapping from names to declarations, as far as the names can be used.

    `form` is the pattern of a name, and how to say it.
    """
    for key, value in reader.entries(node, f"'{kind}s'") or ():
        fits = reader.matching(key, form[0], f"the name of a {kind}", form[1]) is not None
        if fits and into.claim(reader, kind, key.text, key):
            yield key, value


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
