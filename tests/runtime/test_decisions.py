"""Decisions on a running worker: what counts when, and what is left when a worker dies or its log fails."""

import asyncio
import multiprocessing
import os

import pytest
import structlog
from people import handle_of

from gateway.audit.ledger import Ledger
from gateway.audit.reading import newest_first, slots_of
from gateway.audit.verify import verify_directory
from gateway.model.errors import StoreDown
from gateway.model.words import Assurance, ConsentStatus, Posture
from gateway.runtime import decisions as module
from gateway.runtime.consent_turns import alone, together
from gateway.runtime.consents import complete, decide, reconcile
from gateway.runtime.decisions import Choice, Decisions
from gateway.runtime.open_ledger import open_ledger
from gateway.runtime.settings_ledger import LedgerSettings
from gateway.stores.consent import CONSENTS, SqliteConsentStore
from gateway.stores.event import ConsentEvent, EventRefused, ServedNotice, new_event_id, now_microseconds
from gateway.stores.keyfile import create_keys

S = ConsentStatus
LOG = structlog.get_logger()
GRANT = Choice("ads", S.GIVEN)
HOUR = 3600 * 1_000_000


@pytest.fixture
def state(tmp_path):
    create_keys(tmp_path / "state")
    return tmp_path / "state"


@pytest.fixture
def ann(state):
    return handle_of(state, "ann@shop.example")


@pytest.fixture
def store(state):
    opened = SqliteConsentStore(state / CONSENTS, busy_timeout=5)
    yield opened
    opened.close()


class Worker:
    """Decisions with a log of their own, as one worker has them."""

    def __init__(self, state, slot="w0"):
        settings = LedgerSettings()
        self.ledger = open_ledger(state, slot, origin=f"test/{slot}", settings=settings, timeout=5)
        self.decisions = Decisions(state, self.ledger, LOG)

    async def __aenter__(self):
        return self.decisions

    async def __aexit__(self, *_):
        await self.decisions.close()
        if self.ledger.healthy():
            await self.ledger.close()


def standings(store, subject):
    return {key: consent.status for key, consent in store.state(subject).consents.items()}


def records(state, slot="w0"):
    entries = newest_first([each for each in slots_of(state) if each.name == slot], lambda line: b'"consent"' in line)
    return [entry.record for entry in entries if entry.record["kind"] == "consent"][::-1]


def answer(decisions, subject, *choices, **more):
    return decisions.decide(subject, choices, **({"method": "page", "assurance": Assurance.LOW} | more))


def shown(subject, at=None, **changes):
    at = now_microseconds() if at is None else at
    fields = {"notice": "choices", "version": "3", "digest": "ab" * 32, "language": "de", "method": "page"}
    return ServedNotice(**{"id": new_event_id(at), "subject": subject, "at": at, **fields, **changes})


# --- what counts -----------------------------------------------------------------------------------


async def test_a_decision_counts_and_is_a_record_of_this_workers_log(state, store, ann):
    async with Worker(state) as decisions:
        notice = shown(ann)
        await decisions.serve(notice)
        end = now_microseconds() + HOUR
        choices = (
            Choice("ads", S.GIVEN, "mailer", end),
            Choice("analytics", S.REFUSED),
            Choice("security", S.OBJECTED),
        )
        events = await answer(decisions, ann, *choices, notice=notice)
        assert standings(store, ann) == {
            ("ads", "mailer"): S.GIVEN,
            ("analytics", "*"): S.REFUSED,
            ("security", "*"): S.OBJECTED,
        }
        assert await decisions.history(ann) == store.history(ann)
        assert {event.id for event in events} == {event.id for event in store.history(ann)}
    first = records(state)[0]
    assert {record["status"] for record in records(state)} == {"given", "refused", "objected"}
    assert (first["subject"], first["method"], first["assurance"]) == (ann, "page", "low")
    assert (first["notice"], first["notice_version"], first["notice_digest"]) == ("choices", "3", "ab" * 32)
    assert store.owed() == []
    assert (reconcile(state, store).alike, reconcile(state, store).agree) == (3, True)
    assert verify_directory(state, allow_unanchored=True).words == "VERIFIED"


async def test_every_worker_of_the_host_sees_it_at_once(state, store, ann):
    async with Worker(state) as one, Worker(state, "w1") as other:
        await answer(one, ann, GRANT)
        assert standings(store, ann) == {("ads", "*"): S.GIVEN}
        await answer(other, ann, Choice("ads", S.WITHDRAWN))
        assert standings(store, ann) == {("ads", "*"): S.WITHDRAWN}
    assert [len(records(state, slot)) for slot in ("w0", "w1")] == [1, 1]


