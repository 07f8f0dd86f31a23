"""`privacy-gateway audit verify, prove, check-proof` and `publish` from the outside."""

import json
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest
from click.testing import CliRunner
from written import Written

from gateway.audit.lines import Checkpoint, checkpoint_line
from gateway.audit.tree import leaf_hash
from gateway.cli.audit import command

ROOT = Path(__file__).parents[2]


@pytest.fixture
def log(tmp_path):
    log = Written(tmp_path / "state" / "audit" / "w0")
    log.open().checkpoint().group(2, request="r-1").group(1, request="r-2").seal()
    log.open().checkpoint().add("close", records=3).checkpoint().seal()
    return log


@pytest.fixture
def state(log):
    return log.slot.parents[1]


def run(*arguments, exit_code=0):
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, (result.output, result.exception)
    return result.output


def receipt(log, index, leaf=None):
    return f"{log.origin}:{index}:{b64encode(leaf or leaf_hash(log.all_lines()[index])).decode()}"


@pytest.mark.parametrize("jobs", [1, 3])
def test_verify_with_several_processes(log, state, tmp_path, jobs):
    heads = tmp_path / "heads"
    run("verify", state, "--save-heads", heads, "--jobs", jobs, exit_code=15)
    assert "VERIFIED" in run("verify", state, "--since", heads, "--jobs", jobs)
    report = json.loads(run("verify", state, "--since", heads, "--json"))
    assert (report["words"], report["logs"][0]["pins"]) == ("VERIFIED", 1)
    run("verify", state, "--jobs", 0, exit_code=2)


def test_every_signature_is_checked_when_asked_for(log, state):
    log.open()
    bad = Checkpoint(log.tree.size, log.tree.root(), log.key.sign(b"something else\n"))
    log._line(checkpoint_line(bad)).group(1).leave_open()
    assert "VERIFIED" in run("verify", state, "--allow-unanchored")
    assert "signature is not good" in run("verify", state, "--allow-unanchored", "--every-signature", exit_code=10)


def test_since_takes_what_was_handed_out(log, state, tmp_path):
    kept = tmp_path / "kept"
    kept.write_text("\n".join(receipt(log, index) for index in (2, 3)))
    assert "2 heads and receipts" in run("verify", state, "--since", kept)
    kept.write_text(receipt(log, 3, bytes(32)))
    assert "FORK" in run("verify", state, "--since", kept, exit_code=12)
    kept.write_text(receipt(log, 2).replace(":2:", ":200:"))
    assert "ROLLED BACK" in run("verify", state, "--since", kept, exit_code=11)
    run("prove", "--state", state, "--index", 2, "--output", kept)
    run("verify", state, "--since", kept)
    for text in ("", "nonsense\n"):
        kept.write_text(text)
        run("verify", state, "--since", kept, exit_code=20)


def test_prove_and_check(log, state, tmp_path):
    file, keys = tmp_path / "a.tlog-proof", log.slot / "log.vkey"
    assert "leaf 3 of w0" in run("prove", "--state", state, "--index", 3, "--output", file)
    shown = run("check-proof", file, "--trust", keys)
    assert "stands at index 3 of the log example.org/log/w0" in shown
    assert "r-1" in shown
    report = json.loads(run("check-proof", file, "--vkey", log.key.vkey, "--json"))
    assert (report["exit_code"], report["index"], report["record"]["request"]) == (0, 3, "r-1")
    run("check-proof", file, "--vkey", log.key.vkey, "--receipt", receipt(log, 3))
    run("check-proof", file, "--vkey", log.key.vkey, "--receipt", receipt(log, 2), exit_code=10)
    run("check-proof", file, "--vkey", Written(tmp_path / "x" / "w0", seed=3).key.vkey, exit_code=10)
    record = tmp_path / "record"
    record.write_bytes(log.all_lines()[3] + b"\n")
    run("check-proof", file, "--vkey", log.key.vkey, "--record", record)
    record.write_bytes(log.all_lines()[2] + b"\n")
    run("check-proof", file, "--vkey", log.key.vkey, "--record", record, exit_code=10)
    for arguments in ((), ("--vkey", "x"), ("--trust", file), ("--trust", keys, "--receipt", "x")):
        run("check-proof", file, *arguments, exit_code=20)
    record.write_text("x")
    run("check-proof", record, "--trust", keys, exit_code=20)


