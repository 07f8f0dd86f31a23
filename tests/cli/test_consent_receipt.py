"""`consent receipt` and `consent check-receipt`, as an operator and as somebody without the gateway use them."""

import json
import shutil

import pytest
from people import handle_of
from receipts import RULES, decided, policy

from gateway.cli.main import main
from gateway.runtime.receipt_key import public_keys
from gateway.runtime.reload import keep_policy
from gateway.stores.keyfile import create_keys

ANN = "ann@shop.example"


@pytest.fixture
def state(tmp_path):
    path = tmp_path / "state"
    create_keys(path)
    decided(path)
    keep_policy(path, policy())
    return path


@pytest.fixture
def run(capsysbinary):
    def run(*arguments, status=0):
        with pytest.raises(SystemExit) as left:
            main([str(each) for each in arguments])
        printed = capsysbinary.readouterr()
        assert left.value.code == status, (printed.out, printed.err)
        return printed

    return run


@pytest.fixture
def made(state, run, tmp_path):
    path = tmp_path / "receipt.jsonld"
    run("consent", "receipt", "--state", state, "--subject", ANN, "--output", path)
    return path


def test_it_is_made_by_the_rules_that_were_last_in_force(state, run):
    printed = run("consent", "receipt", "--state", state, "--subject", ANN, "--where", "https://shop.example/p").out
    receipt = json.loads(printed)

    assert receipt["receipt:policy"] == policy().digest
    assert receipt["dpv:hasEntity"][0]["dpv:hasName"] == "Example Shop GmbH"
    assert b"https://shop.example/p" in printed
    assert b"ann@shop" not in printed


def test_rules_of_a_directory_can_be_used_instead(state, run, tmp_path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "rules.yaml").write_text(RULES.replace("Example Shop GmbH", "Other"))
    printed = run("consent", "receipt", "--state", state, "--subject", ANN, "--rules", tmp_path / "rules").out

    assert json.loads(printed)["dpv:hasEntity"][0]["dpv:hasName"] == "Other"


def test_it_is_checked_with_what_keys_show_prints_and_nothing_else(state, run, made, tmp_path):
    trust = tmp_path / "trust"
    trust.write_bytes(run("keys", "show", "--state", state).out)
    shutil.rmtree(state)
    printed = run("consent", "check-receipt", made, "--trust", trust)

    assert printed.out.splitlines()[-1] == b"VALID"
    assert b"8 of 8 decisions are proven" in printed.out


def test_json_for_programs(state, run, made, tmp_path):
    vkeys = [option for key in public_keys(state) for option in ("--vkey", key.vkey)]
    report = json.loads(run("consent", "check-receipt", made, *vkeys, "--json").out)
    again = json.loads(
        run("consent", "receipt", "--state", state, "--subject", ANN, "--output", tmp_path / "2", "--json").out
    )

    assert (report["verdict"], report["exit_code"], report["failed"]) == ("VALID", 0, [])
    assert again["signed_by"] == report["signed_by"] == vkeys[1]
    assert (tmp_path / "2").exists()


def test_a_change_is_named_and_told_by_the_exit_code(state, run, made):
    made.write_bytes(made.read_bytes().replace(b"dpv:ConsentWithdrawn", b"dpv:ConsentGiven"))
    vkeys = [option for key in public_keys(state) for option in ("--vkey", key.vkey)]
    printed = run("consent", "check-receipt", made, *vkeys, status=10).out

    assert b"the signature: it does not belong to this text" in printed
    assert b"the receipt says other than the log: status" in printed
    assert printed.endswith(b"TAMPERED\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], b"--vkey KEY or --trust FILE"),
        (["--vkey", "nonsense"], b"--vkey: not a verifier key"),
        (["--vkey", "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"], b"was not given"),
    ],
)
def test_without_the_right_key_it_cannot_be_checked(run, made, arguments, said):
    printed = run("consent", "check-receipt", made, *arguments, status=20)

    assert said in printed.out + printed.err


def test_a_file_that_is_none_cannot_be_checked(state, run, tmp_path):
    (tmp_path / "x").write_bytes(b"\x1b[31m")
    printed = run("consent", "check-receipt", tmp_path / "x", "--vkey", public_keys(state)[0].vkey, status=20)

    assert b"the file: it is no JSON in UTF-8" in printed.out
    assert b"\x1b[31m" not in printed.out


def test_who_decided_nothing_gets_none(state, run):
    handle_of(state, "bob@shop.example")
    for person in ("bob@shop.example", "nobody@shop.example"):
        printed = run("consent", "receipt", "--state", state, "--subject", person, status=1)
        assert b"nothing to give a receipt for" in printed.err


def test_without_rules_it_says_what_to_give(state, run):
    shutil.rmtree(state / "policies")
    printed = run("consent", "receipt", "--state", state, "--subject", ANN, status=1)

    assert b"--rules DIR" in printed.err


def test_public_keys_as_json(state, run):
    shown = json.loads(run("keys", "show", "--state", state, "--json").out)

    assert [each["name"].rpartition("/")[2] for each in shown] == ["receipts", "operator"]
