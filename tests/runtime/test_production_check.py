"""Checking what was produced without the gateway: good as it is, and nothing in it can be changed unseen."""

import json
import shutil
from hashlib import sha256

import pytest
from legal import ANN, approved, field, produced, traffic
from receipts import decided

from gateway.audit.verify_note import VerifierKey
from gateway.crypto.data_integrity import sign_document
from gateway.crypto.sign import SigningKey
from gateway.runtime.production_check import check_production
from gateway.runtime.receipt_key import public_keys, receipt_key
from gateway.stores.keyfile import create_keys
from gateway.stores.legal_request import CONSENTS, DISCLOSURES, Scope

SCOPE = Scope(what=(DISCLOSURES, CONSENTS), classes=("user.contact",))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A produced directory, its keys, and the receipts' key."""
    state = tmp_path_factory.mktemp("made") / "state"
    create_keys(state)
    decided(state)
    traffic(state, ANN, field("user.contact.email"), field("user.name"))
    traffic(state, ANN, field("user.contact.email"))
    out = state.parent / "out"
    produced(state, approved(state, ANN, scope=SCOPE), out)
    keys = [VerifierKey(key.vkey) for key in public_keys(state)]
    return out, keys, receipt_key(state)


@pytest.fixture
def out(made, tmp_path):
    return shutil.copytree(made[0], tmp_path / "out")


def check(made, out, *, only=""):
    return check_production(out, [key for key in made[1] if only in key.name])


def edit(out, name, change):
    value = json.loads((out / name).read_bytes())
    change(value)
    (out / name).write_text(json.dumps(value))


def sign_again(made, out):
    """As somebody with the receipts' key could: all digests and the signature fit what the files say now."""
    manifest = json.loads((out / "manifest.json").read_bytes())
    for file in manifest["files"]:
        file["sha256"] = sha256((out / file["name"]).read_bytes()).hexdigest()
    del manifest["proof"]
    signed = sign_document(manifest, made[2].seed, created="2026-11-24T00:00:00Z")
    (out / "manifest.json").write_text(json.dumps(signed))


@pytest.mark.parametrize("only", ["", "receipts"])
def test_it_is_valid_by_public_keys_alone(made, out, only):
    report = check(made, out, only=only)

    assert (report.verdict, report.exit_code, report.failed) == ("VALID", 0, [])
    assert (report.entries, report.proven, report.placed) == (10, 9, 1)
    assert report.signed_by == made[1][0].text


def drop_person(out):
    (out / "person-1.csv").unlink()


def add_file(out):
    (out / "more.json").write_text("{}")


def change_csv(out):
    path = out / "person-1.csv"
    path.write_bytes(path.read_bytes().replace(b"given", b"refused"))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (drop_person, "person-1.csv"),
        (add_file, "more.json"),
        (change_csv, "person-1.csv"),
        (lambda out: edit(out, "manifest.json", lambda value: value.update(request="A-2026-000000")), "manifest.json"),
        (lambda out: edit(out, "manifest.json", lambda value: value["files"].pop()), "manifest.json"),
        (lambda out: edit(out, "person-1.json", lambda value: value["records"].pop()), "person-1.json"),
    ],
)
def test_nothing_can_be_changed(made, out, change, what):
    change(out)
    report = check(made, out)

    assert (report.verdict, report.exit_code) == ("TAMPERED", 10)
    assert [failure.what for failure in report.failed] == [what]


def other_class(value):
    value["records"][0]["record"]["fields"][0]["class"] = "user.name"


def other_leaf(value):
    value["records"][0]["leaf"] = "0" * 64


def other_answer(value):
    value["decisions"][0]["status"] = "refused"


@pytest.mark.parametrize("change", [other_class, other_leaf, other_answer])
def test_whoever_signs_cannot_say_other_than_the_log(made, out, change):
    edit(out, "person-1.json", change)
    sign_again(made, out)
    report = check(made, out)

    assert report.verdict == "TAMPERED"
    assert report.failed[0].what.startswith("person-1.json ")


def test_a_proof_of_another_record_is_none(made, out):
    path = out / "proofs.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["proof"], lines[1]["proof"] = lines[1]["proof"], lines[0]["proof"]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    sign_again(made, out)

    assert check(made, out).verdict == "TAMPERED"


def test_a_log_is_believed_by_the_key_that_was_given_for_it(made, out):
    receipts, operator = made[1]
    other = VerifierKey(SigningKey(operator.name, bytes(range(32))).vkey)

    assert check_production(out, [receipts, operator]).verdict == "VALID"
    assert check_production(out, [receipts, other]).verdict == "TAMPERED"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda out: (out / "manifest.json").write_text("{"), "no JSON"),
        (lambda out: (out / "manifest.json").write_text('{"type": 1}'), "not in the form"),
        (lambda out: edit(out, "manifest.json", lambda value: value.update(version=2)), "another version"),
        (lambda out: edit(out, "manifest.json", lambda value: value.pop("proof")), "no proof"),
    ],
)
def test_what_is_no_manifest_cannot_be_judged(made, out, change, why):
    change(out)
    report = check(made, out)

    assert (report.verdict, report.exit_code) == ("CANNOT", 20)
    assert why in report.failed[0].why


def test_without_the_key_of_receipts_nothing_can_be_said(made, out):
    report = check(made, out, only="operator")

    assert report.verdict == "CANNOT"
    assert "/receipts" in report.failed[0].why
