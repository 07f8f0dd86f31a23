"""Where a request's time goes: the cost of each stage of the 1 KB strip by itself, with everything in the cache.

    bench/.venv/bin/python bench/stages.py

What the whole bench shows beyond the sum of these is the price of a cold cache: the stages of 64
requests take turns with each other and with the kernel.
"""

import gc
import json
import socket
import tempfile
import timeit
from collections.abc import Callable
from pathlib import Path

import bodies
import gateway_rules
from rich.console import Console
from rich.table import Table

from gateway.audit.commit import GroupWriter
from gateway.audit.tree import Tree
from gateway.crypto.sign import SigningKey
from gateway.engine.engine import Engine
from gateway.engine.step import Send
from gateway.engine.trial import PAPER_KEYS
from gateway.ingress.header_block import read_fields
from gateway.ingress.respond import content_length, field_lines, head_bytes
from gateway.ingress.upstream_head import encode_fields, encode_head
from gateway.ingress.upstream_parser import ResponseParser
from gateway.ingress.upstream_templates import HeadTemplates
from gateway.model.limits import DEFAULT_LIMITS
from gateway.model.message import RequestHead
from gateway.runtime.moments import Moments
from gateway.runtime.passage import ANYTIME
from gateway.runtime.reload import load_directory

GROUP = 32
FIELDS = (
    (b"Server", b"nginx"),
    (b"Date", b"Mon, 23 Nov 2026 15:40:37 GMT"),
    (b"Content-Type", b"application/json"),
    (b"Content-Length", b"829"),
    (b"Last-Modified", b"Mon, 23 Nov 2026 15:40:32 GMT"),
    (b"ETag", b'"6b045e70-33d"'),
    (b"Accept-Ranges", b"bytes"),
)


def microseconds(stage: Callable[[], object], *, each: int = 1, number: int = 5000) -> float:
    """The best of seven runs, in microseconds for one of the `each` that the stage does at a time."""
    return min(timeit.repeat(stage, number=number, repeat=7)) / number / each * 1e6


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        stages = _stages(Path(home))
    table = Table("stage", "us", title="the 1 KB strip, stage by stage, warm")
    for name, cost in stages:
        table.add_row(name, f"{cost:.1f}")
    table.add_section()
    table.add_row("all of them", f"{sum(cost for _, cost in stages):.1f}")
    Console().print(table)


def _stages(home: Path) -> list[tuple[str, float]]:
    gateway_rules.write_rules(home / "rules", upstream_port=1)
    policy, _ = load_directory(home / "rules")
    engine = Engine(policy, PAPER_KEYS, DEFAULT_LIMITS)
    moments = Moments()
    block = read_fields(((b"Host", b"127.0.0.1:8080"),), DEFAULT_LIMITS, legacy=False, trusted=False)
    body = json.dumps(bodies.document(bodies.SIZES["1 KB"])).encode()
    fields = tuple((name, b"%d" % len(body) if name == b"Content-Length" else value) for name, value in FIELDS)
    answer = b"HTTP/1.1 200 OK\r\n" + b"".join(b"%b: %b\r\n" % pair for pair in fields) + b"\r\n" + body
    parser = ResponseParser(DEFAULT_LIMITS, HeadTemplates(DEFAULT_LIMITS))

    def receive() -> None:
        head = RequestHead("GET", b"/1kb.json", "127.0.0.1:8080", block.onward, derived=block.derived)
        engine.receive(head, moments.request_id())

    def parse() -> None:
        parser.begin(is_head=False)
        parser.read_head(answer)
        parser.take_chunks()

    head = RequestHead("GET", b"/1kb.json", "127.0.0.1:8080", block.onward, derived=block.derived)
    exchange = engine.receive(head, moments.request_id())

    def request() -> None:
        exchange.open_request(None)
        exchange.decide_request(ANYTIME)

    request()
    parse()
    onward = parser.judged.onward
    sent = encode_fields((*block.onward, (b"Via", b"1.1 privacy-gateway")))

    def decide() -> None:
        exchange.reads_response_body(onward)
        exchange.decide_response(ANYTIME)

    exchange.open_response(onward, body)
    step = exchange.decide_response(ANYTIME)
    assert isinstance(step, Send)
    entry = exchange.entry(step, moments.now(exchange.request_id))
    out = step.outgoing

    def send() -> None:
        assert out.body is not None
        lines = field_lines(out.headers)
        head_bytes(
            200, lines, framing=content_length(len(out.body)), keep_alive=True, legacy=False, via=b"", body=out.body
        )

    writer = _writer(home)
    group = [entry] * GROUP
    found = [
        ("route, request id", microseconds(receive)),
        ("decide the request", microseconds(request)),
        (
            "write the request's head",
            microseconds(lambda: encode_head("GET", b"/1kb.json", sent, length=None, chunked=False)),
        ),
        ("parse the answer", microseconds(parse)),
        ("open the document", microseconds(lambda: exchange.open_response(onward, body))),
        ("decide and edit the answer", microseconds(decide)),
        ("make the record", microseconds(lambda: exchange.entry(step, moments.now(exchange.request_id)))),
        (f"hash and sign, {GROUP} in a group", microseconds(lambda: writer.assemble(group), each=GROUP, number=200)),
        ("write the answer's head", microseconds(send)),
        ("kernel: two reads, two writes", _kernel(answer)),
    ]
    gc.collect()
    return found


def _writer(home: Path) -> GroupWriter:
    home = home / "w0"
    home.mkdir()
    writer = GroupWriter(
        home,
        Tree(),
        SigningKey("bench", bytes(32)),
        origin="bench",
        opened={},
        segment_bytes=1 << 30,
        segment_seconds=3600,
    )
    writer.start(())
    return writer


def _kernel(answer: bytes) -> float:
    """One request and one answer over a TCP connection of the loopback, twice: both sides of a proxy."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    request = answer[:64]

    def turn() -> None:
        near.send(request)
        far.recv(65536)
        far.send(answer)
        near.recv(65536)

    cost = microseconds(turn)
    near.close()
    far.close()
    return cost


if __name__ == "__main__":
    main()
