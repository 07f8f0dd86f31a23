"""The policy of a gateway without rule files: everything passes untouched, and is counted."""

from types import MappingProxyType

from gateway.model.words import Mode, Rest, Role
from gateway.policy.compile import digest_of
from gateway.policy.policy import CALLER, DEFAULT_POSTURES, Place, Policy, Recipient, Route, Section
from gateway.policy.router import Router
from gateway.policy.sections import whole_rest

OBSERVED = "observed"
"""Name of the only route and of the recipient behind it."""


def observe_policy(upstream: str, role: Role = Role.CONTROLLER) -> Policy:
    """One route for every request to `upstream` (URL), in mode observe; `role` says whose service that is.

    Nothing is listed and the rest would be dropped, so that the counts say how much a policy that
    lists nothing would take away. WebSocket and event streams pass as they are.
    """
    text = f"upstream: {upstream}\n"
    files = {"observe": text}
    section = Section((), MappingProxyType(dict(whole_rest(Rest.DROP))))
    route = Route(
        name=OBSERVED,
        hosts=(),
        methods=frozenset(),
        path="/**",
        to=OBSERVED,
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
        recipients=MappingProxyType({OBSERVED: Recipient(OBSERVED, role, upstream)}),
        routes=(route,),
        router=Router((route,)),
        digest=digest_of(files),
        files=MappingProxyType(files),
    )
