"""Cases beside the rules (`*.cases.yaml`): a message, the facts, and what must come of it.

A case is read strictly, as rules are: an unknown key is a diagnostic, since a misspelt
expectation would otherwise never fail.
"""

import json
import re
from collections.abc import Mapping as MappingType
from urllib.parse import urlencode

import msgspec

from gateway.crypto.keyring import names_visitor
from gateway.model.errors import ConfigError
from gateway.model.identity import VISITOR_PREFIX, Identity, IdentitySource
from gateway.model.words import STANDINGS, ConsentStatus
from gateway.policy.policy import Place
from gateway.policy.report import Report, closest
from gateway.policy.source import Mapping, Node, Refused, Scalar, Sequence, read_source

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_REAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORDS: MappingType[str, Json] = {"true": True, "false": False, "null": None, "~": None, "": None}
_MESSAGE_KEYS = ("method", "scheme", "host", "path", "status", "headers", "cookies", "json", "form", "body")
_FACT_KEYS = ("subject", "identity", "consents", "people", "date", "outgoing")
_EXPECT_KEYS = ("forward", "refuse", "record")
_FORWARD_KEYS = ("path", "headers", "json", "form", "body")


class CaseMessage(msgspec.Struct, frozen=True):
    """One message as written in a case; `body` is ready to send, with its Content-Type among the headers."""

    method: str = "GET"
    host: str = "localhost"
    target: bytes = b"/"
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


class CaseFacts(msgspec.Struct, frozen=True):
    """`consents` maps a purpose, or (purpose, recipient), to a status; `date` is an ISO date.

    `identity` is whom a verified source names. `people` are the consents of those whom a message lists, by
    identifier. `outgoing` says whether the message is a call that goes out; None: what its host says.
    """

    subject: str | None = None
    consents: tuple[tuple[str, str, ConsentStatus], ...] = ()
    date: str | None = None
    identity: Identity | None = None
    people: MappingType[str, tuple[tuple[str, str, ConsentStatus], ...]] = {}
    outgoing: bool | None = None


class Expectation(msgspec.Struct, frozen=True):
    """What must leave. Only what is written is compared; `unchanged` asks for the very same bytes."""

    unchanged: bool = False
    forward: dict[str, Json] | None = None
    refuse: str | None = None
    record: dict[str, Json] | None = None
    no_record: bool = False


class Case(msgspec.Struct, frozen=True):
    name: str
    place: Place
    request: CaseMessage
    facts: CaseFacts
    expect: Expectation
    response: CaseMessage | None = None
    expect_response: Expectation | None = None


def identity_on_paper(source: IdentitySource, name: str) -> Identity:
    """Somebody whom a source is said to name, believed as it would be in traffic; a visitor goes by any text."""
    if source is IdentitySource.VISITOR:
        name = VISITOR_PREFIX + name.removeprefix(VISITOR_PREFIX)
    elif names_visitor(name):
        name = ""
    return Identity(source, name, float("inf"))


def read_cases(files: MappingType[str, str]) -> list[Case]:
    """Read all case files, given as name to text.

    Raises:
        ConfigError: with every diagnostic.
    """
    report = Report()
    reader = _Reader(report)
    cases: list[Case] = []
    for file, text in sorted(files.items()):
        root = read_source(file, text, report)
        if root is not None:
            cases.extend(reader.cases(root))
    if report.failed:
        raise ConfigError(report.sorted())
    return cases


