"""Where a request's time goes: the budget of the 1 KB strip, stage by stage, with everything in the cache.

    bench/.venv/bin/python bench/stages.py

For each stage: its time, the bytecodes that it runs (which no noise of the machine touches), and the time
of the least that has to be done there, where that can be done by itself. What the whole bench shows beyond
the sum of the stages is the price of a cold cache: the stages of 64 requests take turns with each other
and with the kernel.
"""

import asyncio
import gc
import json
import socket
import sys
import tempfile
import timeit
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import bodies
import gateway_rules
import msgspec
import uvloop
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
from gateway.ingress.translate import REPEATABLE_LINE, RepeatedRequest, WireRequest, read_repeated
from gateway.model.limits import DEFAULT_LIMITS
from gateway.model.message import RequestHead
from gateway.runtime.moments import Moments
from gateway.runtime.passage import ANYTIME
from gateway.runtime.reload import load_directory
from gateway.upstream.head import encode_fields, encode_head
from gateway.upstream.parser import ResponseParser
from gateway.upstream.templates import LEARN_AFTER, HeadTemplates

GROUP = 64
_TRACED = 256
FIELDS = (
    (b"Server", b"nginx"),
    (b"Date", b"Mon, 23 Nov 2026 15:40:37 GMT"),
    (b"Content-Type", b"application/json"),
    (b"Content-Length", b"829"),
    (b"Last-Modified", b"Mon, 23 Nov 2026 15:40:32 GMT"),
    (b"ETag", b'"6b045e70-33d"'),
    (b"Accept-Ranges", b"bytes"),
)


class Stage(msgspec.Struct, frozen=True):
    """`each` is how many requests the stage is run for at a time; `least` is the least that must be done, if known."""

    name: str
    run: Callable[[], object]
    least: Callable[[], object] | None = None
    each: int = 1
    number: int = 5000


def microseconds(stage: Callable[[], object], *, each: int = 1, number: int = 5000) -> float:
    """The best of seven runs, in microseconds for one of the `each` that the stage does at a time."""
    return min(timeit.repeat(stage, number=number, repeat=7)) / number / each * 1e6


def bytecodes(stage: Callable[[], object], *, each: int = 1) -> float:
    """How many bytecodes of ours the stage runs for one request."""
    count = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        if event == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = _is_ours(frame.f_code), False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for _ in range(_TRACED):
            stage()
    finally:
        sys.settrace(before)
    return count / each / _TRACED


def _is_ours(code: CodeType) -> bool:
    return f"{Path('gateway')}/" in code.co_filename


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        stages = _stages(Path(home))
        table = Table("stage", "us", "bytecodes", "least, us", title="the 1 KB strip, stage by stage, warm")
        total = least = opcodes = 0.0
        for stage in stages:
            cost = microseconds(stage.run, each=stage.each, number=stage.number)
            count = bytecodes(stage.run, each=stage.each)
            bound = None if stage.least is None else microseconds(stage.least, each=stage.each, number=stage.number)
            table.add_row(stage.name, f"{cost:.1f}", f"{count:.0f}", "" if bound is None else f"{bound:.1f}")
            total, opcodes, least = total + cost, opcodes + count, least + (bound or 0)
        turns = _turns_of_the_loop()
        table.add_row("three turns of the event loop", f"{turns:.1f}", "", f"{turns:.1f}")
        table.add_section()
        table.add_row("all of them", f"{total + turns:.1f}", f"{opcodes:.0f}", f"{least + turns:.1f}")
        Console().print(table)


