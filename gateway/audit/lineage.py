"""Where one person's data came in and where it went, joined by the person's handle and the class of the data.

Pure: records come in as they were read from the log, the newest first, and are added up as *flows*, so that as
much memory is needed as there are different ones, however many records there are. What no record says is not
guessed: an application can hold data from elsewhere, so what went out of a class may have come from what was
collected of it, and nothing here proves that it did.

    >>> lineage = trace(index.search(Query(subject=handle)), handle)
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from operator import attrgetter
from typing import Any

import msgspec

from gateway.audit.reading import Entry
from gateway.audit.search import caller_group, is_class
from gateway.model.words import TRAFFIC, Basis, Direction, Kind, Mode

WITHHELD_ACTIONS = frozenset({"drop", "blank", "block"})
EMBEDDED = "html:"
"""How the address of something begins that a page embeds; the name of who is reached by it follows."""
_NEED_CONSENT = frozenset(str(basis) for basis in Basis if basis.needs_consent)
_ALL = "*"
_key = attrgetter(
    "collected", "outcome", "recipient", "route", "direction", "caller", "purpose", "basis", "consent", "action",
    "reason", "mode",
)  # fmt: skip


class Outcome(StrEnum):
    """What became of values: they went on, a rule held them back, or their whole message was refused."""

    PASSED = "passed"
    WITHHELD = "withheld"
    REFUSED = "refused"


class Place(msgspec.Struct, frozen=True, order=True):
    """The time of a record, as it is written there, and where it stands (`SLOT/INDEX`)."""

    time: str
    record: str


class Flow(msgspec.Struct, kw_only=True):
    """Records that say the same, with the first and the last of them.

    `caller` is an application, or what vouched for a person (`search.caller_group`). `consent` are the events that
    were relied on for the purpose. `action` is empty where a message was refused before any of its fields was on
    record. `before_collection`: the first went before anything of the class was collected, as far as records say.
    """

    collected: bool
    outcome: Outcome
    recipient: str
    route: str
    direction: str
    caller: str
    purpose: str
    basis: str
    consent: tuple[str, ...]
    action: str
    reason: str
    mode: str
    records: int
    values: int
    first: Place
    last: Place
    before_collection: bool = False

    @property
    def key(self) -> object:
        """What all records of a flow of one class have in common."""
        return _key(self)

    def add(self, other: "Flow") -> None:
        """Take in a flow of other records that has the same key."""
        self.records += other.records
        self.values += other.values
        self.first = min(self.first, other.first)
        self.last = max(self.last, other.last)


class ClassLineage(msgspec.Struct, frozen=True, rename={"data_class": "class"}):
    """How one class of data was collected and where it went, each in the order of the first records.

    Without a name it is what no rule lists, and messages that were refused before any field was on record.
    """

    data_class: str
    collected: tuple[Flow, ...]
    went: tuple[Flow, ...]


class Lineage(msgspec.Struct, frozen=True):
    """One person's data by class. `records` are those of messages that were looked at."""

    subject: str
    records: int
    classes: tuple[ClassLineage, ...]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which flows are told; empty means all. `since` and `recipient` hold for what went out.

    With `of`, only what can have led to that record's data, or from it.
    """

    data_class: str = ""
    recipient: str = ""
    since: str = ""
    of: Entry | None = None


def trace(entries: Iterable[Entry], subject: str, wanted: Wanted = Wanted()) -> Lineage:  # noqa: B008 - frozen
    """Join the records of one person, which come the newest first."""
    classes: dict[str, dict[object, Flow]] = {}
    purposes: dict[str, str] = {}
    collectors: set[str] = set()
    chosen = _Choice(wanted)
    records = 0
    for entry in entries:
        record = entry.record
        if record.get("kind") == Kind.CONSENT:
            purposes[_text(record, "event")] = _text(record, "purpose")
        if record.get("kind") not in TRAFFIC:
            continue
        records += 1
        if record["kind"] == Kind.COLLECT:
            collectors.add(_text(record, "recipient"))
        for data_class, flows in flows_of(entry).items():
            known = classes.setdefault(data_class, {})
            for flow in flows:
                if chosen.has(data_class, flow):
                    _add(known, flow)
    told = [
        _class_lineage(data_class, _settled(flows.values(), purposes, collectors))
        for data_class, flows in sorted(classes.items(), key=lambda item: (not item[0], item[0]))
        if flows
    ]
    return Lineage(subject, records, tuple(told))


def flows_of(entry: Entry) -> dict[str, list[Flow]]:
    """What one record of traffic says, by class; a class without a name as `ClassLineage` has it."""
    found: dict[str, dict[object, Flow]] = {}
    fields = [field for field in entry.record.get("fields") or () if isinstance(field, Mapping)]
    refused = entry.record.get("kind") == Kind.REFUSE
    for field in fields or ([{}] if refused else []):
        flow = _flow(entry, field)
        data_class = _text(field, "class")
        if data_class or flow.outcome is Outcome.PASSED or not fields:
            _add(found.setdefault(data_class, {}), flow)
    return {data_class: [_once(flow) for flow in flows.values()] for data_class, flows in found.items()}


def _flow(entry: Entry, field: Mapping[str, Any]) -> Flow:
    record = entry.record
    refused, observed = record.get("kind") == Kind.REFUSE, record.get("mode") == Mode.OBSERVE
    action = _text(field, "action")
    basis = _text(field, "basis")
    address = _text(field, "address")
    place = Place(_text(record, "time"), f"{entry.slot}/{entry.index}")
    withheld = not observed and action in WITHHELD_ACTIONS
    count = field.get("count")
    return Flow(
        collected=record.get("kind") == Kind.COLLECT and not address.startswith(EMBEDDED),
        outcome=Outcome.REFUSED if refused else Outcome.WITHHELD if withheld else Outcome.PASSED,
        recipient=address.removeprefix(EMBEDDED) if address.startswith(EMBEDDED) else _text(record, "recipient"),
        route=_text(record, "route"),
        direction=_text(record, "direction"),
        caller=caller_group(_text(record, "caller")),
        purpose=_text(field, "purpose"),
        basis=basis,
        consent=_texts(record.get("consent")) if basis in _NEED_CONSENT else (),
        action="keep" if observed and not refused else action,
        reason=(_text(record, "reason") if refused else "") or _text(field, "reason"),
        mode=_text(record, "mode"),
        records=1,
        values=count if isinstance(count, int) else 0,
        first=place,
        last=place,
    )


class _Choice:
    """Which flow of one record is told."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        of = wanted.of
        self._pivot = None if of is None else flows_of(of)
        self._place = Place("", "") if of is None else Place(_text(of.record, "time"), f"{of.slot}/{of.index}")
        self._from_collection = of is not None and of.record.get("kind") == Kind.COLLECT

    def has(self, data_class: str, flow: Flow) -> bool:
        wanted = self._wanted
        if not is_class(data_class, wanted.data_class):
            return False
        if not flow.collected and (flow.first.time < wanted.since or wanted.recipient not in ("", flow.recipient)):
            return False
        if self._pivot is None:
            return True
        if data_class not in self._pivot:
            return False
        if flow.collected == self._from_collection:
            return flow.first.record == self._place.record
        if self._from_collection:
            return flow.first.time >= self._place.time
        return flow.first.time <= self._place.time


