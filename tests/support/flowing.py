"""Both ends of bodies that flow item by item: what they say, and what they note of what they got."""

import asyncio
import json

from messages import HOST, answer_of

from gateway.model.errors import StoreDown
from gateway.model.words import Posture
from gateway.stores.event import ConsentEvent, new_event_id, now_microseconds

ROUTES = """
routes:
  - name: things
    match: {path: /things}
    to: shop
    stream: items
    body_limit: 1000
    subject: {field: "header:X-User"}
    postures: {unresolved_subject: drop}
    request:
      fields:
        $[*].email: {is: contact.email, for: service}
        $[*].born: {is: demographic.date_of_birth, for: ads, otherwise: drop}
      rest: {body: drop, headers: pass, query: pass, cookies: pass}
    response:
      fields:
        $[*].email: {is: contact.email, for: service}
        $[*].born: {is: demographic.date_of_birth, for: ads, otherwise: drop}
      rest: {body: drop, headers: pass, cookies: pass}
  - name: lines
    match: {path: /lines}
    to: shop
    stream: items
    body_limit: 1000
    request:
      fields: {$.email: {is: contact.email, for: service}}
      rest: {body: drop, headers: pass}
    response:
      fields: {$.email: {is: contact.email, for: service}}
      rest: {body: drop, headers: pass}
  - name: refusing
    match: {path: /refusing}
    to: shop
    stream: items
    body_limit: 1000
    subject: {field: "header:X-User"}
    request:
      fields: {"$[*].born": {is: demographic.date_of_birth, for: ads}}
    response: {rest: pass}
"""
JSON_LABEL = b"Content-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
USER = b"X-User: ann@shop.example\r\n"
ITEM = {"email": "a@b.example", "born": "1990-01-02", "secret": "x" * 60}
MANY = json.dumps([ITEM] * 100, separators=(",", ":")).encode()
KEPT = b"[" + b",".join([b'{"email":"a@b.example"}'] * 100) + b"]"
BROKEN = MANY[:-1] + b',{"email":}]'


def chunk(content):
    return b"%x\r\n%b\r\n" % (len(content), content)


def answer_head(*lines):
    return b"HTTP/1.1 200 OK\r\n" + b"".join((JSON_LABEL, *lines, b"\r\n"))


def saying(*pieces, turn=None, end=True):
    """An upstream that answers in chunks; after each it waits for its turn."""

    async def script(server, reader, writer):
        await server.read_request(reader)
        writer.write(answer_head(CHUNKED, b'ETag: "one"\r\n', b"Content-MD5: aGFzaA==\r\n"))
        for piece in pieces:
            writer.write(chunk(piece))
            await writer.drain()
            if turn is not None:
                await turn.acquire()
        if end:
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        else:
            writer.transport.abort()

    return script


class Listening:
    """An upstream that notes what it has received, whether or not the request ever ends."""

    def __init__(self):
        self.raw = b""

    async def __call__(self, server, reader, writer):
        while piece := await reader.read(1 << 16):
            self.raw += piece
            if self.raw.endswith(b"\r\n0\r\n\r\n"):
                writer.write(answer_of(b"[]", b"Content-Type: application/json"))
                await writer.drain()
                self.raw = self.raw[:-5]

    @property
    def body(self):
        rest = self.raw.partition(b"\r\n\r\n")[2]
        found = b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            found += rest[: int(size, 16)]
            rest = rest[int(size, 16) + 2 :]
        return found


def get(*lines, target=b"/things", version=b"1.1"):
    return b"GET %b HTTP/%b\r\n" % (target, version) + HOST + b"".join(lines) + b"\r\n"


def post(*lines, target=b"/things"):
    return b"POST %b HTTP/1.1\r\n" % target + HOST + JSON_LABEL + b"".join(lines) + b"\r\n"


def decide(port, status):
    at = now_microseconds()
    person = port.gateway.services.people.find("ann@shop.example")
    event = ConsentEvent(id=new_event_id(at), subject=person, purpose="ads", status=status, at=at, method="test")
    port.gateway.services.consent.append(event)


class Noted:
    """A ledger that keeps its records where a test can look, and is done when the test says so."""

    def __init__(self):
        self.records = []
        self.held = None
        self.broken = False

    def commit(self, before, after):
        self.records.append(json.loads(before + after))
        done = asyncio.get_running_loop().create_future()
        if self.broken:
            done.set_exception(StoreDown(Posture.AUDIT_UNAVAILABLE, "the device is gone"))
            return done
        if self.held is None:
            done.set_result(len(self.records))
        else:
            self.held.append(done)
        return done

    def leaf(self, index):
        return None

    @property
    def counted(self):
        """How often each address was met, in all records together."""
        totals = {}
        for record in self.records:
            for field in record.get("fields", ()):
                totals[field["address"]] = totals.get(field["address"], 0) + field["count"]
        return totals


def saying_whole(body, *lines):
    async def script(server, reader, writer):
        await server.read_request(reader)
        writer.write(answer_head(b"Content-Length: %d\r\n" % len(body), *lines) + body)
        await writer.drain()

    return script
