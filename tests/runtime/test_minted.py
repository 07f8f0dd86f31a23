"""Pseudonyms that left lead back to their people, in every worker, and to nobody else."""

import asyncio

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gateway.crypto.keyring import KeyRing
from gateway.model.errors import StoreDown
from gateway.runtime.erasure import erase
from gateway.runtime.open_people import open_holders, open_people
from gateway.stores.holders import Holders
from gateway.stores.keyfile import create_keys, load_keyring
from gateway.transforms.pseudonymise import pseudonymiser

EMAIL, PHONE, UNIQUE = "user.contact.email", "user.contact.phone_number", "user.unique_id"
ANN = "ann@shop.example"


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    made = tmp_path_factory.mktemp("minted") / "state"
    create_keys(made)
    return made


@pytest.fixture(scope="module")
def keys(state):
    return load_keyring(state)


@pytest.fixture
def worker(state, keys):
    opened = open_people(state, keys)
    yield opened
    opened.close()


@pytest.fixture
def other(state, keys):
    opened = open_people(state, keys)
    yield opened
    opened.close()


def scope(keys, data_class=EMAIL, recipient="shop"):
    return pseudonymiser(keys, recipient, data_class)


async def minted(people, identifier, mint):
    handle = await people.handle(identifier)
    await people.mint(identifier, handle, [mint])
    return handle, mint(identifier)


async def test_a_pseudonym_names_its_person_in_every_worker_in_every_way(worker, other, keys):
    handle, text = await minted(worker, ANN, scope(keys))
    for people in (worker, other):
        assert people.known(text) == people.find(text) == people.handle_so_far(text) == handle
        assert await people.handle(text) == await people.meet(text) == (await people.subject(text)).handle == handle
        assert await people.meet_all(["bob", text, " ", "p1.26q4a." + "A" * 22]) == {
            "bob": await people.handle("bob"),
            text: handle,
        }


async def test_each_recipient_class_and_epoch_has_a_pseudonym_of_its_own_and_all_lead_to_one_person(
    worker, other, keys
):
    later = KeyRing(keys._root, "27q1a")
    mints = [scope(keys), scope(keys, recipient="mailer"), scope(keys, UNIQUE), scope(later)]
    handle = await worker.handle(ANN)
    await worker.mint(ANN, handle, mints)
    texts = {mint(ANN) for mint in mints}
    assert len(texts) == 4
    assert {await other.handle(text) for text in texts} == {handle}


async def test_a_pseudonym_of_a_pseudonym_leads_to_the_same_person(worker, other, keys):
    handle, text = await minted(worker, ANN, scope(keys))
    assert await minted(other, text, scope(keys, recipient="mailer")) == (handle, scope(keys, recipient="mailer")(text))
    assert await worker.handle(scope(keys, recipient="mailer")(text)) == handle


@pytest.mark.parametrize("data_class", [EMAIL, PHONE, UNIQUE])
def test_any_identifier_however_spelled_leads_to_its_person_and_what_was_altered_to_nobody(state, keys, data_class):
    """One worker mints what the other is sent; neither ever makes somebody of a text that looks like a pseudonym."""
    spaces = st.text(alphabet=" \t\u00a0", max_size=2)
    spell = st.sampled_from([str, str.upper, str.lower, str.title, str.casefold])

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.text(min_size=1, max_size=12).filter(lambda text: text.strip() and text.isprintable()),
        spell,
        spaces,
        st.integers(9, 30),
        st.characters(codec="ascii", categories=["L", "N", "P", "Z"]),
    )
    def holds(identifier, spelled, space, place, altered):
        # Of two texts with the same digits, the class of telephone numbers makes one pseudonym.
        assume(data_class != PHONE or not any(map(str.isdecimal, identifier)))

        async def check():
            people, other = open_people(state, keys), open_people(state, keys)
            mint = scope(keys, data_class)
            written = space + spelled(identifier) + space
            handle, text = await minted(people, written, mint)
            assert await other.handle(text) == handle == await other.handle(written)
            forged = text[:place] + altered + text[place + 1 :]
            tried = [forged, text + altered, text[:-1], " " + text, text.upper(), text.replace("26q4a", "26q3z")]
            for each in tried:
                assert await other.handle(each) == (handle if each == text else None)
            people.close()
            other.close()

        asyncio.run(check())

    holds()


