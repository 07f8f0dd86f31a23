"""One person's records for an event loop: bounded, in a thread, and beside other processes that index."""

import asyncio
import multiprocessing
import threading

import pytest

from gateway.audit.index import Index
from gateway.audit.operator_log import OperatorLog
from gateway.crypto.sign import SigningKey
from gateway.model.errors import StoreDown
from gateway.model.words import Posture
from gateway.runtime.record_reader import NotReady, RecordReader

ANN, VISITOR, BOB = ("s1." + letter * 21 + "A" for letter in "abc")


def append(state, *subjects, kind="collect"):
    log = OperatorLog(state / "audit", SigningKey("example.org/log/operator", bytes(32)))
    log.append({"kind": kind, "subject": subject, "request": f"r{n}"} for n, subject in enumerate(subjects))


@pytest.fixture
def state(tmp_path):
    (tmp_path / "audit").mkdir()
    return tmp_path


@pytest.fixture
def reader(state):
    opened = RecordReader(state)
    yield opened
    opened.close()


def subjects(found):
    return [entry.record["subject"] for entry in found.entries]


async def test_records_of_all_handles_of_a_person_newest_first(state, reader):
    append(state, ANN, BOB, VISITOR)
    append(state, ANN)
    found = await reader.find([ANN, VISITOR, ANN])

    assert subjects(found) == [ANN, VISITOR, ANN]
    assert found.complete
    assert found.as_of >= found.entries[0].record["time"]


async def test_what_was_recorded_meanwhile_is_found_by_the_next_question(state, reader):
    append(state, ANN)
    first = await reader.find([ANN])
    append(state, ANN)

    assert (len(first.entries), len((await reader.find([ANN])).entries)) == (1, 2)


async def test_closing_ends_a_search_that_is_under_way_and_waits_for_none(state, monkeypatch):
    append(state, *[ANN] * 5)
    reader = RecordReader(state)
    begun, go_on, seen = threading.Event(), threading.Event(), []
    search = Index.search

    def slow(index, query):
        for entry in search(index, query):
            seen.append(entry)
            begun.set()
            go_on.wait(10)
            yield entry

    monkeypatch.setattr(Index, "search", slow)
    asked = asyncio.create_task(reader.find([ANN]))
    waiting = asyncio.create_task(reader.find([ANN]))
    await asyncio.to_thread(begun.wait, 10)
    reader.close()
    assert not asked.done()
    go_on.set()
    with pytest.raises(NotReady):
        await asked
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert len(seen) < 5


async def test_times_bound_the_search(state, reader):
    append(state, ANN)
    append(state, ANN)
    everything = (await reader.find([ANN])).entries
    newest, oldest = (entry.record["time"] for entry in everything)

    assert (await reader.find([ANN], since=newest)).entries == everything[:1]
    assert (await reader.find([ANN], until=newest)).entries == everything[1:]
    assert newest > oldest


@pytest.mark.parametrize(("most", "complete"), [(2, False), (3, True)])
async def test_older_ones_that_were_left_out_are_said(state, reader, most, complete):
    append(state, ANN, ANN, ANN)
    found = await reader.find([ANN], most=most)

    assert (len(found.entries), found.complete) == (most, complete)


async def test_the_time_for_one_answer_is_bounded(state):
    append(state, *[ANN] * 100)
    reader = RecordReader(state, most_seconds=0)
    found = await reader.find([ANN])
    reader.close()

    assert (len(found.entries), found.complete) == (63, False)


async def test_the_loop_goes_on_while_the_thread_reads(state, reader):
    append(state, ANN)
    release = threading.Event()
    question = asyncio.create_task(reader.ask(lambda opened: (release.wait(20), opened.as_of)))
    turns = 0
    for _ in range(50):
        await asyncio.sleep(0)
        turns += 1
    release.set()

    assert turns == 50
    assert (await question)[0]


async def test_no_more_wait_than_may(state):
    append(state, ANN)
    reader = RecordReader(state, most_waiting=1)
    release = threading.Event()
    first = asyncio.create_task(reader.ask(lambda _: release.wait(20)))
    await asyncio.sleep(0)
    with pytest.raises(StoreDown, match="too many wait") as refused:
        await reader.find([ANN])
    release.set()
    await first

    assert refused.value.posture is Posture.AUDIT_UNAVAILABLE
    assert subjects(await reader.find([ANN])) == [ANN]
    reader.close()


async def test_what_is_too_much_for_a_worker_is_indexed_by_a_process_of_its_own(state):
    append(state, ANN)
    reader = RecordReader(state, most_bytes=10)
    with pytest.raises(StoreDown, match="being built"):
        await reader.find([ANN])
    await asyncio.to_thread(reader._builder.wait, 60)

    assert reader._builder.returncode == 0
    assert subjects(await reader.find([ANN])) == [ANN]

    append(state, ANN)
    behind = await reader.find([ANN])
    await asyncio.to_thread(reader._builder.wait, 60)
    caught_up = await reader.find([ANN])

    assert (len(behind.entries), len(caught_up.entries)) == (1, 2)
    assert behind.as_of < caught_up.entries[0].record["time"] <= caught_up.as_of
    reader.close()


async def test_a_damaged_index_is_built_anew(state, reader):
    append(state, *[ANN] * 50)
    await reader.find([ANN])
    path = state / "audit" / "index.sqlite"
    content = bytearray(path.read_bytes())
    content[4096 * 2 :] = b"\xff" * (len(content) - 4096 * 2)
    path.write_bytes(content)
    try:
        found = subjects(await reader.find([ANN]))  # what is met while it is opened is replaced at once
    except StoreDown:
        await asyncio.to_thread(reader._builder.wait, 60)
        found = subjects(await reader.find([ANN]))

    assert found == [ANN] * 50


async def test_without_a_log_there_is_no_answer(state, reader):
    with pytest.raises(StoreDown, match="no log"):
        await reader.find([ANN])


def look_often(state, rounds):
    async def ask():
        reader = RecordReader(state)
        for _ in range(rounds):
            found = await reader.find([ANN])
            assert subjects(found) == [ANN] * len(found.entries)
        reader.close()
        return len(found.entries)

    assert asyncio.run(ask()) > 0


def test_workers_and_commands_share_the_index(state):
    append(state, ANN)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=look_often, args=(state, 15)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for _ in range(10):
        append(state, ANN, BOB)
        Index.open(state / "audit").close()
    for worker in workers:
        worker.join(100)

    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert look_often(state, 1) is None
