"""Whoever has committed a withdrawal waits until nobody acts on what was read before it."""

import threading
from collections import deque

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.model.words import ConsentStatus
from gateway.stores import readers
from gateway.stores.consent import SqliteConsentStore
from gateway.stores.event import ConsentEvent, new_event_id, now_microseconds
from gateway.stores.readers import Reader, wait_for_readers


class Turns:
    """An event loop that is driven step by step: what was looked up is out when its turn has ended, and not before."""

    def __init__(self):
        self.ready = deque()
        self.left = 0
        self.looked = set()
        self.out = set()

    def call_soon(self, callback):
        self.ready.append(callback)

    def step(self, *_):
        if not self.left:
            self.out |= self.looked
            self.left = len(self.ready)
        if self.left:
            self.left -= 1
            self.ready.popleft()()

    def drain(self):
        while self.ready or self.looked - self.out:
            self.step()


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "consent.readers"


@pytest.fixture
def turns():
    return Turns()


def test_where_nobody_reads_nobody_is_waited_for(directory, turns):
    assert wait_for_readers(directory, patience=0)

    Reader(directory, turns.call_soon)
    assert wait_for_readers(directory, patience=0)


def test_a_reader_that_looked_is_waited_for_until_its_turn_is_over(directory, turns):
    reader = Reader(directory, turns.call_soon)
    reader.look()
    assert not wait_for_readers(directory, patience=0)

    turns.drain()
    assert wait_for_readers(directory, patience=0)


def test_a_reader_that_always_looks_is_not_waited_for_for_ever(directory, turns, monkeypatch):
    reader = Reader(directory, turns.call_soon)
    reader.look()

    def busy(_seconds):
        reader.look()
        turns.step()

    monkeypatch.setattr(readers.time, "sleep", busy)

    assert wait_for_readers(directory, patience=60)


EVENTS = st.lists(st.sampled_from(["look", "other", "step"]), max_size=12)


@given(EVENTS, st.lists(st.booleans(), max_size=40))
@example(["other", "look", "step", "other", "step", "step", "look", "step", "step"], [])
def test_what_was_looked_up_before_the_wait_is_out_after_it(tmp_path_factory, before, meanwhile):
    directory = tmp_path_factory.mktemp("readers") / "words"
    turns = Turns()
    reader = Reader(directory, turns.call_soon)
    steps = iter(meanwhile)
    numbers = iter(range(100))

    def look():
        turns.looked.add(next(numbers))
        reader.look()

    def step(*_):
        if next(steps, False):
            turns.call_soon(look)
        turns.step()

    for event in before:
        if event == "step":
            turns.step()
        else:
            turns.call_soon(look if event == "look" else list)
    earlier = set(turns.looked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers.time, "sleep", step)
        assert wait_for_readers(directory, patience=60)
    assert earlier <= turns.out
    reader.close()


def test_a_process_that_died_is_not_waited_for_and_its_file_is_used_again(directory, turns):
    reader = Reader(directory, turns.call_soon)
    reader.look()
    reader.close()
    turns.drain()

    assert wait_for_readers(directory, patience=0)
    assert Reader(directory, turns.call_soon).name == "0"
    assert wait_for_readers(directory, patience=0)


def test_each_process_has_a_file_of_its_own_and_does_not_wait_for_itself(directory, turns):
    one, other = Reader(directory, turns.call_soon), Reader(directory, turns.call_soon)
    assert one.name != other.name
    one.look()

    assert wait_for_readers(directory, patience=0, but=one.name)
    assert not wait_for_readers(directory, patience=0, but=other.name)


def test_p4_a_withdrawal_returns_when_what_others_read_before_it_is_out(tmp_path):
    path = tmp_path / "consent.sqlite"
    turns = Turns()
    reading = SqliteConsentStore(path)
    reading.announce(turns.call_soon)
    person = "s1." + "A" * 22
    sent, sent_when_it_returned = threading.Event(), []

    def withdraw():
        store = SqliteConsentStore(path)
        at = now_microseconds()
        event = ConsentEvent(
            id=new_event_id(at), subject=person, purpose="ads", status=ConsentStatus.WITHDRAWN, at=at, method="test"
        )
        store.append(event)
        sent_when_it_returned.append(sent.is_set())
        store.close()

    assert not reading.state(person).consents
    thread = threading.Thread(target=withdraw)
    thread.start()
    while not reading.state(person).consents:
        pass
    thread.join(0.2)  # time to return too early
    sent.set()
    turns.drain()
    thread.join(10)

    assert sent_when_it_returned == [True]
    reading.close()
