"""What an authority gets: recorded before it is written, exactly the scope, whole or not at all."""

import csv
import json
import shutil

import pytest
from legal import ANN, BOB, EVE, approved, field, given, policy, produced, registered, rows, traffic
from people import handle_of
from receipts import decided

from gateway.audit.operator_log import operator_records
from gateway.audit.proof import Proof
from gateway.audit.verify import verify_directory
from gateway.crypto.data_integrity import is_signed_by, signer_of
from gateway.model.words import Kind, LegalStatus
from gateway.runtime import production_files as module
from gateway.runtime.erasure import erase
from gateway.runtime.legal_requests import Register
from gateway.stores.keyfile import create_keys, load_keyring
from gateway.stores.legal_request import CONSENTS, DISCLOSURES, RequestRefused, Scope

EMAIL, NAME = "user.contact.email", "user.name"


@pytest.fixture
def state(tmp_path):
    path = tmp_path / "state"
    create_keys(path)
    decided(path)
    traffic(path, ANN, field(EMAIL), field(NAME))
    traffic(path, ANN, field(EMAIL, 3))
    traffic(path, BOB, field(EMAIL))
    return path


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def disclosures(state):
    return [record for _, record in operator_records(state / "audit", Kind.DISCLOSE)]


def manifest(out):
    return json.loads((out / "manifest.json").read_bytes())


def status(state, request):
    with Register(state) as register:
        return register.find(request).status


def everything(out):
    return b"".join(path.read_bytes() for path in sorted(out.iterdir()))


def lines(out):
    """All that proofs carry of records, decoded."""
    found = [Proof.parse(row["proof"]) for row in rows(out) if "proof" in row]
    return b"\n".join(proof.line for proof in found if proof.line is not None)


def test_the_persons_records_decisions_and_notices_in_both_forms(state, out):
    request = approved(state, ANN)
    produced(state, request, out)
    person = given(out)
    with (out / "person-1.csv").open(newline="") as file:
        table = list(csv.DictReader(file))

    assert person["subjects"] == [handle_of(state, ANN)]
    assert [len(each["record"]["fields"]) for each in person["records"]] == [1, 2]
    assert len(person["decisions"]) == 8
    assert [notice["notice"] for notice in person["notices"]] == ["offers"]
    assert [row["what"] for row in table] == ["decision"] * 8 + ["notice"] + ["collect"] * 3
    assert sorted(path.name for path in out.iterdir()) == [
        "manifest.json", "person-1.csv", "person-1.json", "proofs.jsonl",
    ]  # fmt: skip
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in out.iterdir())
    assert out.stat().st_mode & 0o777 == 0o700


def test_the_manifest_is_signed_and_says_what_was_asked_for_and_given(state, out):
    request = approved(state, ANN, BOB, document="cd" * 32)
    produced(state, request, out)
    found = manifest(out)

    assert is_signed_by(found, signer_of(found))
    assert found["request"] == request
    assert found["authority"] == {"name": "police", "title": "State Police"}
    assert found["instrument"] == {"document": "cd" * 32, "kind": "warrant", "reference": "Gs 12/26"}
    assert [found[step]["by"] for step in ("registered", "approved", "produced")] == ["ina", "otto", "pia"]
    assert found["counts"] == {"people": 2, "erased": 0, "disclosures": 3, "consents": 8, "notices": 1}
    assert [(each["place"], each["subject"]) for each in found["people"]] == [
        (1, handle_of(state, ANN)), (2, handle_of(state, BOB)),
    ]  # fmt: skip
    assert found["people"][0]["files"] == ["person-1.json", "person-1.csv"]
    assert (found["policy"], found["policies"]) == (policy().digest, ["4ed70598ad5e6969"])
    assert {file["name"] for file in found["files"]} == {path.name for path in out.iterdir()} - {"manifest.json"}
    assert len(found["checkpoints"]) == 1
    assert b"shop.example" not in everything(out).replace(b"privacy@shop.example", b"")


def test_p2_nothing_is_written_before_its_record_is_durable(state, out, monkeypatch):
    request = approved(state, ANN, BOB)
    seen = []

    def writing(directory, name, content):
        seen.append((name, [record["subject"] for record in disclosures(state)], status(state, request)))
        return original(directory, name, content)

    original = module.write_file
    monkeypatch.setattr(module, "write_file", writing)
    produced(state, request, out)
    people = [handle_of(state, ANN), handle_of(state, BOB)]

    assert len(seen) == 6
    assert all(each[1:] == (people, LegalStatus.PRODUCED) for each in seen)


def test_the_ledger_says_what_was_given_of_whom(state, out):
    request = approved(state, ANN, BOB)
    event = produced(state, request, out).event
    ann, bob = disclosures(state)

    assert [(each["class"], each["count"]) for each in ann["fields"]] == [
        ("user.privacy_preferences", 8), (EMAIL, 2), (NAME, 1), ("user.privacy_preferences", 1),
    ]  # fmt: skip
    assert [(each["class"], each["count"]) for each in bob["fields"]] == [(EMAIL, 1)]
    assert {ann["event"], bob["event"]} == {event.id}
    assert verify_directory(state, allow_unanchored=True).words == "VERIFIED"


