"""The register's steps: who may take them, what the log says of them, and dying between any two writes."""

import multiprocessing
import os

import pytest
from legal import ANN, BOB, approved, filed, people_of, registered

from gateway.audit.operator_log import OperatorLog, operator_records
from gateway.audit.verify import verify_directory
from gateway.model.errors import StoreDown
from gateway.model.words import Kind, LegalStatus
from gateway.runtime import legal_requests as module
from gateway.runtime.legal_requests import Register, may_be_produced
from gateway.stores.disclosures import SqliteDisclosureStore
from gateway.stores.keyfile import create_keys
from gateway.stores.legal_request import NOT_SECRET, UNTIL_LIFTED, RequestRefused

S = LegalStatus
LATER = "2099-01-01T00:00:00.000000Z"


@pytest.fixture
def state(tmp_path):
    create_keys(tmp_path)
    return tmp_path


def records(state, kind=Kind.OUTCOME):
    return [record for _, record in operator_records(state / "audit", kind)]


def take(state, step, request, **options):
    with Register(state) as register:
        match step:
            case "approve":
                return register.decide(request, S.APPROVED, **({"by": "otto"} | options))
            case "reject":
                return register.decide(request, S.REJECTED, **({"by": "otto", "because": "no right"} | options))
            case "extend":
                return register.extend_secrecy(request, **({"until": LATER, "by": "ina", "because": "order"} | options))
            case "lift":
                return register.lift_secrecy(request, **({"by": "ina", "because": "over"} | options))
            case "produce":
                return register.produced(request, lambda _: [], by="pia", counts={"people": 1}, policy="p")
            case "fail":
                return register.failed(request, by="pia", because="disk")


def refusal(state, step, request, **options):
    with pytest.raises(RequestRefused) as refused:
        take(state, step, request, **options)
    return refused.value.code


def test_every_step_is_a_record_that_names_nobody(state):
    request = registered(state, ANN, secret_until=LATER, due="2026-12-01", document="ab" * 32)
    for step in ("approve", "produce", "fail"):
        take(state, step, request)
    take(state, "extend", request, until=UNTIL_LIFTED)
    take(state, "lift", request)
    found = records(state)

    assert [record["status"] for record in found] == [
        "registered", "approved", "produced", "failed", "secrecy_extended", "secrecy_lifted",
    ]  # fmt: skip
    assert {(record["request"], record["recipient"]) for record in found} == {(request, "police")}
    assert [record["by"] for record in found] == ["ina", "otto", "pia", "pia", "ina", "ina"]
    assert all("subject" not in record for record in found)
    assert {name: found[0][name] for name in ("due", "instrument", "legal_basis", "people", "received", "scope")} == {
        "due": "2026-12-01",
        "instrument": {"document": "ab" * 32, "kind": "warrant", "reference": "Gs 12/26"},
        "legal_basis": "StPO 94, 98",
        "people": 1,
        "received": "2026-11-20",
        "scope": {"what": ["disclosures", "consents", "notices"], "classes": ["user"]},
    }
    assert found[2]["counts"] == {"people": 1}
    assert [record.get("secret_until") for record in found] == [LATER, None, None, None, UNTIL_LIFTED, NOT_SECRET]
    assert verify_directory(state, allow_unanchored=True).words == "VERIFIED"


@pytest.mark.parametrize(
    ("before", "step", "code"),
    [
        (("approve",), "approve", "already_decided"),
        (("approve",), "reject", "already_decided"),
        (("reject",), "approve", "already_decided"),
        ((), "produce", "not_approved"),
        (("reject",), "produce", "rejected"),
        (("lift",), "lift", "not_secret"),
    ],
)
def test_steps_that_may_not_be_taken(state, before, step, code):
    request = registered(state, ANN)
    for each in before:
        take(state, each, request)
    entered = len(records(state))

    assert refusal(state, step, request) == code
    assert len(records(state)) == entered


@pytest.mark.parametrize("step", ["approve", "reject", "extend", "lift", "produce"])
def test_a_request_that_is_not_there(state, step):
    registered(state, ANN)

    assert refusal(state, step, "A-2026-000000") == "unknown_request"


@pytest.mark.parametrize("step", ["approve", "reject"])
@pytest.mark.parametrize("name", ["ina", "Ina", " INA ", "ｉｎａ"])
def test_whoever_registered_does_not_decide(state, step, name):
    request = registered(state, ANN)

    assert refusal(state, step, request, by=name) == "same_person"
    standing = take(state, step, request, by=name, same_person="one-person office")
    assert standing.events[-1].same_person == records(state)[-1]["same_person"] == "one-person office"