async def test_a_decision_counts_after_those_before_it_also_where_the_clock_went_back(state, store, ann, monkeypatch):
    async with Worker(state) as decisions:
        [given] = await answer(decisions, ann, GRANT)
        monkeypatch.setattr(module, "now_microseconds", lambda: given.at - HOUR)
        [withdrawn] = await answer(decisions, ann, Choice("ads", S.WITHDRAWN))
    assert withdrawn.at == given.at + 1
    assert standings(store, ann) == {("ads", "*"): S.WITHDRAWN}


async def test_two_answers_to_one_question_are_none(state, store, ann):
    async with Worker(state) as decisions:
        with pytest.raises(EventRefused, match="chosen_twice"):
            await answer(decisions, ann, GRANT, Choice("ads", S.WITHDRAWN))
        assert await answer(decisions, ann) == []
    assert store.history(ann) == []


async def test_consent_to_a_notice_that_was_never_shown_does_not_count(state, store, ann):
    async with Worker(state) as decisions:
        await decisions.serve(shown(handle_of(state, "eve@shop.example")))
        with pytest.raises(EventRefused, match="notice_not_served"):
            await answer(decisions, ann, GRANT, notice=shown(ann))
        await answer(decisions, ann, Choice("ads", S.REFUSED), notice=shown(ann))
    assert standings(store, ann) == {("ads", "*"): S.REFUSED}


async def test_consent_that_ended_before_it_began_is_refused(state, store, ann):
    async with Worker(state) as decisions:
        with pytest.raises(ValueError, match="only consent has an end"):
            await answer(decisions, ann, Choice("ads", S.GIVEN, "*", 1))
    assert store.history(ann) == []


# --- what was shown --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("again", "rows"),
    [
        ({}, 1),
        ({"version": "4"}, 2),
        ({"digest": "cd" * 32}, 2),
        ({"notice": "other"}, 2),
    ],
)
async def test_what_was_shown_within_the_hour_is_not_recorded_again(state, ann, again, rows):
    at = now_microseconds()
    async with Worker(state) as decisions:
        await decisions.serve(shown(ann, at - HOUR))
        await decisions.serve(shown(ann, at, **again))
        assert len(await decisions.served(ann)) == rows
        await decisions.serve(shown(ann, at + 2 * HOUR, **again))
        assert len(await decisions.served(ann)) == rows + 1
        eve = handle_of(state, "eve@shop.example")
        await decisions.serve(shown(eve, at))
        assert len(await decisions.served(eve)) == 1


async def test_what_was_shown_last(state, ann):
    at = now_microseconds()
    first, last = shown(ann, at, version="3"), shown(ann, at + 1, version="4")
    async with Worker(state) as decisions:
        assert await decisions.last_served(ann, "choices") is None
        for notice in (last, first):
            await decisions.serve(notice)
        assert await decisions.last_served(ann, "choices") == last
        assert await decisions.last_served(ann, "other") is None


# --- a log that cannot be written ------------------------------------------------------------------


def break_log(monkeypatch):
    def failing(ledger, before, after):
        future = asyncio.get_running_loop().create_future()
        future.set_exception(StoreDown(Posture.AUDIT_UNAVAILABLE, "no room"))
        return future

    monkeypatch.setattr(Ledger, "commit", failing)


async def test_what_widens_waits_for_its_record_and_what_narrows_does_not(state, store, ann, monkeypatch):
    async with Worker(state) as decisions:
        with monkeypatch.context() as patched:
            break_log(patched)
            with pytest.raises(StoreDown, match="counts as soon as") as caught:
                await answer(decisions, ann, GRANT, Choice("analytics", S.REFUSED))
            assert caught.value.posture is Posture.AUDIT_UNAVAILABLE
            assert standings(store, ann) == {("analytics", "*"): S.REFUSED}
            await answer(decisions, ann, Choice("security", S.OBJECTED))
            assert standings(store, ann) == {("analytics", "*"): S.REFUSED, ("security", "*"): S.OBJECTED}
        assert len(store.owed()) == 3

        await answer(decisions, ann, Choice("service", S.RESTRICTED))
    assert store.owed() == []
    assert ("ads", "*") in standings(store, ann)
    assert (reconcile(state, store).alike, reconcile(state, store).agree) == (4, True)


async def test_a_store_that_is_gone_is_told(state, ann):
    async with Worker(state) as decisions:
        await decisions.history(ann)
        (state / "consent.sqlite").rename(state / "elsewhere")
        (state / "consent.generation").unlink()
        with pytest.raises(StoreDown) as caught:
            await answer(decisions, ann, Choice("ads", S.WITHDRAWN))
        assert caught.value.posture is Posture.CONSENT_STORE_DOWN


async def test_a_store_that_cannot_be_opened_is_told_and_tried_again(state, ann):
    path = state / CONSENTS
    path.mkdir()
    async with Worker(state) as decisions:
        for ask in (decisions.history(ann), decisions.serve(shown(ann)), answer(decisions, ann, GRANT)):
            with pytest.raises(StoreDown):
                await ask
        path.rmdir()
        assert await decisions.history(ann) == []


