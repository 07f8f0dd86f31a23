"""Erasing somebody whom a legal request names: held while it is open, forgotten by the register afterwards."""

import multiprocessing
import os

import pytest
from legal import ANN, BOB, approved, people_of, produced, registered
from people import handle_of

from gateway.audit.operator_log import operator_records
from gateway.model.words import Kind, LegalStatus
from gateway.runtime.erasure import Held, erase, open_subjects
from gateway.runtime.legal_requests import Register
from gateway.stores.disclosures import REGISTER, SqliteDisclosureStore
from gateway.stores.erasures import EraseList
from gateway.stores.keyfile import create_keys, load_keyring

REASON = "a court ordered the erasure"


@pytest.fixture
def state(tmp_path):
    create_keys(tmp_path / "state")
    return tmp_path / "state"


@pytest.fixture
def keys(state):
    return load_keyring(state)


def decide(state, request, status):
    with Register(state) as register:
        register.decide(request, status, by="otto", because="checked")


def named(state, request):
    with Register(state) as register:
        return [person.handle for person in register.people(request)]


def stands_in_the_file(state, text):
    return any(text.encode() in path.read_bytes() for path in state.glob(f"{REGISTER}*"))


@pytest.mark.parametrize("step", ["registered", "approved"])
def test_whom_an_open_request_names_is_not_erased(state, keys, step):
    ann = handle_of(state, ANN)
    request = registered(state, ANN) if step == "registered" else approved(state, ANN)
    with pytest.raises(Held) as held:
        erase(state, keys, "Ann@Shop.example", by="dpo")

    assert held.value.requests == (request,)
    assert handle_of(state, ANN) == ann
    assert operator_records(state / "audit", Kind.ERASE) == []


def test_all_that_hold_are_named(state, keys):
    requests = {registered(state, ANN), approved(state, BOB, ANN)}
    with pytest.raises(Held) as held:
        erase(state, keys, ANN, by="dpo")

    assert set(held.value.requests) == requests


@pytest.mark.parametrize("end", ["rejected", "produced"])
def test_nobody_is_held_for_a_request_that_came_to_its_end(state, keys, tmp_path, end):
    request = registered(state, ANN)
    decide(state, request, LegalStatus.REJECTED if end == "rejected" else LegalStatus.APPROVED)
    if end == "produced":
        produced(state, request, tmp_path / "out")

    assert erase(state, keys, ANN, by="dpo") is not None


def test_others_are_not_held(state, keys):
    registered(state, ANN)
    handle_of(state, BOB)

    assert erase(state, keys, BOB, by="dpo") is not None


def test_what_goes_before_the_hold_is_on_record(state, keys):
    request = approved(state, ANN, BOB)
    ann, bob = named(state, request)
    erase(state, keys, ANN, by="dpo", despite_hold=REASON)
    with Register(state) as register:
        last = register.find(request).events[-1]

    assert (last.status, last.by, last.because) == (LegalStatus.HOLD_OVERRIDDEN, "dpo", REASON)
    record = operator_records(state / "audit", Kind.OUTCOME)[-1][1]
    assert (record["status"], record["because"], record["request"]) == ("hold_overridden", REASON, request)
    assert named(state, request) == [bob]
    assert handle_of(state, ANN) != ann


def test_p5_after_an_erasure_no_request_leads_to_the_person(state, keys, tmp_path):
    request = approved(state, ANN, BOB)
    produced(state, request, tmp_path / "out")
    ann, bob = named(state, request)
    assert stands_in_the_file(state, ann)
    erase(state, keys, ANN, by="dpo")

    assert not stands_in_the_file(state, ann)
    assert stands_in_the_file(state, bob)
    with Register(state) as register:
        assert register.find(request).filed.people == 2


def test_no_register_is_made_for_an_erasure(state, keys):
    handle_of(state, ANN)
    erase(state, keys, ANN, by="dpo")

    assert not (state / REGISTER).exists()


def die(state, when):
    original = SqliteDisclosureStore.forget if when != "listed" else EraseList.begin

    def deadly(*arguments):
        if when != "before":
            original(*arguments)
        os._exit(9)

    if when == "listed":
        EraseList.begin = deadly
    else:
        SqliteDisclosureStore.forget = deadly
    erase(state, load_keyring(state), ANN, by="who died", despite_hold=REASON)


@pytest.mark.parametrize("when", ["listed", "before", "after"])
def test_whoever_opens_next_forgets_what_an_erasure_left(state, when):
    request = approved(state, ANN)
    (ann,) = people_of(state, ANN)
    dying = multiprocessing.get_context("fork").Process(target=die, args=(state, when))
    dying.start()
    dying.join()
    assert dying.exitcode == 9
    open_subjects(state, load_keyring(state)).close()

    assert named(state, request) == []
    assert not stands_in_the_file(state, ann.handle)