def _stages(home: Path) -> list[Stage]:
    gateway_rules.write_rules(home / "rules", upstream_port=1)
    policy, _ = load_directory(home / "rules")
    engine = Engine(policy, PAPER_KEYS, DEFAULT_LIMITS)
    moments = Moments()
    block = read_fields(((b"Host", b"127.0.0.1:8080"),), DEFAULT_LIMITS, legacy=False, trusted=False)
    body = json.dumps(bodies.document(bodies.SIZES["1 KB"])).encode()
    fields = tuple((name, b"%d" % len(body) if name == b"Content-Length" else value) for name, value in FIELDS)
    answer = b"HTTP/1.1 200 OK\r\n" + b"".join(b"%b: %b\r\n" % pair for pair in fields) + b"\r\n" + body
    templates = HeadTemplates(DEFAULT_LIMITS)
    parser = ResponseParser(DEFAULT_LIMITS, templates)
    head = RequestHead("GET", b"/1kb.json", "127.0.0.1:8080", block.onward, derived=block.derived)
    last = WireRequest(head, block, True, b"127.0.0.1:8080")
    came = b"GET /1kb.json HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"
    tail = came[came.index(b"Host") :]

    def take() -> None:
        assert came.endswith(tail)
        line = REPEATABLE_LINE.fullmatch(came, 0, len(came) - len(tail))
        assert line is not None
        read_repeated(RepeatedRequest(line[1].decode(), line[2]), last)

    def parse() -> None:
        parser.begin(is_head=False)
        parser.read_head(answer)
        parser.take_chunks()

    exchange = engine.receive(head, moments.request_id())

    def request() -> None:
        exchange.open_request(None)
        exchange.decide_request(ANYTIME)

    request()
    for _ in range(LEARN_AFTER + 1):
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
    assert out.body is not None
    stripped = out.body

    def send() -> None:
        lines = field_lines(out.fields)
        framing = content_length(len(stripped))
        head_bytes(200, lines, framing=framing, keep_alive=True, legacy=False, via=b"", body=stripped)

    writer = _writer(home)
    signer = SigningKey("bench", bytes(32))
    group = [entry] * GROUP
    decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    kept = decode(stripped)
    record = b"".join(entry)
    pattern = templates.patterns[0]

    def hash_and_sign() -> None:
        for _ in range(GROUP):
            sha256(sha256(record).digest()).digest()
        signer.sign(record + b"\n")

    gc.collect()
    return [
        Stage("take the client's head", take, lambda: REPEATABLE_LINE.match(came)),
        Stage("route, request id", lambda: engine.receive(head, moments.request_id())),
        Stage("decide the request", request),
        Stage(
            "write the request's head",
            lambda: encode_head("GET", b"/1kb.json", sent, length=None, chunked=False),
            lambda: b"".join((b"GET ", b"/1kb.json", b" HTTP/1.1\r\n", sent.lines, b"\r\n")),
        ),
        Stage("read the answer's head", parse, lambda: pattern.match(answer)),
        Stage("open the document", lambda: exchange.open_response(onward, body), lambda: decode(body)),
        Stage("decide and edit the answer", decide, lambda: msgspec.json.encode(kept)),
        Stage("make the record", lambda: exchange.entry(step, moments.now(exchange.request_id))),
        Stage(
            f"hash and sign, {GROUP} in a group", lambda: writer.assemble(group), hash_and_sign, each=GROUP, number=200
        ),
        Stage("write the answer's head", send, lambda: b"".join((answer[:300], stripped))),
        _kernel(answer),
    ]


def _turns_of_the_loop() -> float:
    """What it costs that a request is awaited, then its upstream's answer, then its record, in microseconds."""

    async def turns(count: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(count):
            future: asyncio.Future[None] = loop.create_future()
            loop.call_soon(future.set_result, None)
            await future

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(turns(30_000))

    return microseconds(run, each=10_000, number=1)


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


def _kernel(answer: bytes) -> Stage:
    """One request and one answer over a TCP connection of the loopback: half of each side of a proxy."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    request = answer[:64]

    def turn() -> None:
        near.send(request)
        far.recv(65536)
        far.send(answer)
        near.recv(65536)

    return Stage("kernel: two reads, two writes", turn, turn)


if __name__ == "__main__":
    main()
