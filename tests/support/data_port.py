"""A whole data port for tests: real gateway, real rules, a scripted upstream, and a client of raw bytes."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog
from rulebook import TODAY, rules
from scripted_upstream import OK, Script, ScriptedUpstream, answering, scripted

from gateway.crypto.keyring import KeyRing
from gateway.ingress.hop import ServiceHop
from gateway.ingress.server import IngressServer
from gateway.ingress.settings import IngressSettings
from gateway.model.limits import Limits
from gateway.policy.compile import load_policy
from gateway.runtime.cookie_memory import CookieMemory
from gateway.runtime.decisions import Decisions
from gateway.runtime.gateway import Gateway
from gateway.runtime.metrics import Metrics
from gateway.runtime.open_people import open_people
from gateway.runtime.services import Services, open_identities
from gateway.runtime.sessions import Sessions
from gateway.runtime.settings import Listener, Tls
from gateway.runtime.settings_identity import IdentitySettings
from gateway.stores.consent import SqliteConsentStore
from gateway.stores.cookies import COOKIES
from gateway.stores.sessions import SqliteSessionStore
from gateway.upstream import UpstreamPools

ROUTES = """
routes:
  - name: talk
    match: {path: /talk/**}
    to: shop
    stream: [websocket]
    request: {rest: pass}
    response: {rest: pass}
  - name: events
    match: {path: /events}
    to: shop
    stream: [event_stream]
    request: {rest: pass}
    response:
      fields: {$.email: {is: contact.email, for: service}}
      rest: {body: drop, headers: pass, cookies: pass}
  - name: orders
    match: {path: /orders}
    to: shop
    body_limit: 1000
    request:
      fields: {$.email: {is: contact.email, for: service}}
      rest: {body: drop, headers: pass, query: pass, cookies: pass}
    response:
      fields: {$.email: {is: contact.email, for: service}}
      rest: {body: drop, headers: pass, cookies: pass}
  - name: photos
    match: {path: /photos, method: POST}
    to: shop
    request:
      fields:
        "part:note": {is: contact.email, for: service, as: blank}
        "part:photo": {is: biometric, for: service}
      rest: {body: drop, headers: pass, query: pass, cookies: pass}
    response: {rest: pass}
  - name: watched
    match: {path: /watched}
    to: shop
    mode: observe
    body_limit: 1000
    request: {fields: {$.email: {is: contact.email, for: service}}, rest: drop}
    response: {fields: {$.email: {is: contact.email, for: service}}, rest: drop}
  - name: open
    match: {path: /**}
    to: shop
    request: {rest: pass}
    response: {rest: pass}
"""

REWRITTEN = """
routes:
  - name: document
    match: {path: /doc}
    to: shop
    request:
      fields: {$.email: {is: contact.email, for: service}}
      rest: {body: drop, headers: pass, query: pass, cookies: pass}
    response:
      fields: {$.email: {is: contact.email, for: service}}
      rest: {body: drop, headers: pass, cookies: pass}
  - name: mine
    match: {path: /mine}
    to: shop
    subject: {field: "header:X-User"}
    request: {rest: pass}
    response:
      fields: {$.phone: {is: contact.phone_number, for: ads, otherwise: drop}}
      rest: pass
"""


class Answer:
    """One response as the client saw it: names in lower case, `ended` how its body ended."""

    def __init__(self, head: bytes) -> None:
        lines = head.split(b"\r\n")
        self.line = lines[0]
        self.status = int(lines[0].split(b" ")[1])
        self.fields = [(k.lower(), v.strip()) for k, _, v in (line.partition(b":") for line in lines[1:] if line)]
        self.body = b""
        self.complete = False

    def all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key == name]

    @property
    def code(self) -> str:
        return re.search(rb'"code":"([a-z_]+)"', self.body)[1].decode()  # type: ignore[index]


class Client:
    """Bytes in, bytes out."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
        await self.writer.drain()

    async def head(self) -> Answer:
        async with asyncio.timeout(10):
            return Answer((await self.reader.readuntil(b"\r\n\r\n"))[:-4])

    async def answer(self, method: str = "GET") -> Answer:
        """Read one final response. Raises IncompleteReadError or ConnectionError where it breaks off."""
        answer = await self.head()
        async with asyncio.timeout(10):
            if method == "HEAD" or answer.status in (204, 304):
                pass
            elif length := answer.all(b"content-length"):
                answer.body = await self.reader.readexactly(int(length[0]))
            elif answer.all(b"transfer-encoding"):
                while size := int(await self.reader.readuntil(b"\r\n"), 16):
                    answer.body += (await self.reader.readexactly(size + 2))[:-2]
                assert await self.reader.readexactly(2) == b"\r\n"
            else:
                answer.body = await self.reader.read(-1)
        answer.complete = True
        return answer

    async def rest(self) -> bytes:
        """Everything until the gateway closes the connection."""
        async with asyncio.timeout(10):
            return await self.reader.read(-1)

    async def close(self) -> None:
        self.writer.close()


class DataPort:
    def __init__(self, server: IngressServer, gateway: Gateway, pools: UpstreamPools, upstream: ScriptedUpstream):
        self.server = server
        self.gateway = gateway
        self.pools = pools
        self.upstream = upstream
        self.clients: list[Client] = []

    @property
    def port(self) -> int:
        return self.server.addresses[0][1]  # type: ignore[return-value]

    async def connect(
        self, *, context: ssl.SSLContext | None = None, name: str | None = None, limit=1 << 24, at=None
    ) -> Client:
        address = at or self.server.addresses[0]
        if isinstance(address, str):
            streams = await asyncio.open_unix_connection(address, limit=limit)
        else:
            options: dict[str, Any] = {"ssl": context, "server_hostname": name} if context else {}
            streams = await asyncio.open_connection(*address, limit=limit, **options)
        client = Client(*streams)
        self.clients.append(client)
        return client

    async def ask(self, raw: bytes, method: str = "GET") -> Answer:
        """One request on a connection of its own."""
        client = await self.connect()
        await client.send(raw)
        answer = await client.answer(method)
        await client.close()
        return answer

    async def settle(self, condition) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - conditions of other parties set no event
                await asyncio.sleep(0.005)


@asynccontextmanager
async def data_port(
    *scripts: Script,
    routes: str = ROUTES,
    url: str = "",
    tls: Tls | None = None,
    path: str = "",
    ledger=None,
    settings=None,
    identity=IdentitySettings(),  # noqa: B008 - frozen
    own_pages=None,
    **limits,
) -> AsyncIterator[DataPort]:
    """A gateway before an upstream that follows `scripts` (default: answers `OK` to everything).

    `own_pages` makes pages of its own from the gateway.
    """
    bounds = Limits(**({"connections_per_client": 1000} | limits))
    with TemporaryDirectory() as state:
        async with scripted(*(scripts or (answering(OK),))) as upstream:
            keys = KeyRing(b"k" * 32, "26q4a")
            metrics = Metrics()
            decisions = Decisions(Path(state), ledger, structlog.get_logger())
            services = Services(
                keys=keys,
                people=open_people(Path(state), keys),
                consent=SqliteConsentStore(Path(state) / "consent.sqlite"),
                decisions=decisions,
                ledger=ledger,
                metrics=metrics,
                log=structlog.get_logger(),
                limits=bounds,
                identities=open_identities(identity, metrics, structlog.get_logger(), keys),
                cookies=CookieMemory(Path(state) / COOKIES, metrics, structlog.get_logger()),
            )
            identities = services.identities
            if identities is not None and identity.session is not None:
                open_store = partial(SqliteSessionStore, Path(state) / "sessions.sqlite")
                identities.sessions = Sessions(
                    identity.session,
                    open_store(),
                    open_store,
                    keys=keys,
                    people=services.people,
                    decisions=decisions,
                    metrics=metrics,
                    limits=bounds,
                )
            gateway = Gateway(load_policy({"rules.yaml": rules(routes, url or upstream.url())}, today=TODAY), services)
            pools = UpstreamPools(bounds)
            listener = Listener("" if path else "127.0.0.1", 0, path=path, tls=tls)
            own = IngressSettings(listeners=(listener,), limits=bounds, **(settings or {}))
            pages = own_pages(gateway) if own_pages is not None else None
            server = IngressServer(gateway, ServiceHop(gateway, pools, own), own, pages)
            await server.start()
            port = DataPort(server, gateway, pools, upstream)
            try:
                yield port
            finally:
                for client in port.clients:
                    client.writer.close()
                await server.close()
                pools.abort()
                if services.identities is not None:
                    await services.identities.close()
                await decisions.close()
                services.cookies.close()
                services.people.close()
                services.consent.close()
