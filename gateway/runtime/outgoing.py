"""Calls that go out: which application sends, to whom, and by which rules.

The order is fixed: the application, then the recipient by the host that the call is for, then the route, which has
to be that recipient's. From there on a call goes the way of every message (`passage.py`).
"""

from collections.abc import Sequence

from gateway.model.errors import Fault, Source, Unreadable
from gateway.model.identity import APPLICATION_CALLER
from gateway.model.message import RequestHead
from gateway.model.words import Posture, UnknownDestinations
from gateway.policy.destinations import destinations
from gateway.policy.hosts import HostTable
from gateway.policy.policy import Policy, Recipient
from gateway.runtime.applications import Applications
from gateway.runtime.destination_map import RELAY
from gateway.runtime.gateway import Gateway
from gateway.runtime.outgoing_passage import OutgoingPassage
from gateway.runtime.passage import Refused
from gateway.runtime.unknown_hosts import UnknownHosts

NO_APPLICATION = "proxy_authentication_required"

_ELSEWHERE = "The rules for this address are for another recipient than the one whose host it is."


class OutgoingCalls:
    """What applications send through `gateway`, which takes outgoing calls and asks no source who a person is.

    `way` is what the map of destinations says of how the calls come: `proxy` or `relay`.
    """

    def __init__(self, gateway: Gateway, applications: Applications, *, way: str = RELAY) -> None:
        self._gateway = gateway
        self._applications = applications
        self._way = way
        self._unknown = UnknownHosts(gateway)
        self._policy: Policy | None = None
        self._recipients: HostTable[Recipient] = HostTable(())

    def receive(self, head: RequestHead, authorization: Sequence[bytes]) -> OutgoingPassage:
        """Take the head of a call as its partner is to get it.

        `authorization` are the values of Proxy-Authorization, which are no longer in the head; `head.peer` is the
        address of the application.

        Raises:
            Refused: `proxy_authentication_required`, `unknown_recipient`, `unknown_route`, or a path that can be
                read in two ways. What is recorded of it names the application.
        """
        caller = self.caller(authorization, head.peer)
        gateway = self._gateway
        recipient = self._recipient(head.host)
        if recipient is None:
            return self._of_no_recipient(head, caller)
        request_id = gateway.moments.request_id()
        try:
            exchange = gateway.engine.receive(head, request_id)
        except (Unreadable, Fault) as cause:
            self._note_refused(head.host, recipient.name, caller)
            raise Refused(gateway.refuse(cause, request_id=request_id, caller=caller)) from cause
        passage = OutgoingPassage(gateway, exchange, caller=caller, recipient_name=recipient.name, way=self._way)
        if exchange.treatment.to != recipient.name:
            fault = Fault(Posture.UNKNOWN_RECIPIENT, Source.CLIENT, "the route leads to another recipient")
            refusal = gateway.refuse(fault, passage, detail=_ELSEWHERE)
            passage.finish(refusal.status)
            raise Refused(refusal) from fault
        return passage

    def caller(self, authorization: Sequence[bytes], peer: str) -> str:
        """Who sends, as records name it. Raises Refused where nothing proves it.

        A header that does not verify is recorded; none at all is how many clients ask what is wanted of them.
        """
        name = self._applications.name(authorization, peer)
        if name is None:
            fault = Fault(NO_APPLICATION, Source.CLIENT, "no application is proven")
            raise Refused(self._gateway.refuse(fault, recorded=bool(authorization))) from fault
        return APPLICATION_CALLER + name

    def open_tunnel(self, host: str, authorization: Sequence[bytes], peer: str) -> None:
        """Take a tunnel to `host`; each call that comes through it is received by itself.

        Raises:
            Refused: `proxy_authentication_required`; `unknown_recipient`, unless the rules observe such hosts.
        """
        caller = self.caller(authorization, peer)
        observed = self._gateway.policy.egress.unknown is UnknownDestinations.OBSERVE
        if self._recipient(host) is None and not observed:
            raise self._unknown_host(host, caller)

    def refused(
        self, cause: Fault | Unreadable, authorization: Sequence[bytes], peer: str, *, detail: str = ""
    ) -> Refused:
        """The refusal of a call that has no head for a partner yet; `detail` says more of it than the code's text.

        Raises:
            Refused: `proxy_authentication_required`, which comes first.
        """
        caller = self.caller(authorization, peer)
        return Refused(self._gateway.refuse(cause, caller=caller, detail=detail))

    def _recipient(self, host: str) -> Recipient | None:
        policy = self._gateway.policy
        if policy is not self._policy:
            self._recipients = destinations(policy)
            self._gateway.services.destinations.listed = frozenset(
                host for recipient in policy.recipients.values() for host in recipient.hosts
            )
            self._policy = policy
        return self._recipients.find(host)

    def _of_no_recipient(self, head: RequestHead, caller: str) -> OutgoingPassage:
        """What becomes of a call to a host that no recipient has. Raises Refused where the rules let none pass."""
        if self._gateway.policy.egress.unknown is UnknownDestinations.OBSERVE:
            return self._unknown.passage(head, caller, way=self._way)
        raise self._unknown_host(head.host, caller)

    def _unknown_host(self, host: str, caller: str) -> Refused:
        self._note_refused(host, None, caller)
        fault = Fault(Posture.UNKNOWN_RECIPIENT, Source.CLIENT, "no recipient has this host")
        return Refused(self._gateway.refuse(fault, caller=caller))

    def _note_refused(self, host: str, recipient_name: str | None, caller: str) -> None:
        application = caller.removeprefix(APPLICATION_CALLER)
        self._gateway.services.destinations.note(
            host, recipient_name, application, sent=0, received=0, classes=(), refused=True, way=self._way
        )
