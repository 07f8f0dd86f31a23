"""A receipt is checked from the file and public keys alone, and no change to it goes unseen."""

import base64
import copy
import json
import random
import shutil
import subprocess
import sys

import pytest
from people import handle_of
from receipts import OCCASION, S, decided, document, event, history, keys, notice, policy

from gateway.audit.proof import Proof
from gateway.audit.verify_note import VerifierKey
from gateway.crypto.canonical_json import canonical
from gateway.crypto.data_integrity import sign_document
from gateway.crypto.sign import SigningKey
from gateway.portal.receipt import Decided, signed_receipt
from gateway.portal.receipt_check import check_receipt
from gateway.portal.receipt_evidence import Evidence
from gateway.runtime.receipt_key import receipt_key
from gateway.stores.keyfile import create_keys

ANN = "ann@shop.example"


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    path = tmp_path_factory.mktemp("state")
    create_keys(path)
    return path


@pytest.fixture(scope="module")
def whole(state):
    return document(state, decided(state))


@pytest.fixture(scope="module")
def middling(state):
    subject = handle_of(state, "cem")
    first, *_, objected, _, _ = history(subject)
    return document(state, decided(state, [first, objected], [notice(subject)]))


@pytest.fixture(scope="module")
def small(state):
    return document(state, decided(state, [event(handle_of(state, "bob"), S.GIVEN)], []))


def check(state, made, *, only=""):
    data = made if isinstance(made, bytes) else json.dumps(made).encode()
    return check_receipt(data, keys(state, only=only))


def resigned(state, made, **changes):
    """As the gateway itself would sign it: what only the proofs can show."""
    unsigned = {key: value for key, value in made.items() if key != "proof"} | changes
    return sign_document(unsigned, receipt_key(state).seed, created=OCCASION.created)


def failures(report):
    return [(failure.what.split(" ")[0], failure.why) for failure in report.failed]


@pytest.mark.parametrize("only", ["", "receipts"])
def test_a_receipt_is_valid_by_public_keys_alone(state, whole, only):
    report = check(state, whole, only=only)

    assert (report.verdict, report.exit_code, report.failed) == ("VALID", 0, [])
    assert (report.events, report.proven) == (8, 8)
    assert report.signed_by == receipt_key(state).vkey


def test_layout_is_not_what_is_signed(state, small):
    assert check(state, canonical(small)).verdict == "VALID"
    assert check(state, json.dumps(small, ensure_ascii=True, indent="\t").encode()).verdict == "VALID"


def places(value, path=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield (*path, key)
        yield from places(each, (*path, key))


def altered(value):
    if isinstance(value, str):
        return value + "x" if not value else ("y" if value[0] == "x" else "x") + value[1:]
    if isinstance(value, (list, dict)):
        return []
    return value + 1


def test_no_field_can_be_changed_removed_or_doubled(state, middling):
    passed, verdicts = [], set()
    for path in places(middling):
        for change in ("changed", "removed", "added"):
            made = copy.deepcopy(middling)
            holder = made
            for key in path[:-1]:
                holder = holder[key]
            key = path[-1]
            if change == "changed":
                if holder[key] == altered(holder[key]):
                    continue
                holder[key] = altered(holder[key])
            elif change == "removed":
                del holder[key]
            elif isinstance(holder, list):
                holder.insert(key, holder[key])
            else:
                holder["receipt:more"] = "x"
            report = check(state, made)
            verdicts.add((report.verdict, report.exit_code))
            if report.verdict == "VALID" or not report.failed:
                passed.append((path, change))
    assert passed == []
    assert verdicts == {("TAMPERED", 10), ("CANNOT", 20)}


@pytest.mark.slow
def test_no_byte_can_be_changed(state, small):
    data = canonical(small)
    given, chance, passed = keys(state), random.Random(27560), []
    for place in range(len(data)):
        made = bytearray(data)
        made[place] ^= 1 << chance.randrange(8)
        if check_receipt(bytes(made), given).verdict == "VALID":
            passed.append(place)
    assert passed == []


@pytest.mark.parametrize("size", [0, 1, 100, -1, -2])
def test_a_part_of_a_file_is_no_receipt(state, small, size):
    assert check(state, canonical(small)[:size]).verdict == "CANNOT"


EVENT = ("dpv:hasRecordOfActivity", 0, "dpv:hasConsentStatus", 0)


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ((*EVENT, "dpv:isIndicatedAtTime"), "2026-11-18T11:06:42.000000Z", "at"),
        ((*EVENT, "@type"), ["dpv:ConsentRefused"], "status"),
        ((*EVENT, "dct:identifier"), "01KAS7R1K0G4T2Q9W8E7R6T5Y4", "event"),
        ((*EVENT, "dpv:hasIndicationMethod"), "paper", "method"),
        ((*EVENT, "dpv:hasDuration", 0, "rdf:value"), "2027-01-01T00:00:00.000000Z", "valid_until"),
        ((*EVENT, "receipt:assurance"), "high", "assurance"),
        ((*EVENT, "receipt:enteredBy"), "bob", "by"),
        ((*EVENT, "dpv:hasNotice"), [], "notice, notice_digest, notice_version"),
        (("dpv:hasRecordOfActivity", 0, "dpv:hasNotice", 0, "receipt:sha256"), "cd" * 32, "notice_digest"),
        (("dpv:hasRecordOfActivity", 0, "dpv:hasNotice", 0, "schema:version"), "1", "notice_version"),
        (("dpv:hasRecordOfActivity", 0, "dpv:hasDataSubject", 0, "dct:identifier"), "s1." + "b" * 21 + "A", "subject"),
        (("dpv:hasRecordOfActivity", 0, "dpv:hasProcess", 0, "receipt:recipient"), "mailer", "recipient"),
        (("dpv:hasRecordOfActivity", 0, "dpv:hasProcess", 0, "dpv:hasPurpose", 0, "dct:identifier"), "all", "purpose"),
    ],
)
def test_what_is_signed_but_is_not_what_the_log_holds_is_found(state, whole, path, value, key):
    made = copy.deepcopy(whole)
    holder = made
    for each in path[:-1]:
        holder = holder[each]
    holder[path[-1]] = value
    report = check(state, resigned(state, made))

    assert report.verdict == "TAMPERED"
    assert failures(report)[0] == ("event", f"the receipt says other than the log: {key}")
    assert report.failed[0].what == f"event {event_of(made)['dct:identifier']}"