async def test_a_pseudonym_that_two_people_have_names_neither(worker, other, keys):
    mint = scope(keys, PHONE)
    handle, text = await minted(worker, "+49 151 234", mint)
    assert other.known(text) == handle
    second, same = await minted(worker, "+49151234", mint)
    assert (same, second == handle) == (text, False)
    assert [await people.handle(text) for people in (worker, other)] == [None, None]
    erase_one(other, "+49151234", keys)
    assert [await people.handle(text) for people in (worker, other)] == [handle, handle]


def erase_one(people, identifier, keys):
    store = people._store
    store.erase([store.find(identifier).digest])


async def test_who_is_known_costs_neither_thread_nor_disk(worker, keys, monkeypatch):
    handle, text = await minted(worker, ANN, scope(keys))
    assert worker.known(text) == handle
    monkeypatch.setattr(Holders, "find", None)
    monkeypatch.setattr(Holders, "keep", None)
    await worker.mint(ANN, handle, [scope(keys)])
    assert worker.known(text) == handle


async def test_a_crowd_shares_its_transactions(worker, keys, monkeypatch):
    rounds = []
    keep = Holders.keep

    def counted(self, pseudonyms):
        rounds.append(len(pseudonyms))
        return keep(self, pseudonyms)

    monkeypatch.setattr(Holders, "keep", counted)
    crowd = [f"{number}@crowd.example" for number in range(60)]
    handles = await worker.meet_all(crowd)
    mint = scope(keys)
    await asyncio.gather(*[worker.mint(each, handle, [mint]) for each, handle in handles.items()])
    assert sum(rounds) == 60
    assert len(rounds) <= 2
    assert await worker.meet_all([mint(each) for each in crowd]) == {mint(each): handles[each] for each in crowd}


async def test_after_an_erasure_the_pseudonym_is_nobodys_until_it_is_given_out_again(worker, other, state, keys):
    handle, text = await minted(worker, "eve@shop.example", scope(keys))
    assert other.known(text) == handle
    digest = other._store.find("eve@shop.example").digest
    erase(state, keys, "eve@shop.example", by="dpo")
    holders = open_holders(state, keys)
    assert holders._pseudonyms.count(digest) == 0
    holders.close()
    assert [await people.handle(text) for people in (worker, other)] == [None, None]
    again, same = await minted(worker, "eve@shop.example", scope(keys))
    assert (same, again != handle) == (text, True)
    assert await other.handle(text) == again


async def test_an_erasure_while_a_row_is_written_leaves_none(worker, state, keys, monkeypatch):
    await worker.handle("kim@shop.example")
    digest = worker._store.find("kim@shop.example").digest
    people = Holders._people

    def overtaken(self, identifiers):
        found = people(self, identifiers)
        erase(state, keys, "kim@shop.example", by="dpo")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Holders, "_people", overtaken)
        await worker.mint("kim@shop.example", worker.known("kim@shop.example"), [scope(keys)])
    holders = open_holders(state, keys)
    assert holders._pseudonyms.count(digest) == 0
    holders.close()
    assert await worker.handle(scope(keys)("kim@shop.example")) is None


async def test_without_the_store_nobody_can_tell(worker, keys, tmp_path, state):
    handle, text = await minted(worker, ANN, scope(keys))
    (state / "pseudonyms.generation").rename(tmp_path / "aside")
    try:
        with pytest.raises(StoreDown):
            worker.known(text)
        with pytest.raises(StoreDown):
            await worker.mint(ANN, handle, [scope(keys)])
        assert await worker.handle("bob") is not None, "who comes by name is found without it"
    finally:
        (tmp_path / "aside").rename(state / "pseudonyms.generation")
    assert worker.known(text) == handle
