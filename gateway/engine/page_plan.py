"""What one plan does to pages: rulings on hosts, header fields, and what is put before the end of a page."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from gateway.documents.html_page import HOST, PageEdit, Ruling
from gateway.engine.page_fields import Kind, PageFields, kind_of
from gateway.engine.page_insertion import Insertion
from gateway.model.action import Drop
from gateway.model.message import HeaderPairs
from gateway.model.words import Mode, PageMode, Reason, UnknownHosts
from gateway.policy.decide import Standings, Verdict
from gateway.policy.hosts import HostTable
from gateway.policy.pages import is_embedded
from gateway.policy.policy import PageRules, Policy, Route
from gateway.policy.texts import Text

_KNOWN_AT_MOST = 4096
_OWN = ""
"""Whose the hosts of the route's own service are."""

HELD = Text(
    (
        ("en", f"Content from {HOST} is held back until you allow it."),
        ("de", f"Inhalte von {HOST} werden zurückgehalten, bis Sie sie erlauben."),
        ("zh", f"来自 {HOST} 的内容在您同意之前不会加载。"),
    )
)
"""What a frame shows that is held back, where the rules say nothing else."""

_UNANSWERED = frozenset((Reason.NO_CONSENT, Reason.UNRESOLVED_SUBJECT, Reason.EXPIRED_CONSENT))


class PagePlan(msgspec.Struct, frozen=True, eq=False):
    """`changes` says that pages are changed at all: rules that only report, and observed routes, change none."""

    edit: PageEdit
    fields: PageFields
    insertion: Insertion | None
    changes: bool

    def kind(self, headers: HeaderPairs) -> Kind:
        """What an answer with these fields is to this plan."""
        return kind_of(headers) if self.changes else Kind.OTHER


def page_plan(
    policy: Policy, route: Route, rules: PageRules, verdicts: Sequence[Verdict], insertion: Insertion | None
) -> PagePlan:
    """What becomes of the pages of a route under these verdicts."""
    embedded = _embedded(verdicts)
    own = policy.recipients[route.to].hosts
    third = [(host, name) for name in embedded for host in _hosts(policy, name)]
    table = HostTable([*((host, _OWN) for host in own), *third])
    changes = rules.mode is PageMode.ENFORCE and route.mode is not Mode.OBSERVE
    ruling = _ruling(rules, verdicts, embedded, table)
    held = rules.placeholder or HELD
    edit = PageEdit(ruling, len(verdicts), lambda language: held.within(language.partition("-")[0])[0], changes)
    allowed = tuple(host for host, name in third if not _is_held(verdicts, embedded[name]))
    return PagePlan(edit, PageFields(rules, own, allowed, ruling), insertion if changes else None, changes)


def asks(policy: Policy, route: Route, found: Standings) -> bool:
    """Whether an answer is missing to a purpose for which pages embed something, or cookies are set."""
    fields = route.response.fields
    wanted = {rule.purpose for rule in fields if rule.purpose and (rule.general or is_embedded(rule))}
    return any(
        purpose in wanted
        and policy.purposes[purpose].basis.needs_consent
        and is_unanswered(standing.reason, standing.event)
        for (purpose, _), standing in found.items()
    )


def is_unanswered(reason: Reason, event: str) -> bool:
    """Whether a person has said nothing that still holds: a refusal has an event, as consent that ended has."""
    return reason in _UNANSWERED and (not event or reason is Reason.EXPIRED_CONSENT)


def _embedded(verdicts: Sequence[Verdict]) -> dict[str, list[int]]:
    """The fields of each recipient whose hosts pages may embed."""
    found: dict[str, list[int]] = {}
    for index, each in enumerate(verdicts):
        if is_embedded(each.rule):
            found.setdefault(each.rule.address.name, []).append(index)
    return found


def _hosts(policy: Policy, name: str) -> tuple[str, ...]:
    recipient = policy.recipients.get(name)
    return recipient.hosts if recipient is not None else ()


def _is_held(verdicts: Sequence[Verdict], fields: Sequence[int]) -> bool:
    return any(isinstance(verdicts[index].action, Drop) for index in fields)


def _ruling(
    rules: PageRules, verdicts: Sequence[Verdict], embedded: Mapping[str, Sequence[int]], table: HostTable[str]
) -> Callable[[str], Ruling | None]:
    """What holds for a host. All purposes have to be allowed; those that are not say why it is held."""
    rulings: dict[str, Ruling | None] = {_OWN: None}
    for name, fields in embedded.items():
        denied = tuple(index for index in fields if isinstance(verdicts[index].action, Drop))
        rulings[name] = Ruling(bool(denied), denied or tuple(fields))
    unknown = rulings["*"]
    assert unknown is not None
    doubtful = Ruling(rules.mode is PageMode.ENFORCE, unknown.fields)
    if rules.unknown is UnknownHosts.PASS:
        rulings["*"] = Ruling(unknown.held, unknown.fields if unknown.held else ())
    known: dict[str, Ruling | None] = {"": doubtful}

    def ruling(host: str) -> Ruling | None:
        try:
            return known[host]
        except KeyError:
            if len(known) >= _KNOWN_AT_MOST:
                known.clear()
                known[""] = doubtful
            owner = table.find(host)
            found = known[host] = rulings["*" if owner is None else owner]
            return found

    return ruling
