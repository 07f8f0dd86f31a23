"""Bodies far over the limit, both ways, with the ledger on: what arrives, and how much memory a worker takes for it."""

import json
import socket
import threading
from collections import Counter
from pathlib import Path

import pytest
from ledgers import raw_lines
from processes import GatewayProcess
from rulebook import rules

SIZE = 200 * 1024 * 1024
MOST_GROWTH = 64 * 1024 * 1024
PIECE = 256 * 1024
ROUTES = """
routes:
  - name: export
    match: {path: /export}
    to: shop
    stream: items
    body_limit: 1MiB
    request:
      fields: {"$[*].email": {is: contact.email, for: service, as: drop}}
      rest: {body: pass, headers: pass}
    response:
      fields: {"$[*].email": {is: contact.email, for: service, as: drop}}
      rest: {body: pass, headers: pass}
  - name: lines
    match: {path: /lines}
    to: shop
    stream: items
    body_limit: 1MiB
    request:
      fields: {$.email: {is: contact.email, for: service, as: drop}}
      rest: {body: pass, headers: pass}
    response:
      fields: {$.email: {is: contact.email, for: service, as: drop}}
      rest: {body: pass, headers: pass}
"""
ITEM = json.dumps({"id": 17, "email": "ann@shop.example", "note": "n" * 900}, separators=(",", ":")).encode()
KEPT = json.dumps({"id": 17, "note": "n" * 900}, separators=(",", ":")).encode()
ITEMS = SIZE // (len(ITEM) + 1)


def generated(item, kind, items=ITEMS):
    """The body piece by piece: an array, or lines."""
    apart = b"," if kind == "export" else b"\n"
    block = apart.join([item] * 256)
    if kind == "export":
        yield b"["
    for number in range(items // 256):
        yield (apart if number else b"") + block
    yield b"]" if kind == "export" else b"\n"


def length_of(item, kind):
    return sum(map(len, generated(item, kind)))


class Shop(threading.Thread):
    """Answers GET with the body of its path, and anything else after reading all of it away."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.received = 0
        self.seen = Counter()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                self.serve(connection, stream)

    def serve(self, connection, stream):
        line = stream.readline()
        while stream.readline() not in (b"\r\n", b""):
            pass
        kind = "lines" if b"/lines" in line else "export"
        label = b"application/x-ndjson" if kind == "lines" else b"application/json"
        head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nConnection: close\r\n" % label
        if line.startswith(b"GET"):
            connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
            for piece in generated(ITEM, kind):
                connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            connection.sendall(b"0\r\n\r\n")
        else:
            self.received = read_chunks(stream, self.seen)
            connection.sendall(head + b"Content-Length: 2\r\n\r\n[]")


def read_chunks(stream, seen):
    total = 0
    while size := int(stream.readline(), 16):
        total += size
        seen[b"ann@shop" in stream.read(size)] += 1
        stream.readline()
    return total


class Watch(threading.Thread):
    """Samples the resident set of a process until stopped."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.statm = Path(f"/proc/{pid}/statm")
        self.before = self.peak = self.resident()
        self.over = threading.Event()

    def resident(self):
        return int(self.statm.read_text().split()[1]) * 4096

    def run(self):
        while not self.over.wait(0.01):
            self.peak = max(self.peak, self.resident())


def fetch(port, kind):
    seen = Counter()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client, client.makefile("rb") as stream:
        client.sendall(f"GET /{kind} HTTP/1.1\r\nHost: shop.example\r\n\r\n".encode())
        assert b"200" in stream.readline()
        while stream.readline() != b"\r\n":
            pass
        return read_chunks(stream, seen), seen


def send(port, kind):
    label = "application/x-ndjson" if kind == "lines" else "application/json"
    head = f"POST /{kind} HTTP/1.1\r\nHost: shop.example\r\nContent-Type: {label}\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client, client.makefile("rb") as stream:
        client.sendall(f"{head}Content-Length: {length_of(ITEM, kind)}\r\n\r\n".encode())
        for piece in generated(ITEM, kind):
            client.sendall(piece)
        return stream.readline()


@pytest.mark.parametrize("kind", ["export", "lines"])
def test_memory_stays_flat_while_large_bodies_are_edited_both_ways(tmp_path, kind):
    shop = Shop()
    shop.start()
    with GatewayProcess(tmp_path, rules(ROUTES, shop.url)) as gateway:
        watch = Watch(gateway.workers()[0])
        watch.start()
        total, seen = fetch(gateway.port, kind)
        status = send(gateway.port, kind)
        watch.over.set()
        watch.join()
    shop.listener.close()
    expected = length_of(KEPT, kind)
    assert total == shop.received == expected
    assert b"200" in status
    assert not seen[True]
    assert not shop.seen[True]
    assert watch.peak - watch.before < MOST_GROWTH

    counts = Counter()
    for raw in raw_lines(gateway.state / "audit" / "w0"):
        record = json.loads(raw)
        for field in record.get("fields", ()):
            counts[record["direction"], field["address"]] += field["count"]
    address = "$[*].email" if kind == "export" else "$.email"
    items = ITEMS // 256 * 256
    assert counts == {("response", address): items, ("request", address): items}
