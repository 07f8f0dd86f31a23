"""How a store of people says that it cannot answer: without it nobody knows what a person agreed to."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.model.errors import StoreDown
from gateway.model.words import Posture


def down(why: str) -> StoreDown:
    return StoreDown(Posture.CONSENT_STORE_DOWN, why)


@contextmanager
def store_down(why: str) -> Iterator[None]:
    """Turn what SQLite and the system raise in the block into StoreDown (CONSENT_STORE_DOWN) with this text."""
    try:
        yield
    except (sqlite3.Error, OSError) as problem:
        raise down(why) from problem
