from pathlib import Path

import msgspec
import pytest
from certificates import write_certificate

from gateway.audit.anchors import FileAnchor, S3Anchor, StampAnchor, StdoutAnchor, WitnessAnchor
from gateway.model.errors import Severity
from gateway.runtime import settings_anchors
from gateway.runtime.settings import Settings
from gateway.runtime.settings_file import read_settings

MINIMUM = """\
version: 1
listeners: [{address: "127.0.0.1:8080"}]
rules: rules
state: state
"""
VKEY = "witness.example/w1+eb762cc2+BNdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"


@pytest.fixture(autouse=True)
def two_devices(monkeypatch):
    """The state lies on one device, everything else on another."""
    monkeypatch.setattr(settings_anchors, "_device", lambda path: path.name == "state")


def read(anchors: str, base: Path):
    return read_settings("gateway.yaml", MINIMUM + anchors, base)


def test_every_kind_of_anchor(tmp_path):
    write_certificate(tmp_path, "tsa")
    settings, diagnostics = read(
        f"""\
heads_seconds: 10
anchors:
  - stdout: true
  - file: heads.jsonl
  - s3: {{bucket: our-heads, prefix: shop/, endpoint: "https://s3.example:9", region: eu-central-1, retain_days: 400}}
  - s3: {{bucket: our-heads, prefix: other/, retain_days: 1}}
  - witness: {{url: "https://witness.example/x", vkey: {VKEY}}}
  - rfc3161: {{url: "http://tsa.example/", ca: tsa.pem, every_seconds: 60}}
  - rfc3161: {{url: "http://other.example/"}}
""",
        tmp_path,
    )
    assert diagnostics == []
    assert settings.heads_seconds == 10
    assert settings.anchors == (
        StdoutAnchor(),
        FileAnchor(str(tmp_path / "heads.jsonl")),
        S3Anchor("our-heads", "shop/", 400, "https://s3.example:9", "eu-central-1"),
        S3Anchor("our-heads", "other/", 1),
        WitnessAnchor("https://witness.example/x", VKEY),
        StampAnchor("http://tsa.example/", str(tmp_path / "tsa.pem"), 60),
        StampAnchor("http://other.example/"),
    )
    assert msgspec.json.decode(msgspec.json.encode(settings), type=Settings) == settings


def test_without_any_there_is_a_head_each_minute(tmp_path):
    settings, _ = read("", tmp_path)
    assert (settings.anchors, settings.heads_seconds) == ((), 60)


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("heads_seconds: 0", "PG914", 5, 16),
        ("heads_seconds: 3601", "PG914", 5, 16),
        ("heads_seconds: often", "PG914", 5, 16),
        ("anchors: stdout", "PG912", 5, 10),
        ("anchors: [stdout]", "PG912", 5, 11),
        ("anchors: [{}]", "PG930", 5, 11),
        ("anchors: [{stdout: true, file: heads}]", "PG930", 5, 11),
        ("anchors: [{stderr: true}]", "PG910", 5, 12),
        ("anchors: [{stdout: yes}]", "PG913", 5, 20),
        ("anchors: [{stdout: true}, {stdout: true}]", "PG931", 5, 27),
        ("anchors: [{file: heads}, {file: ./heads}]", "PG931", 5, 26),
        ("anchors: [{file: }]", "PG914", 5, 18),
        ("anchors: [{file: nowhere/heads}]", "PG915", 5, 18),
        ("anchors: [{s3: {bucket: heads, prefix: a/}}]", "PG911", 5, 16),
        ("anchors: [{s3: {bucket: Heads, prefix: a/, retain_days: 9}}]", "PG914", 5, 25),
        ("anchors: [{s3: {bucket: heads, prefix: a, retain_days: 9}}]", "PG914", 5, 40),
        ("anchors: [{s3: {bucket: heads, prefix: a/, retain_days: 0}}]", "PG914", 5, 57),
        ("anchors: [{s3: {bucket: heads, prefix: a/, retain_days: 9, region: EU}}]", "PG914", 5, 68),
        ("anchors: [{s3: {bucket: heads, prefix: a/, retain_days: 9, endpoint: s3.example}}]", "PG914", 5, 70),
        ("anchors: [{s3: {bucket: heads, prefix: a/, retain_days: 9, key_id: x}}]", "PG910", 5, 60),
        ("anchors: [{witness: {url: 'https://w.example'}}]", "PG911", 5, 21),
        ("anchors: [{witness: {url: 'https://w.example', vkey: abc}}]", "PG914", 5, 54),
        (f"anchors: [{{witness: {{url: 'ftp://w.example', vkey: {VKEY}}}}}]", "PG914", 5, 27),
        (f"anchors: [{{witness: {{url: 'https://me:secret@w.example', vkey: {VKEY}}}}}]", "PG914", 5, 27),
        (f"anchors: [{{witness: {{url: 'https://w.example:99999', vkey: {VKEY}}}}}]", "PG914", 5, 27),
        ("anchors: [{rfc3161: {}}]", "PG911", 5, 21),
        ("anchors: [{rfc3161: {url: 'http://t.example', ca: nowhere.pem}}]", "PG915", 5, 51),
        ("anchors: [{rfc3161: {url: 'http://t.example', every_seconds: 0}}]", "PG914", 5, 62),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path, text, code, line, column):
    settings, diagnostics = read(text + "\n", tmp_path)
    assert settings is None
    assert [(found.code, found.line, found.column) for found in diagnostics] == [(code, line, column)]
    assert "secret" not in diagnostics[0].message + diagnostics[0].hint


def test_a_file_on_the_device_of_the_ledger_is_warned_of(tmp_path, monkeypatch):
    monkeypatch.undo()
    settings, diagnostics = read("anchors: [{file: heads.jsonl}]\n", tmp_path)
    assert [(found.code, found.severity) for found in diagnostics] == [("PG932", Severity.WARNING)]
    assert settings.anchors == (FileAnchor(str(tmp_path / "heads.jsonl")),)
