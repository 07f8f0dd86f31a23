"""Policies that only look: of a gateway without rule files, and for calls that go out to hosts of no recipient."""

from types import MappingProxyType

from gateway.model.words import Mode, Rest, Role
from gateway.policy.compile import digest_of
from gateway.policy.policy import CALLER, DEFAULT_POSTURES, Place, Policy, Recipient, Route, Section
from gateway.policy.router import Router
from gateway.policy.sections import whole_rest

OBSERVED = "observed"
"""Name of the only route and of the recipient behind it."""

UNKNOWN = "*"
"""Name of the route that records give to calls to hosts of no recipient, and of who received them."""


def observe_policy(upstream: str, role: Role = Role.CONTROLLER) -> Policy:
    """One route for every request to `upstream` (URL), in mode observe; `role` says whose service that is.

    Nothing is listed and the rest would be dropped, so that the counts say how much a policy that
    lists nothing would take away. WebSocket and event streams pass as they are.
    """
    return _looking(OBSERVED, f"upstream: {upstream}\n", Recipient(OBSERVED, role, upstream))


def unknown_hosts_policy() -> Policy:
    """The same for calls that go out to hosts of no recipient, which records name `*`, as no rule names anything."""
    return _looking(UNKNOWN, "unknown: observe\n", Recipient(UNKNOWN, Role.PARTNER))


def _looking(name: str, text: str, recipient: Recipient) -> Policy:
    files = {"observe": text}
    section = Section((), MappingProxyType(dict(whole_rest(Rest.DROP))))
    route = Route(
        name=name,
        hosts=(),
        methods=frozenset(),
        path="/**",
        to=recipient.name,
        caller=CALLER,
        mode=Mode.OBSERVE,
        subject=None,
        request=section,
        response=section,
        postures=DEFAULT_POSTURES,
        stream=frozenset(("websocket", "event_stream")),
        record_always=False,
        body_limit=None,
        place=Place("observe", 1, 1),
    )
    return Policy(
        controller=MappingProxyType({}),
        purposes=MappingProxyType({}),
        recipients=MappingProxyType({recipient.name: recipient}),
        routes=(route,),
        router=Router((route,)),
        digest=digest_of(files),
        files=MappingProxyType(files),
    )
