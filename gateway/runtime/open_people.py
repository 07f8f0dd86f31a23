"""The stores of people of one state directory, opened together for one event loop."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path

from gateway.crypto.keyring import KeyRing
from gateway.runtime.erasure import open_subjects
from gateway.runtime.minted import Minted
from gateway.runtime.people import People
from gateway.stores.holders import Holders
from gateway.stores.pseudonyms import PSEUDONYMS, SqlitePseudonymStore
from gateway.stores.subjects import SUBJECTS, SqliteSubjectStore


def open_people(state: Path, keys: KeyRing) -> People:
    """The people of a state directory, for the running event loop.

    Raises:
        StoreDown: as `open_subjects`; also where the store of pseudonyms cannot be opened.
    """
    open_more = partial(SqliteSubjectStore, state / SUBJECTS, keys)
    with ExitStack() as undo:
        subjects = open_subjects(state, keys)
        undo.callback(subjects.close)
        minted = Minted(open_holders(state, keys), partial(open_holders, state, keys, busy_timeout=5.0))
        undo.pop_all()
    return People(keys, subjects, open_more, minted)


def open_holders(state: Path, keys: KeyRing, *, busy_timeout: float = 1.0) -> Holders:
    """Whom pseudonyms stand for, from the stores of a state directory, for the calling thread. Raises StoreDown."""
    with ExitStack() as undo:
        subjects = SqliteSubjectStore(state / SUBJECTS, keys, busy_timeout=busy_timeout)
        undo.callback(subjects.close)
        pseudonyms = SqlitePseudonymStore(state / PSEUDONYMS, keys, busy_timeout=busy_timeout)
        undo.pop_all()
    return Holders(keys, pseudonyms, subjects)
