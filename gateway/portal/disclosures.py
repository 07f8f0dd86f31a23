"""What was collected, used and disclosed of one person, told from the person's records: by recipient and purpose.

Pure: the records come in as they were read from the log, and nothing here knows a value, since no record
holds one. A message that was only observed went on untouched, so all of its fields count as passed.

    >>> found = await reader.find(handles)
    >>> view = summarise(found, handles, roles)
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from gateway.audit.lineage import EMBEDDED, WITHHELD_ACTIONS
from gateway.model.words import TRAFFIC, Kind, Mode, Role
from gateway.portal.periods import Period, periods_of
from gateway.runtime.own_access import OWN
from gateway.runtime.record_reader import Found, RecordReader
from gateway.runtime.secrecy import INSTRUMENT

SUBJECT = "@subject"
"""The recipient of what went to the person; no name of the rules reads so."""
_STOPPED = "stopped"
"""Why a field did not pass that could have, had its message not been refused."""


class Use(msgspec.Struct, frozen=True):
    """What went to one recipient for one purpose, and what did not.

    `passed` and `withheld` count values, `messages` the messages in which any passed. Classes are full keys,
    each with its values that passed, or were withheld. `first` and `last` are times of records, and of those in
    which something passed where there are any. `role` is empty for a recipient that the rules do not declare.
    """

    recipient: str
    role: str
    purpose: str
    bases: tuple[str, ...]
    passed: Mapping[str, int]
    withheld: Mapping[str, int]
    actions: tuple[str, ...]
    reasons: tuple[str, ...]
    messages: int
    first: str
    last: str


class Given(msgspec.Struct, frozen=True):
    """What one authority was given by law, and by which instrument; `classes` count entries, and are empty for none."""

    time: str
    recipient: str
    instrument: str
    legal_basis: str
    classes: Mapping[str, int]


class Disclosures(msgspec.Struct, frozen=True):
    """All of it. `as_of` and `complete` are as `Found` says; times are as records write them.

    Looks at one's own records are among the uses, and not in the periods, where they would soon be the most.
    What authorities were given is in the periods and `authorities`, the newest first, and not among the uses.
    `unlisted` counts values that no rule lists and that passed, `refused` messages that did not pass as a whole.
    """

    uses: tuple[Use, ...]
    periods: tuple[Period, ...]
    since: str
    until: str
    as_of: str
    complete: bool
    records: int
    unlisted: int
    refused: int
    authorities: tuple[Given, ...] = ()


async def disclosures_of(
    reader: RecordReader, handles: Collection[str], roles: Mapping[str, Role], *, since: str = "", until: str = ""
) -> Disclosures:
    """What the log says of the person with these handles, `roles` being those of the declared recipients.

    Raises:
        StoreDown: as `RecordReader.find`.
    """
    found = await reader.find(tuple(handles), since=since, until=until)
    return summarise(found, handles, roles, since=since, until=until)


def summarise(
    found: Found, handles: Collection[str], roles: Mapping[str, Role], *, since: str = "", until: str = ""
) -> Disclosures:
    """The records as what a person is shown; those of other kinds than traffic are passed over."""
    tallies: dict[tuple[str, str], _Tally] = {}
    flows: list[tuple[str, str, int]] = []
    authorities: list[Given] = []
    records = unlisted = refused = 0
    for entry in found.entries:
        record = entry.record
        if record.get("kind") not in TRAFFIC:
            continue
        records += 1
        refused += record["kind"] == Kind.REFUSE
        if INSTRUMENT in record:
            authorities.append(_given(record))
        for field in fields_of(record, handles, roles):
            if not field.data_class:
                unlisted += field.count if field.passed else 0
                continue
            if INSTRUMENT not in record:
                key = (field.recipient, field.purpose)
                tallies.setdefault(key, _Tally()).add(field, entry.leaf)
            if not field.address.startswith(OWN):
                flows.append((field.time, field.flow, field.count))
    uses = [tally.use(*key, roles) for key, tally in tallies.items()]
    return Disclosures(
        uses=tuple(sorted(uses, key=lambda use: (not use.passed, use.recipient, use.purpose))),
        periods=periods_of(flows),
        since=since,
        until=until,
        as_of=found.as_of,
        complete=found.complete,
        records=records,
        unlisted=unlisted,
        refused=refused,
        authorities=tuple(authorities),
    )


class FieldUse(msgspec.Struct, frozen=True):
    """One field of one record, as it concerns the person. Without a class it stands for values that no rule lists."""

    time: str
    recipient: str
    purpose: str
    basis: str
    data_class: str
    address: str
    action: str
    reason: str
    count: int
    passed: bool
    collected: bool

    @property
    def flow(self) -> str:
        """What it is in the plot: one of `periods.FLOWS`."""
        if not self.passed:
            return "withheld"
        if self.recipient == SUBJECT:
            return "returned"
        return "collected" if self.collected else "disclosed"


def fields_of(record: Mapping[str, Any], handles: Collection[str], roles: Mapping[str, Role]) -> Iterator[FieldUse]:
    """The fields of a record of traffic. A recipient that is the person goes by the name `SUBJECT`."""
    whole = _recipient(record, handles, roles)
    refused = record.get("kind") == Kind.REFUSE
    observed = record.get("mode") == Mode.OBSERVE and not refused
    for field in record.get("fields") or ():
        address = str(field.get("address") or "")
        embedded = address.removeprefix(EMBEDDED) if address.startswith(EMBEDDED) else ""
        recipient = embedded if embedded in roles else whole
        action = "keep" if observed else str(field.get("action") or "")
        yield FieldUse(
            time=str(record.get("time") or ""),
            recipient=recipient,
            purpose=str(field.get("purpose") or ""),
            basis=str(field.get("basis") or ""),
            data_class=str(field.get("class") or ""),
            address=address,
            action=action,
            reason=_STOPPED if refused and action not in WITHHELD_ACTIONS else str(field.get("reason") or ""),
            count=int(field.get("count") or 0),
            passed=not refused and action not in WITHHELD_ACTIONS,
            collected=record.get("kind") == Kind.COLLECT and not embedded,
        )


def _given(record: Mapping[str, Any]) -> Given:
    classes = Counter[str]()
    for field in record.get("fields") or ():
        classes[str(field.get("class"))] += int(field.get("count") or 0)
    instrument = record[INSTRUMENT]
    return Given(
        time=str(record.get("time") or ""),
        recipient=str(record.get("recipient") or ""),
        instrument=str(instrument.get("kind") or "") if isinstance(instrument, Mapping) else "",
        legal_basis=str(record.get("legal_basis") or ""),
        classes=dict(sorted(classes.items())),
    )


def _recipient(record: Mapping[str, Any], handles: Collection[str], roles: Mapping[str, Role]) -> str:
    name = str(record.get("recipient") or "")
    caller = str(record.get("caller") or "").rpartition(":")[2]
    asked_for_it = record.get("direction") == "response" and caller in handles
    # The gateway's own answers go to `subject`, which rules need not declare.
    themself = roles.get(name, Role.SUBJECT if name == Role.SUBJECT else None) is Role.SUBJECT
    return SUBJECT if asked_for_it or themself else name


class _Tally:
    """Adds up what goes to one recipient for one purpose."""

    def __init__(self) -> None:
        self._passed, self._withheld = Counter[str](), Counter[str]()
        self._bases, self._actions, self._reasons = set[str](), set[str](), set[str]()
        self._messages = set[str]()
        self._times: list[str] = []
        self._passed_times: list[str] = []

    def add(self, field: FieldUse, message: str) -> None:
        (self._passed if field.passed else self._withheld)[field.data_class] += field.count
        self._bases.add(field.basis)
        self._times.append(field.time)
        if field.passed:
            self._actions.add(field.action)
            self._messages.add(message)
            self._passed_times.append(field.time)
        else:
            self._reasons.add(field.reason)

    def use(self, recipient: str, purpose: str, roles: Mapping[str, Role]) -> Use:
        times = self._passed_times or self._times
        role = Role.SUBJECT if recipient == SUBJECT else roles.get(recipient)
        return Use(
            recipient=recipient,
            role="" if role is None else role.value,
            purpose=purpose,
            bases=tuple(sorted(self._bases - {""})),
            passed=dict(sorted(self._passed.items())),
            withheld=dict(sorted(self._withheld.items())),
            actions=tuple(sorted(self._actions)),
            reasons=tuple(sorted(self._reasons - {""})),
            messages=len(self._messages),
            first=min(times),
            last=max(times),
        )