def test_prove_by_receipt_and_by_request(log, state, tmp_path):
    text = run("prove", "--state", state, "--receipt", receipt(log, 3))
    assert text.startswith("c2sp.org/tlog-proof@v1\nextra ")
    assert "\nindex 3\n" in text
    run("prove", "--state", state, "--receipt", receipt(log, 3, bytes(32)), exit_code=12)
    run("prove", "--state", state, "--receipt", receipt(log, 3).replace(":3:", ":300:"), exit_code=11)
    run("prove", "--state", state, "--receipt", receipt(log, 3).replace("w0", "w7"), exit_code=13)
    run("prove", "--state", state, "--receipt", "x", exit_code=20)
    assert "--output DIRECTORY" in run("prove", "--state", state, "--request", "r-1", exit_code=20)
    run("prove", "--state", state, "--request", "r-1", "--output", tmp_path / "proofs")
    names = sorted(path.name for path in (tmp_path / "proofs").iterdir())
    assert names == ["w0-2.tlog-proof", "w0-3.tlog-proof"]
    run("prove", "--state", state, "--request", "r-2", "--output", tmp_path / "one.tlog-proof")
    run("prove", "--state", state, "--request", "r-9", exit_code=20)
    run("prove", "--state", state, exit_code=2)
    run("prove", "--state", state, "--index", 1, "--request", "r-1", exit_code=2)


def test_prove_says_what_it_cannot(log, state):
    assert "so none covers" in run("prove", "--state", state, "--index", 500, exit_code=20)
    assert "no checkpoint of size 3" in run("prove", "--state", state, "--index", 1, "--size", 3, exit_code=20)
    assert "\n4\n" in run("prove", "--state", state, "--index", 1, "--size", 4)
    run("prove", "--state", state, "--slot", "w9", "--index", 1, exit_code=20)
    Written(log.slot.parent / "w1").open().checkpoint().leave_open()
    assert "w0, w1" in run("prove", "--state", state, "--index", 1, exit_code=20)
    run("prove", "--state", state, "--slot", "w1", "--index", 0)


def test_publish(log, state, tmp_path):
    out = tmp_path / "site"
    assert "10 leaves, 10 new" in run("publish", "--state", state, "--output", out)
    assert json.loads(run("publish", "--state", state, "--output", out, "--json"))["added"] == 0
    run("publish", "--state", state, "--output", log.slot, exit_code=20)
    body = min((log.slot / "sealed").glob("*.jsonl"))
    body.write_bytes(body.read_bytes().replace(b"r-1", b"r-3", 1))
    run("publish", "--state", state, "--output", tmp_path / "other", exit_code=20)


def test_an_empty_state_can_do_nothing(tmp_path):
    for arguments in (("prove", "--index", 0), ("publish", "--output", tmp_path / "x")):
        run(arguments[0], "--state", tmp_path, *arguments[1:], exit_code=20)


def test_the_program_reads_with_processes_of_its_own(log, state, monkeypatch):
    script = (
        "from gateway.audit import verify_pool; verify_pool.WORTH_BYTES = 0\n"
        "if __name__ == '__main__':\n"
        "    import sys; from gateway.cli.main import main\n"
        "    sys.argv[1:] = ['audit', 'verify', sys.argv[1], '--jobs', '2', '--allow-unanchored']; main()\n"
    )
    path = state / "program.py"
    path.write_text(script)
    command = [sys.executable, str(path), str(state)]
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "VERIFIED" in done.stdout
