"""A relay in front of scripted partners: real gateway, real rules, real sockets, and clients of raw bytes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from data_port import DataPort
from outgoing_gateway import basic, outgoing_gateway
from scripted_upstream import OK, Script, ScriptedUpstream, answering, scripted

from gateway.ingress.relay_port import RelayPort
from gateway.model.limits import Limits
from gateway.runtime.settings import Listener, Settings, Tls, UpstreamTls
from gateway.runtime.settings_egress import EgressSettings, RelayListener

PREAMBLE = """
version: 1
controller: {name: Example Shop GmbH, contact: privacy@shop.example, jurisdiction: EU}
purposes:
  service: {basis: contract, title: Handle your order}
  analytics: {basis: consent, title: See how the shop is used}
recipients:
  mailer: {role: processor, hosts: ["MAILER"], contract: {ref: DPA-1}}
  tally: {role: partner, hosts: ["TALLY"], contract: {ref: DPA-2}}
"""

ROUTES = """
routes:
  - name: mail
    match: {host: "MAILER", path: /send}
    to: mailer
    subject: {field: $.to}
    body_limit: 1000
    request: {fields: {$.to: {is: contact.email, for: service}}, rest: drop}
    response: {fields: {$.id: {is: unique_id, for: service}}, rest: drop}
  - name: count
    match: {host: "TALLY", path: /send}
    to: tally
    subject: {field: $.to}
    request: {fields: {$.to: {is: contact.email, for: analytics, as: pseudonym}}, rest: drop}
    response: {rest: pass}
  - name: talk
    match: {host: "MAILER", path: /talk}
    to: mailer
    stream: [websocket]
    request: {rest: pass}
    response: {rest: pass}
  - name: listing
    match: {host: "MAILER", path: /listing/**}
    to: mailer
    request: {fields: {"header:Origin": {is: unique_id, for: service}}, rest: pass}
    response: {rest: pass}
  - name: open
    match: {host: "MAILER", path: /**}
    to: mailer
    request: {rest: pass}
    response: {rest: pass}
  - name: tallied
    match: {host: "TALLY", path: /open/**}
    to: tally
    request: {rest: pass}
    response: {rest: pass}
"""

PROVEN = b"Proxy-Authorization: " + basic() + b"\r\n"


class Relayed(DataPort):
    """`upstream` is the mailer; `tally` is the other partner."""

    def __init__(self, relay: RelayPort, gateway, mailer: ScriptedUpstream, tally: ScriptedUpstream) -> None:
        super().__init__(relay.servers[0], gateway, relay._pools, mailer)
        self.relay = relay
        self.mailer = mailer
        self.tally = tally

    @property
    def received(self) -> list[bytes]:
        """All that partners were sent."""
        return [*self.mailer.requests, *self.tally.requests]


def ask(*lines: bytes, method=b"GET", target=b"/mailer/x", host=b"relay.internal:8082", body=None, proof=PROVEN):
    """The bytes of a request to the relay."""
    head = (
        b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (method, target, host) + proof + b"".join(each + b"\r\n" for each in lines)
    )
    if body is not None:
        head += b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
    return head + b"\r\n" + (body or b"")


@asynccontextmanager
async def relayed(
    *scripts: Script,
    tally: Script = answering(OK),  # noqa: B008 - holds nothing
    routes: str = ROUTES,
    to: dict[str, str] | None = None,
    ledger: object = None,
    tls: tuple[Tls | None, ...] = (None,),
    path: str = "",
    files: dict[str, UpstreamTls] | None = None,
    hosts: dict[str, str] | None = None,
    **limits: float,
) -> AsyncIterator[Relayed]:
    """The relay leads from /mailer and mailer.internal to a partner that follows `scripts`, from /tally to another.

    In `routes` and `to`, MAILER and TALLY stand for the partners' hosts, with their ports, or for what `hosts` say.
    There is a listener for each `tls`, or one at the unix socket `path`.
    """
    bounds = Limits(**({"connections_per_client": 1000} | limits))  # type: ignore[arg-type]
    places = to or {"/mailer": "http://MAILER", "/tally": "http://TALLY", "mailer.internal": "http://MAILER"}
    with TemporaryDirectory() as name:
        state = Path(name)
        async with scripted(*(scripts or (answering(OK),))) as mailer, scripted(tally) as other:
            known = {"MAILER": f"127.0.0.1:{mailer.port}", "TALLY": f"127.0.0.1:{other.port}"} | (hosts or {})

            def named(text: str) -> str:
                return text.replace("MAILER", known["MAILER"]).replace("TALLY", known["TALLY"])

            listeners = tuple(Listener("" if path else "127.0.0.1", 0, path=path, tls=each) for each in tls)
            leads = {place: named(url) for place, url in places.items()}
            relays = tuple(RelayListener(each, leads) for each in listeners)
            settings = Settings(
                listeners=listeners,
                state=name,
                limits=bounds,
                upstream_tls=files or {},
                egress=EgressSettings(relays=relays, ca=name),
            )
            async with outgoing_gateway(state, named(PREAMBLE + routes), ledger=ledger, limits=bounds) as (
                gateway,
                calls,
            ):
                port = RelayPort(settings, gateway, calls)
                await port.listen()
                under = Relayed(port, gateway, mailer, other)
                try:
                    yield under
                finally:
                    for client in under.clients:
                        client.writer.close()
                    await port.close()
                    port.abandon()
