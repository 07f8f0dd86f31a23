"""Lint of where calls that go out lead: hosts that two recipients claim, and routes that no call can reach."""

from collections.abc import Mapping, Sequence

from gateway.model.words import Role
from gateway.policy.declarations import Declarations
from gateway.policy.hosts import HostTable
from gateway.policy.matches import Match
from gateway.policy.policy import Place, Recipient
from gateway.policy.report import Report
from gateway.policy.routes import DraftRoute


def lint_destinations(drafts: Sequence[DraftRoute], known: Declarations, report: Report) -> None:
    """Note hosts that do not say whose they are, and routes for calls that go out which none can reach."""
    owners = _lint_hosts(known, report)
    for draft in drafts:
        recipient = known.recipients.get(draft.to.name) if draft.to else None
        if recipient is None or not recipient.hosts or not known.only_goes_out(recipient.name):
            continue
        if draft.match is not None and draft.match.whole:
            _lint_reach(draft, draft.match, recipient, owners, report)


def _lint_hosts(known: Declarations, report: Report) -> HostTable[str]:
    first: dict[str, Recipient] = {}
    for recipient in known.recipients.values():
        for host in recipient.hosts:
            other = first.setdefault(host, recipient)
            if other is not recipient and not _may_share(other, recipient):
                at, there = _place(known, recipient, host), _place(known, other, host)
                message = f"'{host}' is a host of '{other.name}' too ({there.file}, line {there.line})"
                report.add("PG240", at, message, "give each recipient hosts of its own")
    return HostTable((host, recipient.name) for host, recipient in first.items())


def _may_share(one: Recipient, other: Recipient) -> bool:
    """The controller's own services may stand behind one host, if pages embed none of them as somebody else's."""
    both = (one, other)
    return all(each.role is Role.CONTROLLER and not each.embedded_for for each in both)


def _place(known: Declarations, recipient: Recipient, host: str) -> Place:
    return known.places[f"host of {recipient.name}", host]


def _lint_reach(draft: DraftRoute, match: Match, recipient: Recipient, owners: HostTable[str], report: Report) -> None:
    hosts = ", ".join(recipient.hosts)
    if not match.hosts:
        message = f"calls go out to '{recipient.name}' alone, and the route '{draft.name}' takes requests to any host"
        hint = f"add 'host: {recipient.hosts[0]}' to 'match:'" if len(recipient.hosts) == 1 else f"name hosts: {hosts}"
        report.add("PG241", draft.place, message, hint)
    for host, place in _unreached(match.hosts, recipient, owners).items():
        message = f"no host of '{recipient.name}' is matched by '{host}', so that no call takes the route by it"
        report.add("PG241", place, message, f"its hosts are: {hosts}")


def _unreached(hosts: Mapping[str, Place], recipient: Recipient, owners: HostTable[str]) -> dict[str, Place]:
    """The host patterns of a route under which no call to the recipient is made.

    Where calls could meet, they do so at one of the patterns themselves: `*` is a label that no rule names.
    """
    found: dict[str, Place] = {}
    for host, place in hosts.items():
        matched = HostTable([(host, True)])
        called = (each for each in (host, *recipient.hosts) if matched.find(each))
        if not any(owners.find(each) == recipient.name for each in called):
            found[host] = place
    return found
