"""The ledger of processes that are killed, or whose disk is full."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from gateway.audit import ledger as module

CHILD = """
import asyncio, resource, sys
from pathlib import Path
from gateway.audit.ledger import Ledger
from gateway.crypto.sign import SigningKey
from gateway.model.errors import StoreDown

async def main(slot, limit):
    key = SigningKey("example.org/log/w0", bytes(range(32)))
    ledger = Ledger.open(Path(slot), origin="example.org/log/w0", signer=key, opened={}, segment_bytes=100_000)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    async def caller(name):
        for n in range(10**6 if not limit else 40):
            request = f"{name}.{n}"
            after = '"kind":"collect","request":"%s","time":"2026-11-23T13:07:25.123456Z","version":1}' % request
            try:
                index = await ledger.commit(b"{", after.encode())
            except StoreDown as down:
                print("refused", down.why, flush=True)
                if limit:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            else:
                print(index, request, flush=True)
    await asyncio.gather(*(caller(name) for name in range(8)))
    await ledger.close()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def start_child(logs, limit=0):
    root = Path(module.__file__).parents[2]
    command = [sys.executable, "-c", CHILD, str(logs.slot), str(limit)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(root)})


def check_acknowledged(logs, output):
    lines = logs.lines()
    acknowledged = [line.split() for line in output if line.endswith("\n") and line[0].isdigit()]
    for index, request in acknowledged:
        assert lines[int(index)]["request"] == request
    return len(acknowledged)


def test_row_01_kill_9_loses_nothing_that_was_acknowledged(logs):
    for lines_before_the_kill in (1, 50, 400):
        child = start_child(logs)
        output = [child.stdout.readline() for _ in range(lines_before_the_kill)]
        child.send_signal(signal.SIGKILL)
        output += child.stdout.readlines()
        child.wait()
        logs.start().close()
        assert check_acknowledged(logs, output) >= lines_before_the_kill
        assert logs.verdict() == "VERIFIED"


def test_row_04_a_full_disk_refuses_and_the_log_goes_on_when_there_is_room(logs):
    child = start_child(logs, limit=20_000)
    output = child.stdout.readlines()
    assert child.wait() == 0
    assert any(line.startswith("refused") for line in output)
    assert check_acknowledged(logs, output) > 100
    assert logs.verdict() == "VERIFIED"
