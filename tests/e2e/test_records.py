"""P2: as many records as disclosures; and no answer without its record, even when everything dies at once."""

import asyncio
import json
import multiprocessing
import random
import re
import time
import urllib.request

import pytest
from processes import GatewayProcess, cli, request
from rulebook import rules
from upstream import RecordingUpstream, answer

ROUTES = """
routes:
  - name: profile
    match: {method: GET, path: /profile}
    to: shop
    request: {rest: drop}
    response:
      fields:
        $.email: {is: contact.email, for: service}
      rest: drop
"""
ANSWER = answer(b'{"email":"ann@example.com","born":"1990-01-02","note":"planted"}', "Content-Type: application/json")
ASK = request("GET", "/profile")
_RECORD = re.compile(rb"Privacy-Record: ([0-9A-Z]{26})")


def load(port: int, connections: int, each: int, queue) -> None:
    """Closed loop on keep-alive connections; puts the record ids of all complete answers."""

    async def one(seen: list[bytes]) -> None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(each):
                writer.write(ASK)
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
                body = await reader.readexactly(length)
                assert head.startswith(b"HTTP/1.1 200"), head
                assert body == b'{"email":"ann@example.com"}', body
                seen.append(_RECORD.search(head)[1])
                if b"Connection: close" in head:
                    writer.close()
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass

    async def everything() -> list[bytes]:
        seen: list[bytes] = []
        await asyncio.gather(*(one(seen) for _ in range(connections)))
        return seen

    queue.put(b" ".join(asyncio.run(everything())))


def start_load(port, connections, each, processes=2):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    running = [
        context.Process(target=load, args=(port, connections // processes, each, queue)) for _ in range(processes)
    ]
    for process in running:
        process.start()
    return running, queue


def finish_load(running, queue) -> list[bytes]:
    seen = [record for _ in running for record in queue.get(timeout=100).split()]
    for process in running:
        process.join(20)
    return seen


def ledger_lines(state):
    for path in sorted((state / "audit").rglob("*.jsonl")):
        for line in path.read_bytes().split(b"\n"):
            if line.startswith(b"{"):
                yield line


def until_recorded(state, lines):
    """The load is under way: how long its processes take to begin is the machine's affair."""
    deadline = time.monotonic() + 60
    while sum(1 for _ in ledger_lines(state)) < lines:
        assert time.monotonic() < deadline, "the load did not begin"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_p2_200000_requests_leave_200000_records(tmp_path):
    total, connections = 200_000, 64
    with (
        RecordingUpstream(answer=ANSWER) as shop,
        GatewayProcess(tmp_path, rules(ROUTES, shop.url), workers=2) as gateway,
    ):
        seen = finish_load(*start_load(gateway.port, connections, total // connections))
        metrics = urllib.request.urlopen(gateway.admin + "/metrics", timeout=10).read().decode()
    report = cli("audit", "verify", gateway.state, "--allow-unanchored", "--json")

    verdict = json.loads(report.stdout)
    assert len(seen) == len(set(seen)) == total
    assert verdict["kinds"]["disclose"] == total
    assert 'privacy_gateway_messages_total{direction="response",recorded="true",route="profile"} 200000.0' in metrics
    assert b"planted" not in b"".join(ledger_lines(gateway.state))


@pytest.mark.parametrize("seed", range(3))
def test_p2_every_answer_received_has_its_record_after_kill_9(tmp_path, seed):
    with RecordingUpstream(answer=ANSWER) as shop:
        with GatewayProcess(tmp_path, rules(ROUTES, shop.url), workers=2) as gateway:
            running, queue = start_load(gateway.port, 32, 100_000)
            until_recorded(gateway.state, 1000)
            time.sleep(random.Random(seed).random())
            gateway.kill()
            seen = finish_load(running, queue)
        on_disk = {record["request"] for record in map(json.loads, whole_groups(gateway.state)) if "request" in record}

        assert len(seen) > 100
        assert {record.decode() for record in seen} <= on_disk

        with GatewayProcess(tmp_path, rules(ROUTES, shop.url), workers=2):
            pass
    assert cli("audit", "verify", gateway.state, "--allow-unanchored", check=False).returncode == 0


def whole_groups(state):
    """Only lines that a checkpoint after them covers count: the rest was never acknowledged."""
    for path in sorted((state / "audit").rglob("*.jsonl")):
        lines = [line for line in path.read_bytes().split(b"\n") if line]
        last = max((i for i, line in enumerate(lines) if b'"kind":"checkpoint"' in line), default=-1)
        yield from lines[: last + 1]
