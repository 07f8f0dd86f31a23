"""A look at the index: brought up to date on the way, or as it is where that would take long."""

import shutil
import threading

import pytest

from gateway.audit import index_look
from gateway.audit.index import Index, NotBuilt
from gateway.audit.index_file import NAME, writing
from gateway.audit.index_look import look
from gateway.audit.lines import timestamp
from gateway.audit.search import Query

PLENTY = 1 << 30


@pytest.fixture
def home(logs):
    return logs.slot.parent


@pytest.fixture(autouse=True)
def _hurried(monkeypatch):
    monkeypatch.setattr(index_look, "PATIENCE", 0.05)


def requests(found):
    with found.index as index:
        return sorted(entry.record["request"] for entry in index.search(Query(recipient="shop")))


def test_what_the_log_grew_by_is_found(logs, home):
    logs.now = "2026-11-23T13:00:00.000000Z"
    logs.write(groups=1, each=1)
    before = timestamp()
    found = look(home, most=PLENTY)

    assert found.as_of >= before
    assert (found.behind, requests(found)) == (False, ["0.0"])


def test_room_that_a_writer_put_ahead_is_nothing_to_read(logs, home):
    writer = logs.start()
    writer.append([logs.record("a")])
    Index.open(home).close()
    found = look(home, most=0)

    assert b"\0" in logs.only_segment().read_bytes()
    assert (found.behind, requests(found)) == (False, ["a"])
    writer.abandon()


def test_of_much_that_is_new_it_says_how_far_it_reaches(logs, home):
    logs.now = "2026-11-23T13:00:00.000000Z"
    writer = logs.start()
    writer.append([logs.record("a", time="2026-11-23T13:00:01.000000Z")])
    Index.open(home).close()
    writer.append([logs.record("b", time="2026-11-23T13:00:02.000000Z")])
    found = look(home, most=10)

    assert (found.behind, found.as_of, requests(found)) == (True, "2026-11-23T13:00:01.000000Z", ["a"])
    assert requests(look(home, most=PLENTY)) == ["a", "b"]
    writer.abandon()


def test_while_another_process_indexes_it_answers_as_it_is(logs, home):
    logs.write(groups=1, each=1)
    Index.open(home).close()
    with writing(home):
        found = look(home, most=PLENTY)

    assert found.behind
    assert found.as_of > "2026-11-23"  # all segments are sealed and read, so nothing is missing of this log
    assert requests(found) == ["0.0"]


@pytest.mark.parametrize("held", [False, True])
def test_without_an_index_nothing_long_is_begun(logs, home, held):
    logs.write(groups=1, each=1)
    lock = writing(home) if held else threading.Lock()
    with lock, pytest.raises(NotBuilt, match="audit index"):
        look(home, most=10)

    assert not (home / NAME).exists()


def test_a_log_that_the_index_has_never_seen_is_not_passed_over(logs, home):
    logs.write(groups=1, each=1)
    Index.open(home).close()
    writer = logs.start(home / "w1", origin="example.org/log/w1")
    writer.append([logs.record("other")])
    writer.abandon()
    with writing(home), pytest.raises(NotBuilt):
        look(home, most=PLENTY)


def test_another_log_in_the_place_of_one_is_not_taken_for_it(logs, home):
    logs.write(groups=1, each=1)
    Index.open(home).close()
    shutil.rmtree(logs.slot)
    logs.start(origin="example.org/other/w0").close()
    with writing(home), pytest.raises(NotBuilt):
        look(home, most=PLENTY)