async def test_without_a_ledger_what_is_decided_counts(state, store, ann):
    decisions = Decisions(state, None, LOG)
    await answer(decisions, ann, GRANT)
    await decisions.close()
    assert standings(store, ann) == {("ads", "*"): S.GIVEN}


async def test_whoever_goes_away_leaves_nothing_half_done(state, store, ann):
    async with Worker(state) as decisions:
        asked = asyncio.create_task(answer(decisions, ann, GRANT))
        await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
    assert standings(store, ann) == {("ads", "*"): S.GIVEN}
    assert reconcile(state, store).alike == 1


# --- beside commands -------------------------------------------------------------------------------


async def test_while_a_command_records_only_what_narrows_counts(state, store, ann, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    async with Worker(state) as decisions:
        with alone(state, 0):
            with pytest.raises(StoreDown, match="another command"):
                await answer(decisions, ann, GRANT, Choice("analytics", S.REFUSED))
            await answer(decisions, ann, Choice("security", S.OBJECTED))
            assert set(standings(store, ann)) == {("analytics", "*"), ("security", "*")}
            assert records(state) == []
        await answer(decisions, ann, GRANT)
    assert set(standings(store, ann)) == {("ads", "*"), ("analytics", "*"), ("security", "*")}
    assert (reconcile(state, store).alike, reconcile(state, store).agree) == (3, True)


async def test_what_a_command_completed_meanwhile_has_one_record(state, store, ann):
    """The command comes between the two steps of what narrows."""
    async with Worker(state) as decisions:
        at = now_microseconds()
        event = ConsentEvent(id=new_event_id(at), subject=ann, purpose="ads", status=S.WITHDRAWN, at=at, method="page")
        store.append(event)
        assert complete(state, store) == 1
        async with together(state, 1):
            await decisions._commit([event], set())
    assert records(state) == []
    assert len(records(state, "operator")) == 1


# --- dying between two steps -----------------------------------------------------------------------

STEPS = {
    "nothing done": (SqliteConsentStore, "_insert", "before"),
    "inserted, not committed": (SqliteConsentStore, "_insert", "after"),
    "in the store": (SqliteConsentStore, "owed", "before"),
    "about to record": (Ledger, "commit", "before"),
    "record on its way": (Ledger, "commit", "after"),
    "record durable": (SqliteConsentStore, "settle", "before"),
    "settled": (SqliteConsentStore, "settle", "after"),
}
KEPT = [step for step in STEPS if step not in ("nothing done", "inserted, not committed")]


def die(state, subject, status, step):
    """In a process of its own: decide on a worker, and be gone before or after one call."""
    owner, name, when = STEPS[step]
    original = getattr(owner, name)

    def deadly(*arguments):
        if when == "after":
            original(*arguments)
        os._exit(9)

    async def work():
        worker = Worker(state)
        setattr(owner, name, deadly)
        await answer(worker.decisions, subject, Choice("ads", status))

    asyncio.run(work())


@pytest.mark.parametrize("status", [S.GIVEN, S.WITHDRAWN])
@pytest.mark.parametrize("step", STEPS)
def test_p2_p4_what_a_worker_leaves_when_it_dies_the_next_one_completes(state, store, ann, step, status):
    watching = SqliteConsentStore(state / CONSENTS, busy_timeout=5)
    assert standings(watching, ann) == {}
    process = multiprocessing.get_context("fork").Process(target=die, args=(state, ann, status, step))
    process.start()
    process.join(20)
    assert process.exitcode == 9

    counts = standings(watching, ann)
    if status is S.GIVEN and counts:
        assert records(state), "consent counted before its record was durable"
    if status is S.WITHDRAWN and step in KEPT:
        assert counts == {("ads", "*"): S.WITHDRAWN}
    complete(state, store)
    wanted = [status] if step in KEPT else []
    assert [record["status"] for slot in ("w0", "operator") for record in records(state, slot)] == wanted
    assert standings(watching, ann) == ({("ads", "*"): status} if wanted else {})
    assert (reconcile(state, store).agree, reconcile(state, store).alike) == (True, len(wanted))
    watching.close()


def test_a_commands_decision_and_a_workers_are_of_one_kind(state, store, ann):
    at = now_microseconds()
    event = ConsentEvent(id=new_event_id(at), subject=ann, purpose="ads", status=S.GIVEN, at=at, method="page")
    decide(state, store, event)

    async def work():
        async with Worker(state) as decisions:
            await decisions.decide(ann, [GRANT], method="page", assurance=Assurance.LOW)

    asyncio.run(work())
    [by_command], [by_worker] = records(state, "operator"), records(state)
    assert set(by_worker) - set(by_command) == {"assurance"}