def event_of(made):
    return made["dpv:hasRecordOfActivity"][0]["dpv:hasConsentStatus"][0]


def ledger(made):
    return event_of(made)["receipt:inLedger"][0]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda proof: proof.replace("index ", "index 1"), "NOT the one"),
        (lambda proof: proof.replace("extra ", "extra AAAA"), ""),
        (lambda proof: proof.replace("c2sp", "d2sp"), "cannot be read"),
        (
            lambda proof: "\n".join(line for line in proof.split("\n") if not line.startswith("extra")),
            "holds no record",
        ),
        (lambda proof: proof.partition("\n\n")[0] + "\n\n", "cannot be read"),
    ],
)
def test_a_proof_that_proves_nothing_is_found_even_where_it_is_signed(state, small, change, why):
    made = copy.deepcopy(small)
    ledger(made)["receipt:tlogProof"] = change(ledger(made)["receipt:tlogProof"])
    report = check(state, resigned(state, made))

    assert report.verdict == "TAMPERED"
    assert why in report.failed[0].why


def test_the_record_of_another_decision_does_not_stand_for_this_one(state, whole, small):
    made = copy.deepcopy(small)
    ledger(made)["receipt:tlogProof"] = ledger(whole)["receipt:tlogProof"]
    report = check(state, resigned(state, made))

    assert report.verdict == "TAMPERED"
    assert "says other than the log: " in report.failed[0].why


def test_a_log_that_is_given_is_not_believed_by_another_key(state, small):
    origin = Proof.parse(ledger(small)["receipt:tlogProof"]).head.origin
    other = VerifierKey(SigningKey(origin, bytes(32)).vkey)
    report = check_receipt(canonical(small), [*keys(state, only="receipts"), other])

    assert report.verdict == "TAMPERED"
    assert "not signed with a key that you trust" in report.failed[0].why


def test_a_changed_receipt_still_tells_which_events_differ_from_the_log(state, whole):
    made = copy.deepcopy(whole)
    made["dpv:hasRecordOfActivity"][0]["dpv:hasConsentStatus"][0]["@type"] = ["dpv:RenewedConsentGiven"]
    report = check(state, made)

    assert [failure.what.split(" ")[0] for failure in report.failed] == ["the", "event"]
    assert report.failed[1].why == "the receipt says other than the log: status"
    without_logs = check(state, made, only="receipts")
    assert all("was not given" in failure.why for failure in without_logs.failed[1:])


