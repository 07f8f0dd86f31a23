"""Input made to break a verifier: it must end, in bounded memory, with a verdict that is not 0."""

import contextlib
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from written import Written, prune_record

from gateway.audit import verify_group
from gateway.audit.proof_make import prove
from gateway.audit.proof_source import Source, Unprovable
from gateway.audit.tiles import publish
from gateway.audit.verify import verify_directory
from gateway.audit.verify_note import Malformed
from gateway.audit.verify_pins import Pins, read_receipt, read_since

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """One of everything: a pruned segment, one with leaf hashes, an open one, heads, and an operator's log."""
    home = tmp_path_factory.mktemp("state")
    log = Written(home / "audit" / "w0")
    bodies = log.three_segments()
    log.open().checkpoint().group(1).leave_open()
    anchor = Written(home / "audit" / "anchor", seed=5)
    anchor.open().checkpoint().add("heads", heads=[]).checkpoint().seal()
    operator = Written(home / "audit" / "operator", seed=6)
    operator.open().add("prune", **prune_record(bodies[0], log.origin)).checkpoint().seal()
    bodies[0].unlink()
    assert verify_directory(home, allow_unanchored=True).exit_code == 0
    return home


def files(state):
    return sorted(path for path in state.rglob("*") if path.is_file() and path.stat().st_size)


def mutated(data: bytes, choice: int, chance: random.Random, junk: bytes) -> bytes:
    at, to = sorted((chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)))
    lines = data.splitlines(keepends=True)
    chance.shuffle(lines)
    return [
        junk,
        data[:at],
        data[at:],
        data[:at] + junk + data[at:],
        data[:at] + junk + data[to:],
        data[:at] + data[to:],
        data + data[at:to],
        b"".join(lines),
    ][choice]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 100),
    st.integers(0, 7),
    st.randoms(use_true_random=False),
    st.one_of(
        st.binary(min_size=1, max_size=200), st.sampled_from([b"\n", b"{}\n", b"[" * 5000, b"\0" * 70_000, b'"'])
    ),
)
def test_row_28_files_of_any_content(state, which, choice, chance, junk):
    path = files(state)[which % len(files(state))]
    data = path.read_bytes()
    changed = mutated(data, choice, chance, junk)
    path.write_bytes(changed)
    try:
        report = verify_directory(state, allow_unanchored=True)
        padded = changed.rstrip(b"\0") == data and path.parent.name == "w0"  # room put ahead of an open segment
        cut_off = path.parent.name == "w0" and path.suffix == ".jsonl" and data.startswith(changed)
        assert (report.exit_code == 0) <= (changed == data or padded or cut_off), path.name
        for slot in ("w0", "anchor"):
            try:
                prove(Source(state / "audit" / slot), 1)
            except Unprovable:
                continue
    finally:
        path.write_bytes(data)


@settings(deadline=None, max_examples=300)
@given(
    st.one_of(
        st.text(max_size=200), st.text(max_size=200).map(lambda text: "{" + text), st.from_regex(r'\{"heads":.*\n')
    )
)
def test_row_28_memory_of_any_content(text):
    for read in (lambda: read_since(text, Pins()), lambda: read_receipt(text)):
        with contextlib.suppress(Malformed):
            read()


def test_row_28_a_group_without_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(verify_group, "LARGEST_GROUP", 100_000)
    log = Written(tmp_path / "audit" / "w0")
    log.open()
    for _ in range(2000):
        log.add("count")
    log.leave_open()
    [finding] = verify_directory(log.slot).logs[0].findings
    assert finding.why == "no checkpoint for too long"


LIMITED = """
import resource, sys
from pathlib import Path
from gateway.audit.verify import verify_directory
resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
print(verify_directory(Path(sys.argv[1])).exit_code)
"""


@pytest.mark.parametrize("content", ["one line", "zeros in a sealed file", "zeros in an open file", "leaf hashes"])
def test_row_28_files_larger_than_the_memory(tmp_path, content):
    log = Written(tmp_path / "audit" / "w0")
    bodies = log.three_segments()
    if content == "leaf hashes":
        bodies[0].unlink()
    path = {
        "one line": bodies[2],
        "zeros in a sealed file": bodies[2],
        "zeros in an open file": log.open().checkpoint().leave_open(),
        "leaf hashes": bodies[0].with_suffix(".leaves"),
    }[content]
    with path.open("ab") as file:
        file.write(b'{"a":"' if content == "one line" else b"")
        file.truncate(1 << 30)
        if content == "zeros in an open file":
            file.seek(0, 2)
            file.write(b"x")
    command = [sys.executable, "-c", LIMITED, str(log.slot)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, cwd=ROOT)
    assert done.stdout.strip() == "10", done.stderr[-500:]


def test_memory_does_not_grow_with_the_log(tmp_path):
    """The peak of a process that reads 24 MB differs little from that of one that reads 1 MB."""
    peaks = []
    for name, groups in (("small", 2), ("large", 48)):
        log = Written(tmp_path / name / "audit" / "w0")
        log.open().checkpoint()
        for _ in range(groups):
            log.group(64, padding="x" * 8000)
        log.seal()
        command = [sys.executable, "-c", PEAK, str(log.slot)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True, cwd=ROOT)
        code, peak = done.stdout.split()
        assert code == "15"
        peaks.append(int(peak))
    assert peaks[1] - peaks[0] < 4096  # KiB


PEAK = """
import re, sys
from pathlib import Path
from gateway.audit.verify import verify_directory
code = verify_directory(Path(sys.argv[1])).exit_code
print(code, re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.parametrize("name", ["log.vkey", "sealed", "torn"])
def test_files_and_directories_in_each_others_place(tmp_path, name):
    log = Written(tmp_path / "audit" / "w0")
    log.open().checkpoint().leave_open()
    path = log.slot / name
    if path.is_dir():
        path.rmdir()
        path.write_bytes(b"x")
    else:
        path.unlink(missing_ok=True)
        path.mkdir()
    assert verify_directory(log.slot, allow_unanchored=True).exit_code in (0, 20)
    if name == "log.vkey":
        assert verify_directory(log.slot, allow_unanchored=True).exit_code == 20


def test_nothing_of_a_changed_log_is_published(state, tmp_path):
    with pytest.raises(Unprovable):
        publish(Source(state / "audit" / "w0"), state)
