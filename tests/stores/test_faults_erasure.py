"""Erasure at size, and row 23 of the table of faults: erase, verify, search, and put the old keys back."""

import itertools
import shutil

import pytest
from people import handle_of

from gateway.audit.commit import GroupWriter
from gateway.audit.reading import slots_of
from gateway.audit.recovery import publish_key
from gateway.audit.search import Query, search
from gateway.audit.tree import Tree
from gateway.audit.verify import verify_directory
from gateway.cli.subject_options import handle_of as look_up
from gateway.crypto.sign import SigningKey
from gateway.model.errors import StoreDown
from gateway.model.words import Posture
from gateway.runtime.erasure import erase, open_subjects
from gateway.stores.keyfile import create_keys, load_keyring

PEOPLE = [f"person-{number}@shop.example" for number in range(100)]
ERASED, *OTHERS = PEOPLE
TAIL = b'"kind":"disclose","recipient":"mailer","subject":"%b","time":"2026-11-23T13:00:00.000000Z","version":1}'


@pytest.fixture
def state(tmp_path):
    create_keys(tmp_path / "state")
    return tmp_path / "state"


def write(state, records):
    """So many records, one person after the other, in a log of several segments."""
    home = state / "audit" / "w0"
    home.mkdir(parents=True)
    keys = load_keyring(state)
    store = open_subjects(state, keys)
    handles = store.handles([keys.subject_index(name) for name in PEOPLE])
    store.close()
    key = SigningKey("example.org/log/w0", bytes(range(32)))
    writer = GroupWriter(home, Tree(), key, origin=key.name, opened={}, segment_bytes=4 << 20, segment_seconds=3600)
    writer.start(())
    lines = ((b"{", TAIL % handle.encode()) for handle in itertools.islice(itertools.cycle(handles), records))
    while group := list(itertools.islice(lines, 500)):
        writer.append(group)
        writer.seal_finished()
    writer.close()
    publish_key(home, key)


def count(state, identifier):
    handle = look_up(state, identifier)
    return 0 if handle is None else sum(1 for _ in search(slots_of(state), Query(subject=handle)))


def verdict(state):
    return verify_directory(state, allow_unanchored=True).words


@pytest.mark.parametrize("records", [1_000, 100_000])
def test_row_23_p5_one_person_among_a_hundred_is_erased_and_the_proofs_are_whole(state, tmp_path, records):
    write(state, records)
    each = records // len(PEOPLE)
    assert (count(state, ERASED), verdict(state)) == (each, "VERIFIED")
    before = verify_directory(state / "audit" / "w0", allow_unanchored=True).logs[0]
    shutil.copytree(state, tmp_path / "backup")
    old = handle_of(state, ERASED)
    erase(state, load_keyring(state), ERASED, by="dpo")

    after = verify_directory(state / "audit" / "w0", allow_unanchored=True).logs[0]
    assert verdict(state) == "VERIFIED"
    assert (after.size, after.root) == (before.size, before.root)
    assert count(state, ERASED) == 0
    assert [count(state, name) for name in OTHERS[::20]] == [each] * 5
    assert handle_of(state, ERASED) != old

    for names in (["subjects.sqlite"], ["subjects.sqlite", "subjects.erased"]):
        for name in names:
            put_back(tmp_path / "backup" / name, state / name)
        with pytest.raises(StoreDown) as caught:
            count(state, ERASED)
        assert caught.value.posture is Posture.CONSENT_STORE_DOWN
        assert "an older copy was restored" in caught.value.why


def put_back(backup, path):
    path.unlink()
    if backup.exists():
        shutil.copy2(backup, path)
