"""What of a visitor's decisions becomes the person's at sign-in."""

import pytest
import structlog
from people import handle_of

from gateway.audit.ledger import Ledger
from gateway.model.errors import StoreDown
from gateway.model.words import Assurance, ConsentStatus
from gateway.runtime.consents import reconcile
from gateway.runtime.decisions import Choice, Decisions
from gateway.runtime.open_ledger import open_ledger
from gateway.runtime.settings_ledger import LedgerSettings
from gateway.stores.consent import CONSENTS, SqliteConsentStore
from gateway.stores.event import ConsentEvent, ServedNotice, new_event_id, now_microseconds
from gateway.stores.keyfile import create_keys

S = ConsentStatus
HOUR = 3600 * 1_000_000


@pytest.fixture
def state(tmp_path):
    create_keys(tmp_path / "state")
    return tmp_path / "state"


@pytest.fixture
def visitor(state):
    return handle_of(state, "visitor:AAAAAAAAAAAAAAAAAAAAAA")


@pytest.fixture
def ann(state):
    return handle_of(state, "ann@shop.example")


@pytest.fixture
def store(state):
    opened = SqliteConsentStore(state / CONSENTS, busy_timeout=5)
    yield opened
    opened.close()


@pytest.fixture
async def decisions(state):
    opened = Decisions(state, None, structlog.get_logger())
    yield opened
    await opened.close()


def said(store, subject, status, ago, purpose="ads", recipient="*", **more):
    at = now_microseconds() - ago * HOUR
    event = ConsentEvent(
        id=new_event_id(at), subject=subject, purpose=purpose, recipient=recipient, status=status, at=at,
        **({"method": "page", "assurance": Assurance.NONE} | more),
    )  # fmt: skip
    store.prepare([event])
    store.settle([event.id])
    return event


def standings(store, subject):
    return {key: consent.status for key, consent in store.state(subject).consents.items()}


@pytest.mark.parametrize(
    ("visitors", "own", "expected"),
    [
        ([(S.GIVEN, 2)], [], S.GIVEN),
        ([(S.GIVEN, 2)], [(S.WITHDRAWN, 3)], S.GIVEN),
        ([(S.GIVEN, 2)], [(S.WITHDRAWN, 1)], S.WITHDRAWN),
        ([(S.GIVEN, 2)], [(S.WITHDRAWN, 2)], S.WITHDRAWN),
        ([(S.REFUSED, 2)], [(S.GIVEN, 3)], S.REFUSED),
        ([(S.REFUSED, 2)], [(S.GIVEN, 1)], S.GIVEN),
        ([(S.GIVEN, 3), (S.WITHDRAWN, 2)], [], S.WITHDRAWN),
        ([(S.GIVEN, 3), (S.WITHDRAWN, 2)], [(S.GIVEN, 1)], S.GIVEN),
        ([(S.WITHDRAWN, 3), (S.GIVEN, 1)], [(S.OBJECTED, 2)], S.GIVEN),
        ([(S.RENEWED, 1)], [], S.GIVEN),
        ([(S.OBJECTED, 1)], [], S.OBJECTED),
        ([(S.GIVEN, 3), (S.UNKNOWN, 2)], [], None),
        ([(S.GIVEN, 3), (S.UNKNOWN, 1)], [(S.REFUSED, 2)], S.REFUSED),
        # A restriction lies over the answers, and only whoever asked for one lifts it.
        ([(S.RESTRICTED, 1)], [(S.GIVEN, 2)], S.RESTRICTED),
        ([(S.RESTRICTED, 2), (S.UNRESTRICTED, 1)], [], None),
        ([(S.RESTRICTED, 2), (S.UNRESTRICTED, 1)], [(S.RESTRICTED, 3)], S.RESTRICTED),
        ([(S.GIVEN, 2), (S.RESTRICTED, 1)], [(S.REFUSED, 3)], S.RESTRICTED),
        ([], [(S.GIVEN, 1)], S.GIVEN),
    ],
)  # fmt: skip
async def test_the_newer_answer_to_a_question_counts(store, decisions, visitor, ann, visitors, own, expected):
    for subject, events in ((visitor, visitors), (ann, own)):
        for status, ago in events:
            said(store, subject, status, ago)
    await decisions.carry(visitor, ann)
    assert standings(store, ann).get(("ads", "*")) == expected