def _settled(flows: Iterable[Flow], purposes: Mapping[str, str], collectors: set[str]) -> list[Flow]:
    """The flows as they read once all records are known: which consent was for what, and who collects."""
    settled: dict[object, Flow] = {}
    for flow in flows:
        flow.consent = tuple(event for event in flow.consent if purposes.get(event, _ALL) in (_ALL, flow.purpose))
        # A record of a refusal does not say what the message would have been.
        inward = flow.outcome is Outcome.REFUSED and flow.direction == Direction.REQUEST
        flow.collected = flow.collected or (inward and flow.recipient in collectors)
        _add(settled, flow)
    return list(settled.values())


def _class_lineage(data_class: str, flows: list[Flow]) -> ClassLineage:
    flows.sort(key=attrgetter("first"))
    collected = tuple(flow for flow in flows if flow.collected)
    went = tuple(flow for flow in flows if not flow.collected)
    begun = min((flow.first.time for flow in collected if flow.outcome is Outcome.PASSED), default=None)
    for flow in went:
        flow.before_collection = begun is None or flow.first.time < begun
    return ClassLineage(data_class, collected, went)


def _add(flows: dict[object, Flow], flow: Flow) -> None:
    known = flows.setdefault(flow.key, flow)
    if known is not flow:
        known.add(flow)


def _once(flow: Flow) -> Flow:
    """The flow of one record, however many of its fields there are."""
    flow.records = 1
    return flow


def _text(values: Mapping[str, Any], key: str) -> str:
    found = values.get(key)
    return found if isinstance(found, str) else ""


def _texts(values: object) -> tuple[str, ...]:
    return tuple(each for each in values if isinstance(each, str)) if isinstance(values, list) else ()
