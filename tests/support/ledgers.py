"""Ledgers for tests: opened, waited for, refused."""

import asyncio
import json
from base64 import b64decode
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.audit.ledger import Ledger
from gateway.audit.slot import open_slot
from gateway.audit.terms import Terms
from gateway.audit.verify_note import VerifierKey
from gateway.model.errors import StoreDown
from gateway.model.words import Posture

ORIGIN = "example.org/log/w0"


def open_ledger(logs, **options) -> Ledger:
    return Ledger.open(logs.slot, origin=ORIGIN, signer=logs.key, opened={"program": "test"}, **options)


async def refused(future) -> str:
    with pytest.raises(StoreDown) as caught:
        await future
    assert caught.value.posture is Posture.AUDIT_UNAVAILABLE
    return caught.value.why


async def until_healthy(ledger) -> None:
    while not ledger.healthy():  # noqa: ASYNC110 - the ledger offers a state to look at, no event
        await asyncio.sleep(0.01)


def open_writer(logs, terms: Terms | None = None, *, segment_bytes: int = 1 << 20, next_signer=None):
    """The lock and the writer of a slot, as the ledger and commands open it."""
    return open_slot(
        logs.slot,
        origin=ORIGIN,
        signer=logs.key,
        next_signer=next_signer,
        opened={"program": "test"},
        segment_bytes=segment_bytes,
        segment_seconds=3600,
        terms=terms or Terms(),
    )


def raw_lines(*directories: Path) -> list[bytes]:
    """The lines of a log that lies in these directories; what two files hold must be equal."""
    found: dict[int, bytes] = {}
    for directory in directories:
        for path in (*directory.glob("seg-*.jsonl"), *directory.glob("sealed/seg-*.jsonl")):
            for raw in path.read_bytes().rstrip(b"\0").split(b"\n")[:-1]:
                assert found.setdefault(json.loads(raw)["index"], raw) == raw
    assert sorted(found) == list(range(len(found)))
    return [found[index] for index in sorted(found)]


def requests_in(*directories: Path) -> list[str]:
    """The requests that the records of a log name, in order."""
    return [request for raw in raw_lines(*directories) if (request := json.loads(raw).get("request"))]


def signers(*directories: Path, first: str) -> list[str]:
    """The keys that signed the checkpoints of a log, one after the other, each checkpoint checked.

    By RFC 6962's own definition of the root, and by `rotate` records alone: `first` is the key to begin with.
    """
    leaves: list[bytes] = []
    vkey = following = first
    found = []
    for raw in raw_lines(*directories):
        line = json.loads(raw)
        if line["kind"] == "open":
            assert line["vkey"] == vkey
        if line["kind"] == "rotate":
            following = line["vkey"]
        if line["kind"] == "checkpoint":
            assert b64decode(line["root"]) == root_of(leaves)
            body = f"{ORIGIN}\n{line['size']}\n{line['root']}\n".encode()
            assert VerifierKey(vkey).accepts(body, b64decode(line["signature"]))
            found.append(vkey)
            vkey = following
        leaves.append(sha256(b"\0" + raw).digest())
    return found


def root_of(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + root_of(leaves[:split]) + root_of(leaves[split:])).digest()