def test_each_production_is_recorded(state, out, tmp_path):
    request = approved(state, ANN)
    first, second = (produced(state, request, path).event.id for path in (out, tmp_path / "again"))

    assert [record["event"] for record in disclosures(state)] == [first, second]
    # What authorities were given is in no production, so the second one holds what the first did.
    assert given(tmp_path / "again")["records"] == given(out)["records"]


@pytest.mark.parametrize("step", ["register", "reject"])
def test_nothing_is_given_without_approval(state, out, step):
    request = registered(state, ANN)
    if step == "reject":
        with Register(state) as register:
            register.decide(request, LegalStatus.REJECTED, by="otto", because="no right")
    with pytest.raises(RequestRefused):
        produced(state, request, out)

    assert (disclosures(state), out.exists()) == ([], False)


def test_other_classes_are_nowhere_in_the_files(state, out):
    secret = field("user.health.condition", address="$.diagnosis", purpose="care")
    traffic(state, ANN, field(EMAIL), secret)
    request = approved(state, ANN, scope=Scope(what=(DISCLOSURES,), classes=("user.contact",)))
    produced(state, request, out)
    plain = everything(out) + lines(out)

    assert len(given(out)["records"]) == 3
    assert [row["whole"] for row in rows(out)] == [False, True, False, True]
    for text in (b"health", b"diagnosis", b"care", b"user.name"):
        assert text not in plain
    assert (given(out)["decisions"], given(out)["notices"]) == ([], [])


def test_what_another_authority_was_given_stays_secret(state, out, tmp_path):
    produced(state, approved(state, ANN, authority="tax-office", reference="Tax 9"), tmp_path / "tax")
    produced(state, approved(state, ANN), out)

    assert b"Tax 9" not in everything(out) + lines(out)
    assert b"tax-office" not in everything(out) + lines(out)


def test_only_what_was_asked_for(state, out):
    produced(state, approved(state, ANN, scope=Scope(what=(CONSENTS,))), out)
    person = given(out)

    assert (len(person["decisions"]), person["notices"], person["records"]) == (8, [], [])


def test_that_nothing_is_held_is_said_and_recorded(state, out):
    made = produced(state, approved(state, EVE), out)
    [record] = disclosures(state)

    assert made.is_empty
    assert manifest(out)["nothing_held"] is True
    assert manifest(out)["people"][0]["files"] == []
    assert (record["subject"], record["fields"]) == (handle_of(state, EVE), [])
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json", "proofs.jsonl"]


def test_of_whom_was_erased_nothing_is_given_and_the_manifest_says_so(state, out):
    request = approved(state, ANN, BOB)
    erase(state, load_keyring(state), ANN, by="ina", despite_hold="a court said so")
    produced(state, request, out)

    assert manifest(out)["people"][0] == {"place": 1, "erased": True}
    assert manifest(out)["counts"]["erased"] == 1
    assert sorted(path.name for path in out.glob("person-*")) == ["person-2.csv", "person-2.json"]
    assert len(disclosures(state)) == 1


@pytest.mark.parametrize("name", ["person-1.json", "person-2.csv", "proofs.jsonl", "manifest.json"])
def test_where_a_file_cannot_be_written_none_is_left_and_the_register_says_so(state, out, monkeypatch, name):
    request = approved(state, ANN, BOB)
    original = module.write_file

    def full(directory, file, content):
        if file == name:
            raise OSError(28, "No space left on device")
        return original(directory, file, content)

    monkeypatch.setattr(module, "write_file", full)
    with pytest.raises(OSError, match="No space"):
        produced(state, request, out)

    assert [path.name for path in out.parent.iterdir()] == ["state"]
    assert status(state, request) is LegalStatus.APPROVED
    assert len(disclosures(state)) == 2
    assert [record["status"] for _, record in operator_records(state / "audit", Kind.OUTCOME)][-2:] == [
        "produced", "failed",
    ]  # fmt: skip


def test_where_no_directory_can_be_made_nothing_is_recorded(state, tmp_path):
    request = approved(state, ANN)
    with pytest.raises(FileNotFoundError):
        produced(state, request, tmp_path / "missing" / "out")

    assert disclosures(state) == []
    assert status(state, request) is LegalStatus.APPROVED


def test_proofs_stand_by_themselves(state, out):
    produced(state, approved(state, ANN), out)
    found = [Proof.parse(row["proof"]) for row in rows(out)]
    shutil.rmtree(state)

    # Two records, eight decisions, and the record of the production itself.
    assert len(found) == 11
    assert all(proof.proves(proof.leaf()) for proof in found)
    assert sum(b'"kind":"disclose"' in proof.line for proof in found) == 1


def test_of_what_cannot_be_proven_the_reason_is_said(state, out, monkeypatch):
    def broken(*_):
        raise module.Unprovable("leaf 3 is missing")

    monkeypatch.setattr(module, "prove_in_segment", broken)
    produced(state, approved(state, ANN), out)

    assert {row["because"] for row in rows(out)} == {"the log gave no proof"}


def test_work_is_told_of(state, out):
    told = []
    produced(state, approved(state, ANN, BOB), out, progress=lambda *step: told.append(step))

    assert [step[0] for step in told] == ["gathering"] * 2 + ["writing"] * 2 + ["proving"] * (len(told) - 4)
    assert len(told) > 4
    assert all(done < total for _, done, total in told)
