import asyncio
import threading
from functools import partial

import pytest

from gateway.crypto.keyring import KeyRing
from gateway.model.errors import StoreDown
from gateway.model.words import Posture
from gateway.runtime.minted import Minted
from gateway.runtime.open_people import open_holders, open_people
from gateway.runtime.people import People
from gateway.stores.subjects import SqliteSubjectStore

KEYS = KeyRing(bytes(32), "26q4a")
ANN = "ann@shop.example"


class Counting(SqliteSubjectStore):
    """Notes what is asked of it, and waits until it is let go."""

    def __init__(self, path, rounds, gate):
        super().__init__(path, KEYS)
        self.rounds = rounds
        self.gate = gate

    def handles(self, indexes):
        self.rounds.append(len(indexes))
        self.gate.wait(10)
        return super().handles(indexes)


@pytest.fixture
def gate():
    gate = threading.Event()
    gate.set()
    return gate


@pytest.fixture
def rounds():
    return []


@pytest.fixture
async def people(tmp_path, rounds, gate):
    path = tmp_path / "subjects.sqlite"
    minted = Minted(open_holders(tmp_path, KEYS), partial(open_holders, tmp_path, KEYS))
    opened = People(KEYS, SqliteSubjectStore(path, KEYS), lambda: Counting(path, rounds, gate), minted)
    yield opened
    opened.close()


async def test_whoever_was_met_is_known_without_the_thread(people, rounds):
    assert people.known(ANN) is None
    assert people.find(ANN) is None
    handle = await people.meet(ANN)

    assert people.known(" Ann@Shop.example") == people.find(ANN) == handle
    assert await people.meet("bob") != handle
    assert rounds == [1, 1]


async def test_a_crowd_shares_its_transactions(people, rounds, gate):
    gate.clear()
    first = asyncio.create_task(people.meet("0"))
    while not rounds:  # noqa: ASYNC110 - a thread of the test's own sets no event of the loop
        await asyncio.sleep(0.001)
    crowd = [asyncio.create_task(people.meet(str(number % 50))) for number in range(100)]
    await asyncio.sleep(0)
    gate.set()
    handles = await asyncio.gather(first, *crowd)

    assert rounds == [1, 50]
    assert len(set(handles)) == 50
    assert handles[0] == handles[1] == handles[51]


async def test_a_caller_that_goes_away_takes_nobody_with_it(people, gate):
    gate.clear()
    gone, stays = (asyncio.create_task(people.meet(ANN)) for _ in range(2))
    await asyncio.sleep(0.01)
    gone.cancel()
    gate.set()

    assert await stays == people.find(ANN)


async def test_a_store_that_is_down_is_told_to_each_and_asked_again(people, tmp_path):
    await people.meet("bob")
    path = tmp_path / "subjects.sqlite"
    path.rename(tmp_path / "elsewhere")
    people._meeting.store._look_again_at = 0.0
    results = await asyncio.gather(*(people.meet(name) for name in ("a", "b", "a")), return_exceptions=True)
    assert [(type(each), each.posture) for each in results] == [(StoreDown, Posture.CONSENT_STORE_DOWN)] * 3

    (tmp_path / "elsewhere").rename(path)
    assert await people.meet("a")


async def test_an_erasure_while_somebody_waits_is_not_undone_by_memory(people, tmp_path, gate, rounds):
    before = await people.meet(ANN)
    people._store._cache.clear()
    gate.clear()
    waiting = asyncio.create_task(people.meet(ANN))
    while len(rounds) < 2:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.001)
    eraser = SqliteSubjectStore(tmp_path / "subjects.sqlite", KEYS)
    eraser.erase([eraser.find(ANN).digest])
    assert people.known(ANN) is None
    gate.set()

    after = await waiting
    assert after != before
    assert people.known(ANN) is None
    assert await people.meet(ANN) == after


async def test_whom_the_text_does_not_name_is_nobody(people):
    with pytest.raises(ValueError, match="names nobody"):
        people.known(" ")
    with pytest.raises(ValueError, match="names nobody"):
        await people.meet(" ")


async def test_nobody_waits_for_ever_for_people_that_were_closed(tmp_path):
    people = open_people(tmp_path, KEYS)
    people._meeting._thread.shutdown()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(people.meet(ANN), 5)
    people.close()
