"""Gateways with anchors: real processes with a short heartbeat, and anchor logs made by the real writer."""

import json
import shutil
import time
import urllib.request
from pathlib import Path

from processes import GatewayProcess, cli
from rulebook import SIGN_UP_RULES

from gateway.audit.anchor_log import AnchorLog
from gateway.audit.anchors import Statement
from gateway.audit.commit import GroupWriter
from gateway.audit.heads import all_heads, heads_entries
from gateway.audit.lines import timestamp
from gateway.audit.recovery import finish, publish_key, recover
from gateway.crypto.sign import SigningKey
from gateway.stores.keyfile import load_signing_key


class AnchoredGateway(GatewayProcess):
    """`serve -c` with these `anchors` (as YAML, one line each) and a heartbeat of one second."""

    def __init__(self, directory: Path, *anchors: str, workers: int = 1) -> None:
        super().__init__(directory, SIGN_UP_RULES)
        self.file = directory / "gateway.yaml"
        self.file.write_text(
            "version: 1\nlisteners: [{address: 127.0.0.1:0}]\nadmin: 127.0.0.1:0\nrules: rules\nstate: state\n"
            f"workers: {workers}\nheads_seconds: 1\nlimits: {{drain_timeout: 0.2}}\nanchors:\n"
            + "".join(f"  - {anchor}\n" for anchor in anchors or ("stdout: true",))
        )
        self._arguments = ["serve", "--json", "-c", self.file]

    @property
    def audit(self) -> Path:
        return self.state / "audit"

    def run(self, heads: int = 2) -> None:
        """From start to clean end, with at least so many records of heads in between."""
        with self:
            self.until_heads(heads)

    def until_heads(self, count: int) -> None:
        have = len(heads_in(self.audit / "anchor"))
        until(lambda: len(heads_in(self.audit / "anchor")) >= have + count)

    def refused(self) -> str:
        """The gateway does not start; what it says instead."""
        result = cli("serve", "-c", self.file, check=False)
        assert result.returncode == 1, result.stdout + result.stderr
        assert "Traceback" not in result.stderr
        return result.stderr

    def metric(self, name: str) -> dict[str, float]:
        """The samples of one metric by their labels' text."""
        found = {}
        for line in self.read("/metrics").splitlines():
            key, _, value = line.rpartition(" ")
            if key.partition("{")[0] == f"privacy_gateway_{name}":
                found[key.partition("{")[2].rstrip("}")] = float(value)
        return found

    def ready(self) -> dict:
        return json.loads(self.read("/readyz"))

    def read(self, path: str) -> str:
        with urllib.request.urlopen(self.admin + path, timeout=30) as answer:
            return answer.read().decode()

    def events(self) -> list[dict]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def copy(self, name: str) -> Path:
        """A copy of the audit directory as it is now."""
        return Path(shutil.copytree(self.audit, self.state.parent / name))

    def restore(self, copy: Path, *slots: str) -> None:
        """Put slots of an older copy back, or the whole directory."""
        for slot in slots or ("",):
            shutil.rmtree(self.audit / slot)
            shutil.copytree(copy / slot, self.audit / slot)


def until(condition, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def lines_in(slot: Path) -> list[dict]:
    """Every whole line of a log in order."""
    found = {}
    for path in [*slot.glob("seg-*.jsonl"), *slot.glob("sealed/seg-*.jsonl")]:
        for raw in path.read_bytes().rstrip(b"\0").split(b"\n")[:-1]:
            line = json.loads(raw)
            found[line["index"]] = line
    return [found[index] for index in sorted(found)]


def heads_in(slot: Path) -> list[list[dict]]:
    """The heads of each `heads` record of an anchor log."""
    return [line["heads"] for line in lines_in(slot) if line["kind"] == "heads"]


class Log:
    """One slot's log below a state directory, written by the real writer without its thread."""

    def __init__(self, state: Path, slot: str) -> None:
        self.slot = state / "audit" / slot
        self.key: SigningKey = load_signing_key(state, slot, name=f"example.org/log/{slot}")
        self.writer: GroupWriter | None = None
        self.reader = AnchorLog(self.slot, self.key, proving=True)

    def open(self, *, segment_bytes: int = 1 << 20) -> GroupWriter:
        self.slot.mkdir(parents=True, exist_ok=True)
        recovered = recover((self.slot,), self.key.name, (self.key,))
        self.writer = GroupWriter(
            self.slot,
            recovered.tree,
            self.key,
            origin=self.key.name,
            opened={"program": "test"},
            segment_bytes=segment_bytes,
            segment_seconds=3600,
        )
        self.writer.start(recovered.cuts)
        publish_key(self.slot, self.key)
        finish((self.slot,), self.key.name, recovered)
        return self.writer

    def write(self, groups: int = 1) -> None:
        writer = self.writer or self.open()
        for _ in range(groups):
            writer.append([(b"{", b'"kind":"count","time":"2026-11-23T13:07:25.123456Z","version":1}')])
            writer.seal_finished()

    def heads(self) -> Statement:
        """Write the heads of the other logs here, and state it."""
        writer = self.writer or self.open()
        heads = all_heads(self.slot.parent)
        writer.append(heads_entries(heads, timestamp()))
        return self.reader.statement(tuple(heads))

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
            self.writer = None
