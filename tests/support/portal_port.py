"""The person's pages on a real data port, and somebody who reads them without JavaScript."""

import re
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

import msgspec
from data_port import Answer, data_port
from messages import ask

from gateway.model.words import ConsentStatus
from gateway.policy.compile import load_policy
from gateway.portal.portal import Portal
from gateway.runtime.settings_identity import IdentitySettings, TrustedHeader, VisitorSettings
from gateway.runtime.settings_portal import PortalSettings, Rate

VISITORS = IdentitySettings(visitor=VisitorSettings())
SIGNED_IN = IdentitySettings(visitor=VisitorSettings(), trusted_header=TrustedHeader("x-user", ("127.0.0.0/8",)))
PLENTY = PortalSettings(rate=Rate(10_000, 10_000))
ROUTES = """
notice: {version: "7", valid: P6M, text: {en: We ask you., de: Wir fragen Sie.}}
routes:
  - name: mine
    match: {path: /mine}
    to: shop
    subject: identity
    request:
      fields:
        header:X-Count: {is: device.device_id, for: analytics, otherwise: drop}
        header:X-Ad: {is: device.device_id, for: ads, otherwise: drop}
      rest: {headers: pass, cookies: pass, query: pass, body: drop}
    response: {rest: pass}
  - {name: open, match: {path: /**}, to: shop, request: {rest: pass}, response: {rest: pass}}
"""


class Page(HTMLParser):
    """What a browser would make of an answer: forms with their fields, links, and the text."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer
        self.status = answer.status
        self.forms: list[dict] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.html = answer.body.decode()
        self.feed(self.html)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append((tag, found))
        if tag == "form":
            self.forms.append({"action": found["action"], "fields": []})
        elif tag == "a":
            self.links.append(found.get("href", ""))
        elif tag == "input" and "name" in found:
            sent = found["type"] == "hidden" or "checked" in found
            if sent:
                self.forms[-1]["fields"].append((found["name"], found.get("value", "on")))

    def form(self, ending: str) -> dict:
        return next(form for form in self.forms if form["action"].partition("?")[0].endswith(ending))

    def ticked(self) -> set[str]:
        return {f"{a['name']}={a['value']}" for tag, a in self.tags if tag == "input" and "checked" in a}

    def states(self) -> list[str]:
        return re.findall(r'class="badge (on|off|open)"', self.html)


class Reader:
    """A browser with cookies and without JavaScript."""

    def __init__(self, port, *lines: bytes) -> None:
        self.port = port
        self.lines = lines
        self.cookie = b""

    def fields(self, *more: bytes) -> tuple[bytes, ...]:
        """Field lines of a request; cookies among `more` go beside that of the reader."""
        return (*self.lines, *more, *((b"Cookie: " + self.cookie,) if self.cookie else ()))

    async def send(self, raw: bytes, method: str = "GET") -> Answer:
        answer = await self.port.ask(raw, method)
        for value in answer.all(b"set-cookie"):
            name = value.partition(b";")[0]
            if name.startswith(b"__Host-privacy-visitor="):
                self.cookie = name
        return answer

    async def get(self, target: str = "/privacy", *lines: bytes) -> Page:
        return Page(await self.send(ask(*self.fields(*lines), target=target.partition("#")[0].encode())))

    async def post(
        self, target: str, fields, *lines: bytes, kind: bytes = b"application/x-www-form-urlencoded"
    ) -> Answer:
        body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
        sent = self.fields(b"Content-Type: " + kind, *(lines or (b"Sec-Fetch-Site: same-origin",)))
        return await self.send(ask(*sent, method=b"POST", target=target.encode(), body=body))

    async def submit(self, page: Page, ending: str, *lines: bytes, **changes) -> Answer:
        """Send a form as it stands with `changes`; names of fields with ':' come as keywords of a dictionary."""
        form = page.form(ending)
        given = {name: value for name, value in form["fields"] if name != "was"} | changes
        was = [("was", value) for name, value in form["fields"] if name == "was"]
        pairs = [(name, value) for name, value in given.items() if value is not None]
        return await self.post(form["action"], [*pairs, *was], *lines)

    async def api(self, body, *lines: bytes, kind: bytes = b"application/json") -> Answer:
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return await self.post("/privacy/api/consent", content, *lines, kind=kind)

    async def shown(self) -> list[tuple[str, str]]:
        """Language and method of every notice that was shown to this reader."""
        services = self.port.gateway.services
        handle = services.people.find("visitor:" + self.cookie.partition(b"=")[2].partition(b".")[0].decode())
        served = [] if handle is None else await services.decisions.served(handle)
        return [(each.language, each.method) for each in served]

    async def history(self) -> list[tuple[str, str, str, str]]:
        """Purpose, recipient, status and method of every event of this reader."""
        services = self.port.gateway.services
        name = "visitor:" + self.cookie.partition(b"=")[2].partition(b".")[0].decode()
        handle = services.people.find(name)
        events = [] if handle is None else await services.decisions.history(handle)
        return sorted((each.purpose, each.recipient, str(each.status), each.method) for each in events)


@asynccontextmanager
async def portal_port(
    routes: str = ROUTES, settings: PortalSettings = PLENTY, *, trusted=(), identity=VISITORS, scripts=(), **more
):
    with TemporaryDirectory() as state:

        def pages(gateway):
            gateway.portal = settings.prefix
            gateway.swap(gateway.policy)
            return Portal(gateway, settings, Path(state), trusted)

        async with data_port(*scripts, routes=routes, own_pages=pages, identity=identity, **more) as port:
            port.state = Path(state)
            yield port


def swapped(port, old: str, new: str) -> None:
    """Put rules in force in which some text is another one."""
    files = {name: text.replace(old, new) for name, text in port.gateway.policy.files.items()}
    assert files != dict(port.gateway.policy.files)
    port.gateway.swap(load_policy(files, today="2026-11-23"))


GIVEN, REFUSED, WITHDRAWN = (
    str(each) for each in (ConsentStatus.GIVEN, ConsentStatus.REFUSED, ConsentStatus.WITHDRAWN)
)
