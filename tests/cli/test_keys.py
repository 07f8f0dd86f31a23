import json

import pytest

from gateway.cli.main import main
from gateway.stores.keyfile import load_keyring


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
