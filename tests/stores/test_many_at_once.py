"""Many people asked for at once are answered as one by one, with one question to the database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.crypto.keyring import KeyRing
from gateway.model.words import ConsentStatus
from gateway.runtime.open_people import open_people
from gateway.stores import consent as module
from gateway.stores import subjects as subjects_module
from gateway.stores.consent import SqliteConsentStore
from gateway.stores.event import ConsentEvent, new_event_id
from gateway.stores.subjects import SqliteSubjectStore

KEYS = KeyRing(bytes(32), "26q4a")
PEOPLE = [KEYS.subject_handle(name) for name in "abcdef"]
AT = 1_790_000_000_000_000


def questions(store):
    asked = []
    store._connection.set_trace_callback(lambda text: asked.append(text) if text.startswith("SELECT") else None)
    return asked


def event(person, purpose, status, moment):
    at = AT + moment
    return ConsentEvent(id=new_event_id(at), subject=person, purpose=purpose, status=status, at=at, method="test")


EVENTS = st.lists(
    st.builds(
        event,
        st.sampled_from(PEOPLE),
        st.sampled_from(["ads", "analytics"]),
        st.sampled_from([each for each in ConsentStatus if each is not ConsentStatus.EXPIRED]),
        st.integers(0, 3),
    ),
    max_size=20,
    unique_by=lambda each: each.id,
)


@given(EVENTS, st.lists(st.sampled_from(PEOPLE), max_size=8))
def test_all_states_at_once_are_those_of_one_by_one(tmp_path_factory, events, wanted):
    path = tmp_path_factory.mktemp("many") / "consent.sqlite"
    store, other = SqliteConsentStore(path), SqliteConsentStore(path)
    store.append_all(events)
    asked = questions(other)
    assert other.states(wanted) == {each: store.state(each) for each in wanted}
    assert len(asked) == bool(wanted)
    assert other.states(wanted) == {each: store.state(each) for each in wanted}
    assert len(asked) == bool(wanted)
    for each in (store, other):
        each.close()


def test_more_people_than_are_remembered_are_answered_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_CACHED_SUBJECTS", 2)
    store = SqliteConsentStore(tmp_path / "consent.sqlite")
    store.append_all([event(each, "ads", ConsentStatus.GIVEN, 0) for each in PEOPLE])
    for _ in range(2):
        states = store.states(PEOPLE)
        assert {each: states[each].consents["ads", "*"].status for each in PEOPLE} == dict.fromkeys(
            PEOPLE, ConsentStatus.GIVEN
        )
        assert len(store._cache) <= 2
    store.append(event(PEOPLE[0], "ads", ConsentStatus.WITHDRAWN, 1))
    assert store.states(PEOPLE)[PEOPLE[0]].consents["ads", "*"].status is ConsentStatus.WITHDRAWN
    store.close()


@pytest.mark.parametrize(("at_once", "expected"), [(30_000, 1), (2, 3)])
def test_keys_are_read_with_as_few_questions_as_a_statement_allows(tmp_path, monkeypatch, at_once, expected):
    indexes = [KEYS.subject_index(name) for name in "abcdef"]
    store = SqliteSubjectStore(tmp_path / "subjects.sqlite", KEYS)
    handles = store.handles(indexes)
    monkeypatch.setattr(subjects_module, "_ASKED_AT_ONCE", at_once)
    asked = questions(store)
    assert store.handles(indexes) == handles
    assert len(asked) == expected
    store.close()


async def test_everybody_is_met_at_once_and_whom_no_text_names_is_left_out(tmp_path):
    people = open_people(tmp_path, KEYS)
    met = await people.meet_all(["ann", "ANN", "bob", " ", "\ud800"])
    assert set(met) == {"ann", "ANN", "bob"}
    assert met["ann"] == met["ANN"] == await people.meet("ann") != met["bob"]
    assert await people.meet_all(["bob", "ann"]) == {"ann": met["ann"], "bob": met["bob"]}
    assert await people.meet_all([]) == {}
    people.close()