async def test_answers_to_other_questions_stay(store, decisions, visitor, ann):
    said(store, visitor, S.GIVEN, 1, recipient="mailer")
    said(store, visitor, S.REFUSED, 1, purpose="analytics")
    said(store, ann, S.WITHDRAWN, 2)
    said(store, ann, S.GIVEN, 2, purpose="analytics", recipient="counter")
    await decisions.carry(visitor, ann)
    assert standings(store, ann) == {
        ("ads", "mailer"): S.GIVEN,
        ("ads", "*"): S.WITHDRAWN,
        ("analytics", "*"): S.REFUSED,
        ("analytics", "counter"): S.GIVEN,
    }


async def test_what_is_carried_says_how_it_came(store, decisions, visitor, ann):
    end = now_microseconds() + HOUR
    before = said(store, visitor, S.GIVEN, 1, recipient="mailer", valid_until=end, actor="desk")
    [event] = await decisions.carry(visitor, ann)
    assert (event.subject, event.method, event.assurance, event.actor) == (ann, "sign_in", "none", None)
    assert (event.recipient, event.valid_until, event.id != before.id) == ("mailer", end, True)
    assert event.at > before.at
    assert store.history(ann) == [event]
    assert store.history(visitor) == [before]


async def test_it_is_carried_once(store, decisions, visitor, ann):
    said(store, visitor, S.GIVEN, 1)
    said(store, visitor, S.WITHDRAWN, 1, purpose="analytics")
    assert len(await decisions.carry(visitor, ann)) == 2
    assert await decisions.carry(visitor, ann) == []


async def test_consent_that_has_ended_is_not_carried(store, decisions, visitor, ann):
    said(store, visitor, S.GIVEN, 2, valid_until=now_microseconds() - HOUR)
    assert await decisions.carry(visitor, ann) == []


def shown(subject, ago, version="1"):
    at = now_microseconds() - ago * HOUR
    return ServedNotice(
        id=new_event_id(at), subject=subject, notice="choices", version=version, digest="ab" * 32, language="de", at=at,
        method="page",
    )  # fmt: skip


CITED = {"notice": "choices", "notice_version": "1", "notice_digest": "ab" * 32}


async def test_the_notice_that_a_consent_cites_was_shown_to_the_same_person(store, decisions, visitor, ann):
    store.serve(shown(visitor, 3))
    store.serve(shown(visitor, 2, version="2"))
    said(store, visitor, S.GIVEN, 1, **CITED)
    said(store, visitor, S.GIVEN, 1, purpose="analytics", **CITED)
    assert len(await decisions.carry(visitor, ann)) == 2
    [notice] = store.served(ann)
    assert (notice.version, notice.language, notice.method) == ("1", "de", "sign_in")
    assert notice.at == store.served(visitor)[0].at


async def test_a_notice_that_the_person_saw_before_is_not_recorded_again(store, decisions, visitor, ann):
    for subject in (visitor, ann):
        store.serve(shown(subject, 3))
    said(store, visitor, S.GIVEN, 1, **CITED)
    await decisions.carry(visitor, ann)
    assert len(store.served(ann)) == 1


async def test_p2_consent_that_is_carried_counts_after_its_record(state, store, visitor, ann, monkeypatch):
    said(store, visitor, S.GIVEN, 2)
    said(store, visitor, S.WITHDRAWN, 1, purpose="analytics")
    ledger = open_ledger(state, "w0", origin="test/w0", settings=LedgerSettings(), timeout=5)
    decisions = Decisions(state, ledger, structlog.get_logger())

    def failing(*_):
        raise StoreDown("audit_unavailable", "no room")

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "commit", failing)
        with pytest.raises(StoreDown):
            await decisions.carry(visitor, ann)
    assert standings(store, ann) == {("analytics", "*"): S.WITHDRAWN}
    await decisions.decide(ann, [Choice("other", S.REFUSED)], method="page", assurance=Assurance.LOW)
    await decisions.close()
    await ledger.close()
    assert reconcile(state, store).unknown == []
