"""The compiled policy: immutable, checked, with a digest over the exact rule files.

Nothing here is looked up by walking lists per request: routes come from the router in
O(path length), and verdicts are decided once per route and set of facts.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from gateway.model.action import Action
from gateway.model.address import Address
from gateway.model.cookie import CookieLimits
from gateway.model.words import (
    Basis,
    ConsentScope,
    Direction,
    Mode,
    PageMode,
    Part,
    Posture,
    Rest,
    Role,
    Safeguard,
    UnknownDestinations,
    UnknownHosts,
)
from gateway.policy.texts import NO_TEXT, Period, Text

if TYPE_CHECKING:
    from gateway.policy.router import Router

ADVERTISING_FEATURES = (
    "attribution-reporting",
    "browsing-topics",
    "interest-cohort",
    "join-ad-interest-group",
    "run-ad-auction",
    "shared-storage",
    "shared-storage-select-url",
)
"""Features by which a browser itself takes part in advertising."""

REFERRER_POLICIES = (
    "unsafe-url",
    "no-referrer-when-downgrade",
    "origin-when-cross-origin",
    "origin",
    "strict-origin-when-cross-origin",
    "strict-origin",
    "same-origin",
    "no-referrer",
)
"""From the one that tells others most to the one that tells nothing (W3C Referrer Policy, section 3)."""

CALLER = "caller"
"""Recipient of a response for which no route names another one."""


class Place(msgspec.Struct, frozen=True):
    """Where in the rule files something stands; line and column count from 1."""

    file: str
    line: int
    column: int


class Purpose(msgspec.Struct, frozen=True):
    """`consent_scope` says whether consent for any recipient counts, or only one for the very recipient.

    `tcf` are the purposes of the TCF that it comes down to.
    """

    name: str
    basis: Basis
    title: Text = NO_TEXT
    sale_or_share: bool = False
    consent_scope: ConsentScope = ConsentScope.ANY
    description: Text = NO_TEXT
    tcf: tuple[int, ...] = ()


class Notice(msgspec.Struct, frozen=True):
    """What people are told before they decide. `valid` is how long their consent holds; None: without an end."""

    version: str
    text: Text = NO_TEXT
    valid: Period | None = None


class Carriers(msgspec.Struct, frozen=True):
    """The cookie and the query parameter in which strings of one kind come; `vendor` is for recipients without one."""

    cookie: str | None = None
    query: str | None = None
    vendor: int | None = None


class Signals(msgspec.Struct, frozen=True):
    """What the rules say about signals of browsers.

    `gpc_updated` is the day (ISO date) on which the statement about Global Privacy Control was last changed.
    `dnt` says that Do Not Track counts as an objection.
    """

    gpc_updated: str | None = None
    dnt: bool = False
    tcf: Carriers | None = None
    gpp: Carriers | None = None


class Contract(msgspec.Struct, frozen=True):
    """`expires` is the last day (ISO date) on which the contract is in force; None: no end."""

    ref: str
    expires: str | None = None


class Recipient(msgspec.Struct, frozen=True):
    """`upstream` is what requests that come in are forwarded to, `hosts` are where calls that go out reach it.

    `safeguard` is what lets data go to its country. `may_receive` maps a class to the purposes it may come for;
    None means that nothing is limited.

    `embedded_for` are the purposes for which pages embed something of its hosts.
    """

    name: str
    role: Role
    upstream: str | None = None
    hosts: tuple[str, ...] = ()
    country: str | None = None
    contract: Contract | None = None
    may_receive: Mapping[str, tuple[str, ...]] | None = None
    embedded_for: tuple[str, ...] = ()
    title: Text = NO_TEXT
    contact: str = ""
    tcf_vendor: int | None = None
    safeguard: Safeguard | None = None


class Egress(msgspec.Struct, frozen=True):
    """What holds for all calls that go out."""

    unknown: UnknownDestinations = UnknownDestinations.REFUSE


class FieldRule(msgspec.Struct, frozen=True):
    """One listed field. `data_class` is a full fideslang key (`user.contact.email`).

    `general` is a cookie that the rules list for all routes, with its `limits`.
    """

    address: Address
    data_class: str
    purpose: str
    action: Action
    otherwise: Action
    place: Place
    limits: CookieLimits | None = None
    general: bool = False


class PageRules(msgspec.Struct, frozen=True):
    """What becomes of third parties in pages.

    `referrer_policy` and `permissions_policy` are the least that holds; `client_hints` says that browsers
    may tell what makes them different from others.
    """

    place: Place
    mode: PageMode = PageMode.ENFORCE
    unknown: UnknownHosts = UnknownHosts.HOLD
    banner: bool = True
    link: bool = False
    placeholder: Text = NO_TEXT
    csp: bool = True
    referrer_policy: str = "strict-origin-when-cross-origin"
    permissions_policy: tuple[str, ...] = ADVERTISING_FEATURES
    client_hints: bool = False


class Section(msgspec.Struct, frozen=True):
    """What holds for one direction of a route; `pages` only for answers."""

    fields: tuple[FieldRule, ...]
    rest: Mapping[Part, Rest]
    pages: PageRules | None = None

    def rest_of(self, part: Part) -> Rest:
        return self.rest[part]


class SignsIn(msgspec.Struct, frozen=True):
    """Which answers of a route say that somebody has signed in, and who that is.

    `statuses` are those of success; a redirection has to lead to one of the `locations` (paths) where there are any.
    `person` is the address, in the answer, of who signed in; None: the route's subject did.
    """

    statuses: frozenset[int]
    locations: frozenset[bytes] = frozenset()
    person: Address | None = None


class Each(msgspec.Struct, frozen=True):
    """The people of a route whose messages list many: one for each of the `items` of the array at `path`.

    `field` is the address, in the item, of what identifies the person; `direction` says which messages list them.
    """

    items: Address
    path: tuple[str, ...]
    field: Address
    direction: Direction


class Route(msgspec.Struct, frozen=True):
    """`hosts` and `path` are patterns; an empty `methods` means any method.

    `caller` is the recipient of responses. `stream` names what may pass unread on this route
    (`websocket`, `event_stream`), and whether bodies of many items are edited as they flow (`items`).
    `record_always` asks for a record of every message. `number` is the route's place among the policy's.
    `identified` is where the rules say that the person is whom a verified source names; then there is
    no `subject`. `session_at` is where they say that the route signs people in or out.
    """

    name: str
    hosts: tuple[str, ...]
    methods: frozenset[str]
    path: str
    to: str
    caller: str
    mode: Mode
    subject: Address | None
    request: Section
    response: Section
    postures: Mapping[Posture, str]
    stream: frozenset[str]
    record_always: bool
    body_limit: int | None
    place: Place
    number: int = 0
    identified: Place | None = None
    signs_in: SignsIn | None = None
    signs_out: bool = False
    session_at: Place | None = None
    each: Each | None = None

    @property
    def names_person(self) -> bool:
        """Whether the route says who the data is about."""
        return self.subject is not None or self.identified is not None or self.each is not None

    def named_at(self, direction: Direction) -> Address | None:
        """Where messages of this direction say who they, or each of their items, are about; None where nowhere."""
        if self.each is not None and self.each.direction is direction:
            items, field = self.each.items, self.each.field
            return Address(items.place, items.text + field.text[1:], steps=items.steps + field.steps)
        return self.subject if direction is Direction.REQUEST else None

    def section(self, direction: Direction) -> Section:
        return self.request if direction is Direction.REQUEST else self.response


class Policy(msgspec.Struct, frozen=True):
    """`files` holds the exact text by name, `digest` is 16 hex digits over it (see compile.py).

    `cookies` are those that the rules list for all routes; each route has them among its fields too.
    """

    controller: Mapping[str, str]
    purposes: Mapping[str, Purpose]
    recipients: Mapping[str, Recipient]
    routes: tuple[Route, ...]
    router: "Router"
    digest: str
    files: Mapping[str, str]
    signals: Signals = Signals()
    notice: Notice | None = None
    cookies: tuple[FieldRule, ...] = ()
    egress: Egress = Egress()


DEFAULT_POSTURES: Mapping[Posture, str] = MappingProxyType(dict.fromkeys(Posture, "block"))
