"""`privacy-gateway subject` and `audit prune` from the outside."""

import json
import shutil

import pytest
from people import handle_of

from gateway.audit.commit import GroupWriter
from gateway.audit.operator_log import operator_records
from gateway.audit.recovery import publish_key
from gateway.audit.tree import Tree
from gateway.cli.main import main
from gateway.crypto.sign import SigningKey
from gateway.model.words import Kind
from gateway.stores.keyfile import create_keys, load_keyring
from gateway.stores.sessions import SESSIONS, Link, SqliteSessionStore
from gateway.stores.subjects import SUBJECTS, SqliteSubjectStore

ANN = "ann@shop.example"


@pytest.fixture
def state(tmp_path):
    create_keys(tmp_path / "state")
    return tmp_path / "state"


@pytest.fixture
def run(state, capsys):
    def run(*arguments, status=0):
        with pytest.raises(SystemExit) as left:
            main([*arguments, "--state", str(state)])
        printed = capsys.readouterr()
        assert left.value.code == status, printed
        return printed

    return run


@pytest.fixture
def logged(state):
    """Two records about Ann and one about somebody else."""
    home = state / "audit" / "w0"
    home.mkdir(parents=True)
    key = SigningKey("example.org/log/w0", bytes(range(32)))
    writer = GroupWriter(home, Tree(), key, origin=key.name, opened={}, segment_bytes=1 << 20, segment_seconds=3600)
    writer.start(())
    for who in (ANN, "bob@shop.example", ANN):
        tail = b'"kind":"collect","subject":"%b","time":"2026-11-23T13:00:00.000000Z","version":1}'
        writer.append([(b"{", tail % handle_of(state, who).encode())])
    writer.close()
    publish_key(home, key)
    return state


def test_show_tells_what_is_kept_and_keeps_nothing(run, logged):
    printed = run("subject", "show", "--subject", "Ann@shop.example")
    assert handle_of(logged, ANN) in printed.out
    assert "records    2" in printed.out
    found = json.loads(run("subject", "show", "--subject", ANN, "--json").out)
    assert (found["known"], found["handle"], found["records"]) == (True, handle_of(logged, ANN), 2)
    assert found["since"].endswith("Z")
    assert found["sessions"] == 0


def test_show_counts_the_sessions_that_lead_to_the_person(run, state):
    handle_of(state, ANN)
    subjects, sessions = SqliteSubjectStore(state / SUBJECTS, load_keyring(state)), SqliteSessionStore(state / SESSIONS)
    ann = subjects.find(ANN)
    for number in range(2):
        sessions.sign_in(Link(bytes([number]) * 16, ann.digest, ann.handle, 2**40), 0)
    subjects.close()
    sessions.close()
    assert json.loads(run("subject", "show", "--subject", ANN, "--json").out)["sessions"] == 2
    assert "sessions   2" in run("subject", "show", "--subject", ANN).out

    assert run("subject", "show", "--subject", "carl").out == "nothing is kept of this person\n"
    assert json.loads(run("subject", "show", "--subject", "carl", "--json").out)["known"] is False


def test_looking_for_somebody_makes_no_store(run, state):
    assert "nothing is kept" in run("subject", "show", "--subject", ANN).out
    assert run("consent", "show", "--subject", ANN).out == "nothing is recorded\n"
    assert not (state / "subjects.sqlite").exists()


def test_after_an_erasure_nothing_joins_the_records_with_the_person(run, logged, tmp_path):
    handle = handle_of(logged, ANN)
    shutil.copy2(logged / "subjects.sqlite", tmp_path / "backup")
    printed = run("subject", "erase", "--subject", ANN, "--by", "dpo")
    assert handle in printed.out
    assert "Delete every backup of subjects.sqlite" in printed.err
    ((_, record),) = operator_records(logged / "audit", Kind.ERASE)
    assert record["by"] == "dpo"

    assert "nothing to erase" in run("subject", "erase", "--subject", ANN, status=2).out
    assert json.loads(run("subject", "show", "--subject", ANN, "--json").out)["known"] is False
    assert "no record matches" in run("audit", "search", "--subject", ANN).out
    assert json.loads(run("audit", "search", "--subject", "bob@shop.example", "--json").out)
    assert len(json.loads(run("audit", "search", "--subject", handle, "--json").out)) == 2

    shutil.copy2(tmp_path / "backup", logged / "subjects.sqlite")
    assert "an older copy was restored" in run("subject", "show", "--subject", ANN, status=1).err
    assert "an older copy was restored" in run("audit", "search", "--subject", ANN, status=1).err
    assert "1 key(s)" in run("subject", "erase", "--again").out
    assert "nothing to erase again" in run("subject", "erase", "--again").out
    assert json.loads(run("subject", "show", "--subject", ANN, "--json").out)["known"] is False


def test_an_erasure_for_programs(run, logged):
    handle = handle_of(logged, ANN)
    told = json.loads(run("subject", "erase", "--subject", ANN, "--json").out)
    ((_, record),) = operator_records(logged / "audit", Kind.ERASE)
    assert told == {"erased": True, "handle": handle, "key": record["key"]}
    told = json.loads(run("subject", "erase", "--subject", ANN, "--json", status=2).out)
    assert told == {"erased": False, "handle": None, "key": None}
    assert json.loads(run("subject", "erase", "--again", "--json").out) == {"erased": False, "keys": []}


def test_a_consent_is_asked_for_anew_after_an_erasure(run, state):
    run("consent", "grant", "--subject", ANN, "--purpose", "ads")
    run("subject", "erase", "--subject", ANN)
    assert run("consent", "show", "--subject", ANN).out == "nothing is recorded\n"
    assert json.loads(run("consent", "show", "--subject", ANN, "--json").out)["history"] == []


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--subject", " "], "names nobody"),
        (["--subject", "s1." + "A" * 22], "give the identifier"),
        ([], "give --subject, or --again"),
        (["--subject", "ann", "--again"], "give --subject, or --again"),
        (["--subject", "ann", "--by", "x" * 201], "1 to 200 printable"),
        (["--subject", "ann", "--by", "a\nb"], "1 to 200 printable"),
    ],
)
def test_wrong_usage_erases_nothing(run, state, arguments, word):
    assert word in run("subject", "erase", *arguments, status=1).err.replace("\n", " ")
    assert not (state / "audit").exists()


def test_the_operators_log_is_named_like_the_others_and_busy_is_said(run, logged, monkeypatch):
    from gateway.audit import operator_log, slot
    from gateway.stores.keyfile import load_signing_key

    load_signing_key(logged, "w0", name="example.org/log/w0")
    monkeypatch.setattr(operator_log, "PATIENCE", 0.0)
    monkeypatch.setattr(slot, "LOCK_PATIENCE", 0.0)
    home = logged / "audit" / "operator"
    home.mkdir()
    lock = slot.claim(home)
    assert "another command is writing" in run("subject", "erase", "--subject", ANN, status=1).err
    slot.os.close(lock)
    assert "no key is kept" in run("subject", "erase", "--subject", ANN, status=2).out
    assert (home / "log.vkey").read_text().startswith("example.org/log/operator+")
    assert handle_of(logged, ANN) != load_keyring(logged).subject_handle(ANN)
