"""FORMAT.md is normative: its worked bytes are what the writer writes, and what OpenSSL accepts."""

import re
import shutil
import subprocess
from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest

import gateway.audit
from gateway.audit import space
from gateway.audit.commit import GroupWriter
from gateway.audit.recovery import publish_key
from gateway.audit.tree import Tree
from gateway.audit.verify_line import KINDS
from gateway.audit.verify_report import Verdict
from gateway.crypto.sign import SigningKey

TEXT = (Path(gateway.audit.__path__[0]) / "FORMAT.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    found = re.search(rf"^```{name}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert found, name
    return found[1]


def test_the_writer_writes_the_worked_bytes(tmp_path):
    lines = block("jsonl").splitlines()
    before, after = lines[2].encode().split(b'"index":2,')
    key = SigningKey("example.org/log/w0", bytes(range(32)))
    writer = GroupWriter(
        tmp_path,
        Tree(),
        key,
        origin="example.org/log/w0",
        opened={"policy": "3b1f0c5d9a7e2468"},
        segment_bytes=1 << 20,
        segment_seconds=3600,
        clock=lambda: "2026-11-23T13:07:25.123456Z",
    )
    writer.start(())
    assert writer.append([(before, after)]) == 2
    writer.close()
    assert key.vkey + "\n" == block("vkey")
    assert (tmp_path / "sealed" / "seg-000000000000.jsonl").read_text() == block("jsonl")
    assert (tmp_path / "sealed" / "seg-000000000000.note").read_text() == block("note")


def test_the_writer_writes_the_worked_records_of_its_own_life(tmp_path, monkeypatch):
    disk = SimpleNamespace(f_frsize=4096, f_bavail=2_000_000, f_blocks=25_000_000)
    monkeypatch.setattr(space.os, "statvfs", lambda path: disk)
    wall = [1_795_439_245.123456]
    keys = [SigningKey("example.org/log/w0", bytes(range(start, start + 32))) for start in (0, 32)]
    before, after = block("rotated").splitlines()[4].encode().split(b'"index":4,')
    writer = GroupWriter(
        tmp_path,
        Tree(),
        keys[0],
        origin="example.org/log/w0",
        opened={"policy": "3b1f0c5d9a7e2468"},
        segment_bytes=1 << 20,
        segment_seconds=3600,
        clock=lambda: "2026-11-23T13:07:25.123456Z",
        wall=lambda: wall[0],
        steady=lambda: 0.0,
        space=space.Space((tmp_path,), warn_percent=10),
    )
    writer.start(())
    wall[0] -= 3600
    assert writer.append([(before, after)]) == 4
    writer.rotate(keys[1])
    writer.close()
    publish_key(tmp_path, keys[0])
    publish_key(tmp_path, keys[1])
    assert (tmp_path / "sealed" / "seg-000000000000.jsonl").read_text() == block("rotated")
    assert (tmp_path / "sealed" / "seg-000000000008.jsonl").read_text() == block("following")
    assert (tmp_path / "log.vkey").read_text() == block("vkeys")
    assert (tmp_path / "sealed" / "seg-000000000008.leaves").read_bytes() == bytes.fromhex(block("leaves"))
    lines = block("following").splitlines()
    assert block("leaves").split() == [sha256(b"\x00" + line.encode()).hexdigest() for line in lines]


def test_the_worked_leaf_hash():
    line = block("jsonl").splitlines()[2].encode()
    assert sha256(b"\x00" + line).hexdigest() == block("leaf").strip()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_alone_accepts_the_worked_note(tmp_path):
    script = block("sh")
    (tmp_path / "seg-000000000000.note").write_text(block("note"), encoding="utf-8")
    public = b64decode(block("vkey").strip().split("+", 2)[2])[1:]
    # SubjectPublicKeyInfo of RFC 8410 is this fixed prefix and the key.
    der = bytes.fromhex("302a300506032b6570032100") + public
    (tmp_path / "pub.der").write_bytes(der)
    convert = "openssl pkey -pubin -inform DER -in pub.der -out pub.pem\n"
    good = subprocess.run(["sh", "-ec", convert + script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (good.returncode, good.stdout) == (0, "Signature Verified Successfully\n")
    note = tmp_path / "seg-000000000000.note"
    note.write_text(note.read_text(encoding="utf-8").replace("\n5\n", "\n6\n"), encoding="utf-8")
    bad = subprocess.run(["sh", "-ec", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert bad.returncode != 0


def test_the_kinds_and_exit_codes_are_the_verifiers():
    sentence = re.search(r"Kinds of version 1:(.*?)A verifier", TEXT, re.DOTALL)
    assert set(re.findall(r"[a-z]+(?=[,`;])", sentence[1])) | {"checkpoint"} == KINDS
    table = dict(re.findall(r"^\| (\d+) \| ([A-Z ]+) \|", TEXT, re.MULTILINE))
    assert {int(code): words for code, words in table.items()} == {v.value: v.words for v in Verdict}