def test_a_reason_for_the_same_person_counts_only_where_it_is(state):
    standing = take(state, "approve", registered(state, ANN), by="otto", same_person="one-person office")

    assert standing.events[-1].same_person is None


@pytest.mark.parametrize(
    ("was", "until", "code"),
    [
        (LATER, "2098-01-01T00:00:00.000000Z", "not_later"),
        (LATER, LATER, "not_later"),
        (UNTIL_LIFTED, LATER, "not_later"),
        (NOT_SECRET, "2001-01-01T00:00:00.000000Z", "not_later"),
        (LATER, "2099-01-02T00:00:00.000000Z", None),
        (LATER, UNTIL_LIFTED, None),
        (NOT_SECRET, LATER, None),
    ],
)
def test_secrecy_is_extended_to_a_later_end_only(state, was, until, code):
    request = registered(state, ANN, secret_until=was)
    if code:
        assert refusal(state, "extend", request, until=until) == code
    else:
        assert take(state, "extend", request, until=until).secret_until == until


def test_whom_requests_name_is_found_by_the_key(state):
    first, second = registered(state, ANN, BOB), approved(state, BOB)
    ann, bob = people_of(state, ANN, BOB)
    with Register(state) as register:
        assert [each.filed.id for each in register.naming(ann.digest)] == [first]
        assert {each.filed.id for each in register.naming(bob.digest)} == {first, second}
        register.forget([bob.digest])
        assert register.naming(bob.digest) == []
        assert [person.place for person in register.people(first)] == [1]
        may_be_produced(register.find(second))


STEPS = {
    "nothing done": (SqliteDisclosureStore, "prepare", "before", False),
    "prepared": (SqliteDisclosureStore, "prepare", "after", False),
    "before the record": (OperatorLog, "append", "before", False),
    "recorded": (OperatorLog, "append", "after", True),
    "before it counts": (SqliteDisclosureStore, "settle", "before", True),
    "all done": (SqliteDisclosureStore, "settle", "after", True),
}


def die_at(state, owner, name, when, work):
    original = getattr(owner, name)

    def dying(*arguments, **options):
        if when == "before":
            os._exit(9)
        original(*arguments, **options)
        os._exit(9)

    setattr(owner, name, dying)
    work(state)


def register_one(state):
    with Register(state) as register:
        register.register(filed(id="A-2026-AAAAAA"), people_of(state, ANN), by="ina")


@pytest.mark.parametrize("step", STEPS)
def test_a_command_that_dies_either_happened_or_did_not(state, step):
    owner, name, when, happened = STEPS[step]
    dying = multiprocessing.get_context("fork").Process(target=die_at, args=(state, owner, name, when, register_one))
    dying.start()
    dying.join()
    assert dying.exitcode == 9
    with Register(state) as register:
        found = [standing.filed.id for standing in register.every()]
        people = register.people("A-2026-AAAAAA")

    assert found == (["A-2026-AAAAAA"] if happened else [])
    assert len(people) == len(found)
    assert len(records(state)) == len(found)


def test_where_the_log_cannot_be_written_nothing_has_happened(state, monkeypatch):
    request = registered(state, ANN)

    def full(*_):
        raise StoreDown("audit_unavailable", "the log of slot operator cannot be written")

    with monkeypatch.context() as patch:
        patch.setattr(OperatorLog, "append", full)
        with pytest.raises(StoreDown):
            take(state, "approve", request)
    with Register(state) as register:
        assert register.find(request).status is S.REGISTERED
    assert take(state, "approve", request).status is S.APPROVED


def test_two_commands_take_turns(state):
    request = registered(state, ANN)
    with Register(state) as waiting, Register(state)._alone():
        waiting._patience = 0.05
        with pytest.raises(StoreDown, match="another command"):
            waiting.decide(request, S.APPROVED, by="otto")


def test_records_of_people_come_before_the_step(state):
    request = approved(state, ANN)
    with Register(state) as register:
        event = register.produced(
            request, lambda event: [{"kind": "disclose", "event": event}], by="pia", counts={}, policy="p"
        )
    indexes = {kind: operator_records(state / "audit", kind)[-1] for kind in (Kind.DISCLOSE, Kind.OUTCOME)}

    assert indexes[Kind.DISCLOSE][1]["event"] == indexes[Kind.OUTCOME][1]["event"] == event.id
    assert indexes[Kind.DISCLOSE][0] < indexes[Kind.OUTCOME][0]
    assert module.LOCK in {path.name for path in state.iterdir()}
