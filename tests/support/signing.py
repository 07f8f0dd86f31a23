"""A service with sign-in, sign-out and anything else, that answers what a test tells it to."""

import re

from data_port import DataPort, data_port
from messages import answer_of, ask

from gateway.model.words import Assurance, ConsentStatus
from gateway.runtime.decisions import Choice
from gateway.runtime.settings_identity import IdentitySettings, SessionSettings, VisitorSettings

ROUTES = """
routes:
  - name: me
    match: {path: /me}
    to: shop
    subject: identity
    request: {rest: pass}
    response:
      fields: {$.phone: {is: contact.phone_number, for: ads, otherwise: drop}}
      rest: pass
  - name: sign-in
    match: {path: /sign-in, method: POST}
    to: shop
    subject: {field: form:email}
    request: {rest: pass}
    response: {rest: pass}
    signs_in: {status: [200, 303]}
  - name: redirecting
    match: {path: /redirecting, method: POST}
    to: shop
    subject: {field: form:email}
    request: {rest: pass}
    response: {rest: pass}
    signs_in: {status: 303, location: /account}
  - name: telling
    match: {path: /telling, method: POST}
    to: shop
    request: {rest: pass}
    response: {rest: pass}
    signs_in: {status: 200, person: $.user.email}
  - name: telling-and-reading
    match: {path: /telling-and-reading, method: POST}
    to: shop
    subject: {field: form:email}
    stream: items
    request: {rest: pass}
    response:
      fields: {"$.items[*].phone": {is: contact.phone_number, for: ads, otherwise: drop}}
      rest: pass
    signs_in: {status: 200, person: $.user.email}
  - name: watching
    match: {path: /watching, method: POST}
    to: shop
    mode: observe
    subject: {field: form:email}
    signs_in: {status: 200}
  - name: sign-out
    match: {path: /sign-out}
    to: shop
    request: {rest: pass}
    response: {rest: pass}
    signs_out: true
  - name: any
    match: {path: /**}
    to: shop
    request: {rest: pass}
    response: {rest: pass}
"""
PHONE = answer_of(b'{"phone":"0171"}', b"Content-Type: application/json")
ANN, EVE = "ann@shop.example", "eve@shop.example"
FIRST, SECOND, THIRD = (b"session-number-%d-of-this-test" % number for number in (1, 2, 3))
FORM = b"Content-Type: application/x-www-form-urlencoded"


class Service:
    """`answers` by path; all others answer with a phone number. Keeps what it was sent."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}

    async def script(self, server, reader, writer) -> None:
        while raw := await server.read_request(reader):
            path = re.match(rb"[A-Z]+ ([^ ?;]*)", raw)[1].decode()
            writer.write(self.answers.get(path, PHONE))
            await writer.drain()


def settings(*, hours: int = 720, rotated: str = "keep", **more) -> IdentitySettings:
    return IdentitySettings(session=SessionSettings("session", hours, rotated), visitor=VisitorSettings(180), **more)


def signing_port(service: Service, identity: IdentitySettings | None = None, **more):
    return data_port(service.script, routes=ROUTES, identity=identity or settings(), **more)


def answer(*cookies: bytes, status: bytes = b"200 OK", body: bytes = b"", lines: tuple[bytes, ...] = ()) -> bytes:
    return answer_of(body, *lines, *(b"Set-Cookie: " + cookie for cookie in cookies), status=status)


def session(value: bytes) -> bytes:
    return b"session=%b; Path=/; HttpOnly" % value


async def decide(port: DataPort, name: str, status: ConsentStatus = ConsentStatus.GIVEN, **more) -> str:
    """What the person says about ads; gives the handle."""
    services = port.gateway.services
    handle = await services.people.meet(name)
    choices = [Choice("ads", status, **more)]
    await services.decisions.decide(handle, choices, method="test", assurance=Assurance.HIGH)
    return handle


async def sign_in(port: DataPort, name: str = ANN, *, held: bytes = b"", path: bytes = b"/sign-in"):
    """Send the form with the cookies that the browser holds."""
    lines = [FORM, *([b"Cookie: " + held] if held else [])]
    body = b"email=%b&password=x" % name.encode()
    return await port.ask(ask(*lines, method=b"POST", target=path, body=body), "POST")


async def person(port: DataPort, cookies: bytes, *lines: bytes) -> str:
    """`ann` (who wants advertising), `somebody` (who does not), or `nobody`, as the gateway takes the browser for."""
    found = await port.ask(ask(b"Cookie: " + cookies, *lines, target=b"/me"))
    if found.status != 200:
        return {"unresolved_subject": "nobody"}.get(found.code, found.code)
    return "ann" if b"0171" in found.body else "somebody"


def cookie(value: bytes) -> bytes:
    return b"session=" + value


async def signed_in(port: DataPort, service: Service, name: str = ANN, value: bytes = FIRST, held: bytes = b"") -> None:
    """Sign in, with the answer of success."""
    service.answers["/sign-in"] = answer(session(value), status=b"303 See Other")
    assert (await sign_in(port, name, held=held)).status == 303


def counted(port: DataPort) -> dict[str, int]:
    """What happened to sessions, by outcome."""
    rows = port.gateway.services.metrics.identities.items()
    return {outcome: count for (source, outcome), count in rows if source == "session"}