class _Reader:
    def __init__(self, report: Report) -> None:
        self._report = report

    def cases(self, root: Mapping) -> list[Case]:
        top = self._fields(root, ("version", "cases"), required=("version", "cases"))
        listed = top.get("cases")
        if not isinstance(listed, Sequence):
            if listed is not None and not isinstance(listed, Refused):
                self._report.add("PG104", listed, "'cases' is a list", "start each case with '- name: …'")
            return []
        return [case for item in listed.items if (case := self._case(item)) is not None]

    def _case(self, node: Node) -> Case | None:
        fields = self._fields(node, ("name", "request", "response", "facts", "expect"), ("name", "request", "expect"))
        if not {"name", "request", "expect"} <= fields.keys():
            return None
        expect = self._fields(fields["expect"], (*_EXPECT_KEYS, "response"))
        answer = expect.pop("response", None)
        response = fields.get("response")
        if answer is not None and response is None:
            self._report.add("PG106", node, "a case that expects a response has to give one", "add 'response:'")
        return Case(
            name=self._text(fields["name"]),
            place=Place(node.file, node.line, node.column),
            request=self._message(fields["request"]),
            facts=self._facts(fields.get("facts")),
            expect=self._expectation(fields["expect"], expect),
            response=self._message(response) if response is not None else None,
            expect_response=(
                self._expectation(answer, self._fields(answer, _EXPECT_KEYS)) if answer is not None else None
            ),
        )

    def _message(self, node: Node) -> CaseMessage:
        fields = self._fields(node, _MESSAGE_KEYS)
        headers = self._headers(fields.get("headers"))
        cookies = self._value(fields["cookies"]) if "cookies" in fields else None
        if isinstance(cookies, dict):
            headers.append((b"Cookie", "; ".join(f"{name}={value}" for name, value in cookies.items()).encode()))
        body, kind = self._body(fields)
        if kind and not any(name.lower() == b"content-type" for name, _ in headers):
            headers.append((b"Content-Type", kind))
        status = self._value(fields["status"]) if "status" in fields else 200
        if not isinstance(status, int):
            self._report.add("PG108", fields["status"], "a status is a number from 200 to 599")
            status = 200
        return CaseMessage(
            method=self._text(fields.get("method"), "GET"),
            host=self._text(fields.get("host"), "localhost"),
            target=self._text(fields.get("path"), "/").encode(),
            status=status,
            headers=tuple(headers),
            body=body,
        )

    def _body(self, fields: dict[str, Node]) -> tuple[bytes, bytes]:
        if "json" in fields:
            return json.dumps(self._value(fields["json"]), ensure_ascii=False).encode(), b"application/json"
        if "form" in fields:
            value = self._value(fields["form"])
            pairs = value if isinstance(value, dict) else {}
            return urlencode(pairs).encode(), b"application/x-www-form-urlencoded"
        return self._text(fields.get("body"), "").encode(), b""

    def _headers(self, node: Node | None) -> list[tuple[bytes, bytes]]:
        value = self._value(node) if node is not None else {}
        if not isinstance(value, dict):
            assert node is not None
            self._report.add("PG104", node, "'headers' maps names to values, or to a list of values")
            return []
        pairs: list[tuple[bytes, bytes]] = []
        for name, given in value.items():
            pairs.extend(
                (name.encode(), str(each).encode()) for each in (given if isinstance(given, list) else [given])
            )
        return pairs

    def _facts(self, node: Node | None) -> CaseFacts:
        fields = (
            self._fields(node, ("subject", "identity", "consents", "people", "date", "outgoing"))
            if node is not None
            else {}
        )
        people = fields.get("people")
        if people is not None and not isinstance(people, Mapping):
            self._report.add("PG104", people, "'people' maps identifiers to consents", "write 'c-1: {ads: withdrawn}'")
        each = people.entries if isinstance(people, Mapping) else ()
        return CaseFacts(
            subject=self._text(fields["subject"]) if "subject" in fields else None,
            consents=self._consents(fields.get("consents")),
            people={identifier.text: self._consents(value) for identifier, value in each},
            date=self._text(fields["date"]) if "date" in fields else None,
            identity=self._identity(fields["identity"]) if "identity" in fields else None,
            outgoing=self._flag(fields["outgoing"]) if "outgoing" in fields else None,
        )

    def _consents(self, given: Node | None) -> tuple[tuple[str, str, ConsentStatus], ...]:
        consents: list[tuple[str, str, ConsentStatus]] = []
        if isinstance(given, Mapping):
            for purpose, value in given.entries:
                by_recipient = value.entries if isinstance(value, Mapping) else [(None, value)]
                for recipient, status in by_recipient:
                    consents.append((purpose.text, recipient.text if recipient else "*", self._status(status)))
        elif given is not None:
            self._report.add("PG104", given, "consents map purposes to statuses", "write 'ads: given'")
        return tuple(consents)

    def _flag(self, node: Node) -> bool | None:
        value = self._value(node)
        if isinstance(value, bool):
            return value
        if not isinstance(node, Refused):
            self._report.add("PG108", node, "this is true or false", "write 'true' or 'false', without quotes")
        return None

    def _identity(self, node: Node) -> Identity | None:
        sources = tuple(source.value for source in IdentitySource)
        given = self._fields(node, sources)
        if isinstance(node, Mapping) and len(given) != 1:
            self._report.add("PG108", node, "one source names the person", f"one of: {', '.join(sources)}")
        for source, value in given.items():
            return identity_on_paper(IdentitySource(source), self._text(value))
        return None

    def _status(self, node: Node) -> ConsentStatus:
        known = [status.value for status in STANDINGS]
        text = self._text(node)
        if text in known:
            return ConsentStatus(text)
        self._report.add("PG107", node, f"'{text}' is not a status of consent", closest(text, known))
        return ConsentStatus.UNKNOWN

    def _expectation(self, node: Node, fields: dict[str, Node]) -> Expectation:
        forward = fields.get("forward")
        record = fields.get("record")
        if ("refuse" in fields) == (forward is not None) and not record:
            self._report.add("PG106", node, "a case expects either 'forward' or 'refuse'", "write one of the two")
        unchanged = isinstance(forward, Scalar) and forward.text == "unchanged"
        if forward is not None and not unchanged:
            self._fields(forward, _FORWARD_KEYS)
        no_record = isinstance(record, Scalar) and record.text == "none"
        if record is not None and not no_record:
            self._fields(record, ("kind", "reason", "recipient", "fields"))
        forward_value = self._value(forward) if forward is not None and not unchanged else None
        record_value = self._value(record) if record is not None and not no_record else None
        return Expectation(
            unchanged=unchanged,
            forward=forward_value if isinstance(forward_value, dict) else None,
            refuse=self._text(fields["refuse"]) if "refuse" in fields else None,
            record=record_value if isinstance(record_value, dict) else None,
            no_record=no_record,
        )

    def _fields(self, node: Node, known: tuple[str, ...], required: tuple[str, ...] = ()) -> dict[str, Node]:
        if not isinstance(node, Mapping):
            if not isinstance(node, Refused):
                self._report.add("PG104", node, "a mapping is expected here", f"its keys are: {', '.join(known)}")
            return {}
        found: dict[str, Node] = {}
        for key, value in node.entries:
            if key.text in known:
                found[key.text] = value
            else:
                self._report.add("PG105", key, f"no such key: '{key.text}'", closest(key.text, known))
        for name in required:
            if name not in found:
                self._report.add("PG106", node, f"'{name}' is missing", f"add '{name}:'")
        return found

    def _text(self, node: Node | None, default: str = "") -> str:
        if node is None:
            return default
        if isinstance(node, Scalar):
            return node.text
        if not isinstance(node, Refused):
            self._report.add("PG104", node, "a single value is expected here")
        return default

    def _value(self, node: Node) -> Json:
        match node:
            case Mapping():
                return {key.text: self._value(value) for key, value in node.entries}
            case Sequence():
                return [self._value(item) for item in node.items]
            case Scalar():
                return _typed(node)
            case _:
                return None


def _typed(node: Scalar) -> Json:
    if not node.plain:
        return node.text
    if node.text in _WORDS:
        return _WORDS[node.text]
    if _INTEGER.fullmatch(node.text):
        return int(node.text)
    return float(node.text) if _REAL.fullmatch(node.text) else node.text
