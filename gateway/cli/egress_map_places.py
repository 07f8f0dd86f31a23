"""The rows of `egress map`: what went to each host, whose the rules say that it is, and what they do not say yet."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec

from gateway.policy.destinations import destinations
from gateway.policy.pattern import PatternError, parse_host
from gateway.policy.policy import Policy, Recipient
from gateway.stores.destinations import Destination


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What went to one host. `recipient` is None for a host of no recipient; sizes are bytes of content.

    With rules, `recipient` is whose they say now that the host is, and `not_listed` are the classes that were found
    on their way to it and that its `may_receive` does not name. `add` is what to add to the rules, as YAML.
    """

    host: str
    recipient: str | None
    role: str | None = None
    country: str | None = None
    contract: str | None = None
    contract_expires: str | None = None
    applications: tuple[str, ...]
    ways: tuple[str, ...]
    first_seen: str
    last_seen: str
    messages: int
    refused: int
    unread: int
    sent: int
    received: int
    classes_sent: tuple[str, ...]
    classes_received: tuple[str, ...]
    not_listed: tuple[str, ...] = ()
    add: str | None = None


COLUMNS = tuple(field for field in Place.__struct_fields__ if field != "add")


def places(found: Iterable[Destination], policy: Policy | None) -> list[Place]:
    """One for each host and recipient, applications taken together, in the order in which they come first."""
    table = None if policy is None else destinations(policy)
    whole: dict[tuple[str, str], list[Destination]] = {}
    for each in found:
        recipient = None if table is None else table.find(each.host)
        name = each.recipient if table is None else recipient.name if recipient is not None else ""
        whole.setdefault((each.host, name), []).append(each)
    taken = set() if policy is None else set(policy.recipients)
    return [_place(host, name, rows, policy, taken) for (host, name), rows in whole.items()]


def _place(host: str, name: str, rows: list[Destination], policy: Policy | None, taken: set[str]) -> Place:
    total = rows[0]
    for each in rows[1:]:
        total = total.plus(each)
    place = Place(
        host=host,
        recipient=name or None,
        applications=tuple(sorted({each.application for each in rows})),
        ways=tuple(sorted(total.ways)),
        first_seen=_written(total.first_seen),
        last_seen=_written(total.last_seen),
        messages=total.messages,
        refused=total.refused,
        unread=total.unread,
        sent=total.sent,
        received=total.received,
        classes_sent=tuple(sorted(total.classes_sent)),
        classes_received=tuple(sorted(total.classes_received)),
    )
    if policy is None:
        return place
    recipient = policy.recipients.get(name)
    if recipient is None:
        return msgspec.structs.replace(place, add=snippet(place, taken))
    contract = recipient.contract
    return msgspec.structs.replace(
        place,
        role=recipient.role,
        country=recipient.country,
        contract=contract and contract.ref,
        contract_expires=contract and contract.expires,
        not_listed=not_listed(recipient, place.classes_sent),
    )


def not_listed(recipient: Recipient, classes: Iterable[str]) -> tuple[str, ...]:
    """Those that `may_receive` names neither themselves nor by a parent; none where nothing is limited."""
    may_receive = recipient.may_receive
    return () if may_receive is None else tuple(each for each in classes if not _is_listed(each, may_receive))


def _is_listed(data_class: str, may_receive: Mapping[str, tuple[str, ...]]) -> bool:
    return any(data_class == listed or data_class.startswith(f"{listed}.") for listed in may_receive)


def snippet(place: Place, taken: set[str]) -> str:
    """A recipient for the rules. It may receive nothing until somebody says for which purposes; `taken` grows."""
    pattern = _pattern(place.host)
    lines = [
        "recipients:",
        f"  {_free_name(place.host, taken)}:",
        "    role: partner  # or processor, affiliate, controller",
        f"    hosts: [{pattern}]" if pattern else _NO_PATTERN,
        "    # country: XX",
        "    # contract: {ref: ..., expires: YYYY-MM-DD}",
    ]
    if place.classes_sent:
        wanted = ", ".join(f"{each.removeprefix('user.')}: PURPOSE" for each in place.classes_sent)
        lines += ["    # found in what was sent; say for which purposes it may be, or leave it out:"]
        lines += [f"    # may_receive: {{{wanted}}}"]
    lines += ["    may_receive: {}"]
    return "\n".join(lines) + "\n"


_NO_PATTERN = (
    "    # hosts: [...]  the map keeps only a part of this name, since it looks like data: write the whole here"
)


def _pattern(host: str) -> str:
    """The host as rules write it, in quotes where YAML asks for them; empty where only a part of it is known."""
    if host.startswith("*."):
        host = host.partition(":")[0]  # such a pattern goes for every port
    try:
        pattern = parse_host(host)
    except PatternError:
        return ""
    if pattern.startswith("*"):
        return f'"{pattern}"' if pattern.count(".") > 1 else ""
    return f'"{pattern}"' if ":" in pattern else pattern


def _free_name(host: str, taken: set[str]) -> str:
    labels = [label for label in host.partition(":")[0].split(".") if label and "*" not in label]
    base = labels[-2] if len(labels) > 1 else labels[0] if labels else "unknown"
    base = base if base[:1].isalpha() and base.isascii() else f"host-{base.strip('[]')}"
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    taken.add(name)
    return name


def _written(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
