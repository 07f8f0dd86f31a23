"""A state directory with many people who all agreed, and a wrk script that asks in the name of each at random."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gateway_rules

from gateway.model.words import ConsentStatus
from gateway.runtime.erasure import open_subjects
from gateway.stores.consent import SqliteConsentStore
from gateway.stores.event import ConsentEvent, new_event_id, now_microseconds
from gateway.stores.keyfile import load_keyring

_AT_ONCE = 20_000


def name_of(person: int) -> str:
    return f"person-{person}@bench.example"


def growing(directory: Path, sizes: tuple[int, ...]) -> Iterator[tuple[int, Path]]:
    """State directories with as many people as `sizes` say, in ascending order, each kept as it is."""
    state = directory / "growing"
    subprocess.run(
        [sys.executable, "-m", "gateway", "keys", "init", "--state", str(state)], check=True, capture_output=True
    )
    present = 0
    for size in sizes:
        for start in range(present, size, _AT_ONCE):
            _add(state, range(start, min(size, start + _AT_ONCE)))
        present = size
        kept = directory / f"people-{size}"
        shutil.copytree(state, kept)
        yield size, kept


def _add(state: Path, people: range) -> None:
    keys = load_keyring(state)
    subjects = open_subjects(state, keys)
    handles = subjects.handles([keys.subject_index(name_of(person)) for person in people])
    subjects.close()
    SqliteConsentStore(state / "consent.sqlite").close()  # its schema
    at = now_microseconds()
    events = [
        ConsentEvent(
            id=new_event_id(at), subject=handle, purpose="offers", status=ConsentStatus.GIVEN, at=at, method="bench"
        )
        for handle in handles
    ]
    columns = ConsentEvent.__struct_fields__
    # The store's own way in is one synced transaction for each event: a day for a million of them.
    database = sqlite3.connect(state / "consent.sqlite")
    with database:
        database.executemany(
            f"INSERT INTO consent_event ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
            [[getattr(event, name) for name in columns] for event in events],
        )
    database.close()


def write_wrk_script(file: Path, people: int) -> None:
    """Requests in the name of all people at random; of one whom nobody knows where there are none."""
    file.write_text(
        f"local people = {max(1, people)}\n"
        "request = function()\n"
        "  local name = 'person-' .. math.random(0, people - 1) .. '@bench.example'\n"
        f"  return wrk.format('GET', nil, {{['{gateway_rules.PERSON}'] = name}})\nend\n"
    )