@pytest.mark.parametrize("given", ["none", "logs", "another"])
def test_without_the_key_that_signed_nothing_can_be_said(state, small, given):
    other = SigningKey("example.org/receipts", bytes(32)).vkey
    offered = {"none": [], "logs": keys(state, only="operator"), "another": [VerifierKey(other)]}[given]
    report = check_receipt(canonical(small), offered)

    assert (report.verdict, report.exit_code) == ("CANNOT", 20)
    assert "was not given" in report.failed[0].why


def test_a_key_of_a_log_signs_no_receipts(state, small):
    seed = receipt_key(state).seed
    report = check_receipt(canonical(small), [VerifierKey(SigningKey("example.org/log/w0", seed).vkey)])

    assert report.verdict == "CANNOT"


@pytest.mark.parametrize("why", ["not recorded yet", "its record was pruned"])
def test_what_has_no_proof_is_said_to_rest_on_the_signature(state, why):
    one = event(handle_of(state, ANN), S.GIVEN, after=50)
    made = signed_receipt(Decided([one], []), Evidence({}, {one.id: why}, ()), policy(), OCCASION, receipt_key(state))
    report = check(state, made)

    assert (report.verdict, report.events, report.proven) == ("VALID", 1, 0)
    assert report.says[-1] == f"1 rest on the signature alone: {why}."


def test_an_event_has_a_proof_or_a_reason_and_not_both(state, small):
    made = copy.deepcopy(small)
    ledger(made)["receipt:because"] = "x"

    assert check(state, resigned(state, made)).verdict == "TAMPERED"


def test_a_receipt_for_nothing_proves_nothing(state, small):
    report = check(state, resigned(state, small, **{"dpv:hasRecordOfActivity": []}))

    assert (report.verdict, report.failed[0].what) == ("CANNOT", "the receipt")


def test_another_context_is_another_version(state, small):
    report = check(state, resigned(state, small, **{"@context": {**small["@context"], "dpv": "https://example.org/"}}))

    assert (report.verdict, report.failed[0].what) == ("CANNOT", "the context")


@pytest.mark.parametrize(
    "data", [b"", b"null", b"[]", b"{}", b"\xff", b'{"proof": 1}', b'{"a":1,"a":2}', b"[" * 100_000]
)
def test_what_is_no_receipt_is_said_to_be_none(state, data):
    report = check_receipt(data, keys(state))

    assert (report.verdict, report.failed[0].what) == ("CANNOT", "the file")


def test_it_needs_neither_log_nor_store_nor_network(state, small, tmp_path):
    """In a process that may open no socket and sees nothing of the state directory."""
    (tmp_path / "receipt.json").write_bytes(canonical(small))
    moved = state.with_name("moved-away")
    given = " ".join(key.text for key in keys(state))
    script = (
        "import socket, sys\n"
        "socket.socket = None\n"
        "from gateway.audit.verify_note import VerifierKey\n"
        "from gateway.portal.receipt_check import check_receipt\n"
        "report = check_receipt(open('receipt.json', 'rb').read(), [VerifierKey(text) for text in sys.argv[1:]])\n"
        "print(report.verdict, sorted(name for name in sys.modules if name in ('sqlite3', 'jinja2', 'aiohttp')))\n"
    )
    shutil.move(state, moved)
    try:
        done = subprocess.run(
            [sys.executable, "-c", script, *given.split(" ")], cwd=tmp_path, capture_output=True, text=True, timeout=60,
            check=False, env={"PYTHONPATH": ":".join(sys.path)},
        )  # fmt: skip
    finally:
        shutil.move(moved, state)

    assert (done.stdout, done.stderr) == ("VALID []\n", "")


def test_openssl_and_sha256_alone_can_check_the_signature(state, small, tmp_path):
    """What docs/receipts.md describes, done by programs that are not ours."""
    proof = dict(small["proof"])
    unsigned = {key: value for key, value in small.items() if key != "proof"}
    value = proof.pop("proofValue")
    hashed = b"".join(
        bytes.fromhex(subprocess.check_output(["sha256sum"], input=canonical(part))[:64].decode())
        for part in (proof, unsigned)
    )
    number = 0
    for character in value[1:]:
        number = number * 58 + "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".index(character)
    (tmp_path / "signature").write_bytes(number.to_bytes(64, "big"))
    (tmp_path / "hashes").write_bytes(hashed)
    key = base64.b64decode("MCowBQYDK2VwAyEA") + base64.b64decode(receipt_key(state).vkey.split("+", 2)[2])[1:]
    (tmp_path / "key.der").write_bytes(key)
    command = "openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in hashes -sigfile signature"
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=False)

    assert "Verified Successfully" in done.stdout
