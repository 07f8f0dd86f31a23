"""Proofs of a person's decisions from the logs on disk: of commands, of workers, pruned, or not there yet."""

import pytest
import structlog
from people import handle_of
from receipts import OCCASION, S, decided, event, keys, policy, receipt

from gateway.audit.index import Index
from gateway.audit.operator_log import OperatorLog
from gateway.audit.proof import Proof
from gateway.audit.proof_source import Source
from gateway.model.errors import StoreDown
from gateway.model.limits import DEFAULT_LIMITS
from gateway.model.words import Assurance
from gateway.portal import receipt_evidence as module
from gateway.portal.receipt import Decided, proven
from gateway.portal.receipt_check import check_receipt
from gateway.portal.receipt_evidence import NOT_PROVABLE, NOT_RECORDED, NOT_STORED
from gateway.runtime import consents
from gateway.runtime.decisions import Choice
from gateway.runtime.operators import AUDIT
from gateway.runtime.services import Services
from gateway.stores.consent import CONSENTS, SqliteConsentStore
from gateway.stores.keyfile import create_keys


@pytest.fixture
def state(tmp_path):
    create_keys(tmp_path)
    return tmp_path


@pytest.fixture
def ann(state):
    return handle_of(state, "ann@shop.example")


def evidence(state, decisions):
    with Index.open(state / AUDIT) as index:
        return proven(index, state / AUDIT, decisions)


async def decide_on_a_worker(state, ann, slot, *statuses):
    services = Services.open(state, slot, origin=f"test/host/{slot}", limits=DEFAULT_LIMITS, log=structlog.get_logger())
    try:
        for status in statuses:
            await services.decisions.decide(ann, [Choice("ads", status)], method="portal", assurance=Assurance.LOW)
        return await services.decisions.history(ann)
    finally:
        await services.close()


async def test_decisions_that_workers_and_commands_recorded_are_all_proven(state, ann):
    decided(state, [event(ann, S.GIVEN, "analytics")], [])
    await decide_on_a_worker(state, ann, "w0", S.GIVEN, S.WITHDRAWN, S.GIVEN)
    history = await decide_on_a_worker(state, ann, "w1", S.WITHDRAWN)
    found = evidence(state, Decided(history, []))
    origins = {Proof.parse(text).head.origin.rpartition("/")[2] for text in found.proofs.values()}

    assert set(found.proofs) == {each.id for each in history}
    assert found.missing == {}
    assert origins == {"operator", "w0", "w1"}
    report = check_receipt(receipt(state, Decided(history, [])), keys(state))
    assert (report.verdict, report.events, report.proven) == ("VALID", 5, 5)
    assert check_receipt(receipt(state, Decided(history, [])), keys(state, only="receipts")).verdict == "VALID"


async def test_a_log_that_is_being_written_is_read_beside_its_writer(state, ann):
    services = Services.open(state, "w0", origin="test/host/w0", limits=DEFAULT_LIMITS, log=structlog.get_logger())
    try:
        await services.decisions.decide(ann, [Choice("ads", S.GIVEN)], method="portal", assurance=Assurance.LOW)
        history = await services.decisions.history(ann)
        report = check_receipt(receipt(state, Decided(history, [])), keys(state))
    finally:
        await services.close()

    assert (report.verdict, report.proven) == ("VALID", 1)


async def test_one_reading_of_a_segment_proves_all_that_it_holds(state, ann, monkeypatch):
    history = await decide_on_a_worker(state, ann, "w0", *[S.GIVEN, S.WITHDRAWN] * 10)
    read = []
    monkeypatch.setattr(Source, "leaves", count(Source.leaves, read))

    assert len(evidence(state, Decided(history, [])).proofs) == 20
    assert len(read) == 1


def count(method, into):
    def counted(self, *arguments, **options):
        into.append(arguments)
        return method(self, *arguments, **options)

    return counted


def test_what_is_not_in_the_log_yet_is_said(state, ann, monkeypatch):
    decided(state, [event(ann, S.GIVEN)], [])

    def full(*_):
        raise StoreDown("audit_unavailable", "the disk is full")

    monkeypatch.setattr(OperatorLog, "append", full)
    withdrawn = event(ann, S.WITHDRAWN, after=1)
    store = SqliteConsentStore(state / CONSENTS, busy_timeout=5)
    assert consents.decide(state, store, withdrawn) is not None
    history = store.history(ann)
    store.close()
    found = evidence(state, Decided(history, []))

    assert (len(found.proofs), found.missing) == (1, {withdrawn.id: NOT_RECORDED})
    report = check_receipt(receipt(state, Decided(history, [])), keys(state))
    assert (report.verdict, report.events, report.proven) == ("VALID", 2, 1)


def test_of_a_pruned_record_the_reason_is_said(state, ann, monkeypatch):
    decisions = decided(state, [event(ann, S.GIVEN)], [])
    monkeypatch.setattr(Source, "lines_of", lambda *_: {})

    assert evidence(state, decisions).missing == {decisions.events[0].id: NOT_STORED}


def test_of_a_log_that_gives_no_proof_the_reason_is_said(state, ann, monkeypatch):
    decisions = decided(state, [event(ann, S.GIVEN)], [])

    def broken(*_):
        raise module.Unprovable("leaf 3 is missing")

    monkeypatch.setattr(module, "prove_in_segment", broken)
    found = evidence(state, decisions)

    assert (found.proofs, found.missing) == ({}, {decisions.events[0].id: NOT_PROVABLE})


def test_decisions_of_others_are_no_evidence(state, ann):
    decisions = decided(state, [event(ann, S.GIVEN)], [])
    decided(state, [event(handle_of(state, "bob"), S.GIVEN)], [])

    assert set(evidence(state, decisions).proofs) == {decisions.events[0].id}


def test_the_rules_of_the_day_change_nothing_in_what_is_proven(state, ann):
    decisions = decided(state, [event(ann, S.GIVEN, "gone", recipient="gone")], [])

    assert check_receipt(receipt(state, decisions, rules=policy(), occasion=OCCASION), keys(state)).verdict == "VALID"
