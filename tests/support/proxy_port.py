"""A whole proxy for tests: real gateway, real rules, mitmproxy between raw clients and partners that keep a log."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from certificates import Authority
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from data_port import Answer, Client
from outgoing_gateway import basic, outgoing_gateway
from scripted_upstream import OK, Script, ScriptedUpstream, answering, scripted

from gateway.egress.authority import create_authority
from gateway.egress.port import ProxyPort
from gateway.model.limits import Limits
from gateway.runtime.gateway import Gateway
from gateway.runtime.listener import Listener, Tls
from gateway.runtime.outgoing import OutgoingCalls
from gateway.runtime.settings import Settings, UpstreamTls
from gateway.runtime.settings_egress import EgressSettings, ProxyListener

RULES = """
version: 1
controller: {name: Example Shop GmbH, contact: privacy@shop.example, jurisdiction: EU}
purposes:
  service: {basis: contract, title: Handle your order}
  ads: {basis: consent, title: Show you offers elsewhere}
recipients:
  shop: {role: controller, upstream: "http://127.0.0.1:1"}
  mailer:
    role: processor
    hosts: $HOSTS
    contract: {ref: DPA-2026-017, expires: $EXPIRES}
    may_receive: {contact.email: [service, ads], name: [service]}
$EGRESS
routes:
$ROUTES
"""

ROUTES = """
  - name: send
    match: {host: $HOSTS, path: /v1/send, method: POST}
    to: mailer
    caller: shop
    body_limit: 1000
    request:
      fields: {$.email: {is: contact.email, for: service}}
      rest: {body: drop, headers: pass, query: pass, cookies: pass}
    response:
      fields: {$.email: {is: contact.email, for: service}}
      rest: {body: drop, headers: pass, cookies: pass}
  - name: offers
    match: {host: $HOSTS, path: /v1/offers, method: POST}
    to: mailer
    caller: shop
    subject: {field: $.email}
    request:
      fields: {$.email: {is: contact.email, for: ads}}
      rest: {body: drop, headers: pass, query: pass, cookies: pass}
    response: {rest: pass}
  - name: open
    match: {host: $HOSTS, path: "/open/**"}
    to: mailer
    caller: shop
    request: {rest: pass}
    response: {rest: pass}
"""


class Proxy:
    """A running proxy and the partner behind it. `requests` is what the partner received, byte by byte."""

    def __init__(self, port: ProxyPort, gateway: Gateway, calls: OutgoingCalls, partner: ScriptedUpstream, ca: Path):
        self.port = port
        self.gateway = gateway
        self.calls = calls
        self.partner = partner
        self.ca = ca
        self.clients: list[Client] = []

    @property
    def requests(self) -> list[bytes]:
        return self.partner.requests

    @property
    def refusals(self) -> dict[str, int]:
        return self.gateway.services.metrics.snapshot().refusals

    @property
    def url(self) -> str:
        """The proxy's own address."""
        host, port = self.port.addresses[0]  # type: ignore[misc]
        return f"http://{host}:{port}"

    @property
    def authority(self) -> str:
        return f"localhost:{self.partner.port}"

    def trusting(self, *alpn: str) -> ssl.SSLContext:
        """A client's context that believes the proxy's authority, and nobody else."""
        context = ssl.create_default_context(cafile=str(self.ca / "authority.pem"))
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context

    async def connect(self) -> Client:
        host, port = self.port.addresses[0]  # type: ignore[misc]
        client = Client(*await asyncio.open_connection(host, port, limit=1 << 24))
        self.clients.append(client)
        return client

    async def tunnel(self, authority: str = "", *lines: bytes, credentials: bytes | None = None) -> Client:
        """A client whose CONNECT was answered; `client.opened` is that answer."""
        client = await self.connect()
        await client.send(connect(authority or self.authority, *lines, credentials=credentials))
        client.opened = await _opened(client)  # type: ignore[attr-defined]
        return client

    async def secure(self, name: str = "localhost", authority: str = "", *alpn: str) -> Client:
        """A client inside of a tunnel, with TLS."""
        client = await self.tunnel(authority)
        assert client.opened.status == 200, client.opened.body  # type: ignore[attr-defined]
        await client.writer.start_tls(self.trusting(*alpn), server_hostname=name)
        return client

    async def ask(self, raw: bytes, method: str = "POST") -> Answer:
        client = await self.secure()
        await client.send(raw)
        answer = await client.answer(method)
        await client.close()
        return answer


async def _opened(client: Client) -> Answer:
    answer = await client.head()
    if answer.status >= 300 and (length := answer.all(b"content-length")):
        answer.body = await client.reader.readexactly(int(length[0]))
    return answer


def connect(authority: str, *lines: bytes, credentials: bytes | None = None) -> bytes:
    proven = basic() if credentials is None else credentials
    fields = [b"Host: " + authority.encode(), *((b"Proxy-Authorization: " + proven,) if proven else ()), *lines]
    return b"CONNECT %b HTTP/1.1\r\n%b\r\n\r\n" % (authority.encode(), b"\r\n".join(fields))


@asynccontextmanager
async def proxy_port(
    *scripts: Script,
    routes: str = ROUTES,
    egress: str = "",
    expires: str = "2099-01-01",
    ledger: object = None,
    modes: tuple[ProxyListener, ...] | None = None,
    tls: Tls | None = None,
    rules: str = RULES,
    plain: bool = False,
    **limits: float,
) -> AsyncIterator[Proxy]:
    """A proxy before a partner with TLS (`plain`: without) that follows `scripts`; default: it answers `OK`."""
    bounds = Limits(**({"connections_per_client": 1000} | limits))  # type: ignore[arg-type]
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        partners = Authority(folder, "partners")
        local = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate, key = partners.issue("partner", *local, usage=ExtendedKeyUsageOID.SERVER_AUTH)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        partner = await stack.enter_async_context(
            scripted(*(scripts or (answering(OK),)), context=None if plain else context)
        )
        hosts = f'["127.0.0.1:{partner.port}", "localhost:{partner.port}"]'
        text = rules.replace("$ROUTES", routes).replace("$EGRESS", egress).replace("$EXPIRES", expires)
        text = text.replace("$HOSTS", hosts).replace("$PORT", str(partner.port))
        gateway, calls = await stack.enter_async_context(outgoing_gateway(folder, text, ledger=ledger, limits=bounds))
        create_authority(folder / "ca")
        proxies = modes or (ProxyListener(Listener("127.0.0.1", 0, tls=tls)),)
        proxies = tuple(
            msgspec.structs.replace(each, to=each.to.format(port=partner.port)) if each.to else each for each in proxies
        )
        settings = Settings(
            listeners=tuple(each.listener for each in proxies),
            state=str(folder),
            limits=bounds,
            upstream_tls={"mailer": UpstreamTls(ca=str(partners.path))},
            egress=EgressSettings(proxies=proxies, ca=str(folder / "ca")),
        )
        port = ProxyPort(settings, gateway, calls)
        await port.listen()
        proxy = Proxy(port, gateway, calls, partner, folder / "ca")
        try:
            yield proxy
        finally:
            for client in proxy.clients:
                client.writer.close()
            await port.close()
            port.abandon()
