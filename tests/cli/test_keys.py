import json
import os

import pytest

from gateway.audit import slot as slot_module
from gateway.audit.slot import claim
from gateway.cli.main import main
from gateway.model.limits import DEFAULT_LIMITS
from gateway.runtime.services import Services
from gateway.stores.keyfile import create_keys, load_keyring, load_signing_key


def run(*arguments):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    return left.value.code


def test_init_makes_a_key_that_loads(tmp_path, capsys):
    state = tmp_path / "state"
    assert run("keys", "init", "--state", str(state)) == 0
    kid = load_keyring(state).kid

    assert capsys.readouterr().out == f"root key {kid} written to {state}/keys/root.key; back it up now\n"


def test_init_tells_programs_the_kid(tmp_path, capsys):
    assert run("keys", "init", "--state", str(tmp_path), "--json") == 0

    assert json.loads(capsys.readouterr().out) == {
        "kid": load_keyring(tmp_path).kid,
        "path": f"{tmp_path}/keys/root.key",
    }


@pytest.mark.parametrize("as_json", [False, True])
def test_a_second_init_changes_nothing(tmp_path, capsys, as_json):
    run("keys", "init", "--state", str(tmp_path))
    before = (tmp_path / "keys/root.key").read_bytes()
    capsys.readouterr()

    assert run("keys", "init", "--state", str(tmp_path), *["--json"] * as_json) == 1
    printed = capsys.readouterr()
    assert "never overwritten" in (json.loads(printed.out)["error"] if as_json else printed.err)
    assert (tmp_path / "keys/root.key").read_bytes() == before


def test_a_place_that_cannot_hold_keys_is_one_line(tmp_path, capsys):
    (tmp_path / "keys").write_text("a file")

    assert run("keys", "init", "--state", str(tmp_path)) == 1
    assert capsys.readouterr().err == f"error: {tmp_path}/keys: File exists\n"


async def log_of(state):
    """A gateway's state directory with a log of one run."""
    create_keys(state)
    services = Services.open(state, "w0", origin="test/w0", limits=DEFAULT_LIMITS, log=None)
    await services.close()


async def test_rotate_replaces_the_key_and_the_gateway_goes_on_with_it(tmp_path, capsys):
    await log_of(tmp_path)
    old = load_signing_key(tmp_path, "w0")

    assert run("keys", "rotate", "--slot", "w0", "--state", str(tmp_path), "--json") == 0
    new = load_signing_key(tmp_path, "w0")
    assert json.loads(capsys.readouterr().out)["vkey"] == new.vkey != old.vkey
    assert (tmp_path / "audit/w0/log.vkey").read_text() == f"{old.vkey}\n{new.vkey}\n"
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == ["root.key", "w0.log.key"]
    services = Services.open(tmp_path, "w0", origin="test/w0", limits=DEFAULT_LIMITS, log=None)
    assert services.ledger.vkey == new.vkey
    await services.close()


async def test_rotate_says_when_the_gateway_runs_and_changes_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(slot_module, "LOCK_PATIENCE", 0.05)
    await log_of(tmp_path)
    before = load_signing_key(tmp_path, "w0").vkey
    lock = claim(tmp_path / "audit/w0")

    assert run("keys", "rotate", "--slot", "w0", "--state", str(tmp_path)) == 1
    assert "stop or drain the gateway" in capsys.readouterr().err
    assert load_signing_key(tmp_path, "w0").vkey == before
    assert not (tmp_path / "keys/w0.log.key.next").exists()
    os.close(lock)


@pytest.mark.parametrize(("slot", "said"), [("w7", "there is no log"), ("W/0", "lower case")])
def test_rotate_of_what_has_no_log_is_one_line(tmp_path, capsys, slot, said):
    create_keys(tmp_path)
    (tmp_path / "audit/W/0").mkdir(parents=True)
    (tmp_path / "audit/W/0/log.vkey").touch()

    assert run("keys", "rotate", "--slot", slot, "--state", str(tmp_path)) == 1
    assert said in capsys.readouterr().err


async def test_rotate_with_settings_that_cannot_be_used_is_refused(tmp_path, capsys):
    await log_of(tmp_path)
    (tmp_path / "gateway.yaml").write_text("version: 2\n")

    assert run("keys", "rotate", "--slot", "w0", "--state", str(tmp_path), "-c", str(tmp_path / "gateway.yaml")) == 1
    assert "PG919" in capsys.readouterr().err
