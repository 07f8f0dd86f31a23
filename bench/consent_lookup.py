"""What it costs to look up what somebody decided, by how many people there are.

    bench/.venv/bin/python bench/consent_lookup.py [--people 1000000] [--seconds 2]

Asks the consent store of `population.py` as a worker does for each request: for people at random, and for the same
hundred again and again, whom the store remembers. What it takes to know who they are is in `curves.py --only people`.
"""

import argparse
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import population

from gateway.runtime.erasure import open_subjects
from gateway.stores.consent import CONSENTS, SqliteConsentStore
from gateway.stores.keyfile import load_keyring

BATCH = 100
SAMPLE = 200_000
SIZES = (1000, 10_000, 100_000, 1_000_000)


def cost(store: SqliteConsentStore, draw: Callable[[], str], seconds: float) -> float:
    """Microseconds of this process's CPU for one question."""
    asked, spent = 0, 0.0
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        drawn = [draw() for _ in range(BATCH)]
        begun = time.process_time()
        for handle in drawn:
            store.state(handle)
        spent += time.process_time() - begun
        asked += BATCH
    return 1e6 * spent / asked


def measure(state: Path, size: int, seconds: float) -> tuple[float, float]:
    subjects = open_subjects(state, load_keyring(state))
    chance = random.Random(1)
    drawn = chance.sample(range(size), min(size, SAMPLE))
    keys = load_keyring(state)
    handles = subjects.handles([keys.subject_index(population.name_of(number)) for number in drawn])
    subjects.close()
    store = SqliteConsentStore(state / CONSENTS)
    # As in a worker that serves: its looks tell writers of other processes to wait.
    store.announce(lambda _turned: None)
    anybody = cost(store, lambda: chance.choice(handles), seconds)
    again = cost(store, lambda: chance.choice(handles[:100]), seconds)
    store.close()
    return anybody, again


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each figure")
    options = parser.parse_args()
    sizes = (*(size for size in SIZES if size < options.people), options.people)
    print(f"SQLite {sqlite3.sqlite_version}; microseconds of CPU for each look")
    print(f"{'people':>10} {'anybody':>9} {'again':>9} {'MiB':>6}")
    with tempfile.TemporaryDirectory() as directory:
        for size, state in population.growing(Path(directory), sizes):
            room = (state / CONSENTS).stat().st_size / 2**20
            anybody, again = measure(state, size, options.seconds)
            print(f"{size:>10} {anybody:>9.1f} {again:>9.1f} {room:>6.0f}", flush=True)


if __name__ == "__main__":
    main()
