"""The index says what reading the log says, whatever the log went through meanwhile."""

import dataclasses
import json
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.audit.index import Index
from gateway.audit.reading import slots_of
from gateway.audit.search import GROUPS, Query, Scan

SUBJECTS = ["s1.aaaaaaaaaaaaaaaaaaaaaa", "s1.bbbbbbbbbbbbbbbbbbbbbb", None]
RECIPIENTS = ["shop", 'mailer "x"', None]
ROUTES = ["sign-up", "pay"]
CLASSES = ["user.name", "user.contact.email", "user.contact", None]
PURPOSES = ["service", "ads", None]
REASONS = ["listed", "no_consent"]
KINDS = ["collect", "disclose", "refuse"]

fields = st.lists(
    st.fixed_dictionaries(
        {
            "class": st.sampled_from(CLASSES),
            "purpose": st.sampled_from(PURPOSES),
            "reason": st.sampled_from(REASONS),
            "count": st.integers(0, 3),
        }
    ),
    max_size=3,
)
records = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(KINDS),
        "subject": st.sampled_from(SUBJECTS),
        "recipient": st.sampled_from(RECIPIENTS),
        "route": st.sampled_from(ROUTES),
        "reason": st.sampled_from([None, "over_size", "listed"]),
        "fields": st.one_of(st.none(), fields),
        "request": st.sampled_from(["r0", "r1", "r2"]),
        "direction": st.sampled_from(["request", "response"]),
    }
)
runs = st.lists(
    st.tuples(st.integers(0, 1), st.lists(st.lists(records, min_size=1, max_size=3), max_size=3), st.booleans()),
    min_size=1,
    max_size=4,
)
queries = st.builds(
    Query,
    subject=st.sampled_from(["", "s1.aaaaaaaaaaaaaaaaaaaaaa", "s1.cccccccccccccccccccccc"]),
    recipient=st.sampled_from(["", "shop", 'mailer "x"']),
    route=st.sampled_from(["", "pay", "none"]),
    data_class=st.sampled_from(["", "name", "contact", "user.contact.email"]),
    purpose=st.sampled_from(["", "", "service", "ads"]),
    reason=st.sampled_from(["", "", "listed", "over_size"]),
    kind=st.sampled_from(["", "", "disclose", "open"]),
    direction=st.sampled_from(["", "", "request"]),
    request=st.sampled_from(["", "", "r1"]),
    since=st.sampled_from(["", "", "2026-11-23T13:00:04.000000Z"]),
    until=st.sampled_from(["", "", "2026-11-23T13:00:09.000000Z"]),
    limit=st.sampled_from([None, None, 1, 3]),
)


def line(values):
    body = json.dumps(dict(sorted(values.items())), separators=(",", ":")).encode()
    return b"{", body[1:]


@dataclasses.dataclass
class Clock:
    """A second for each group, told apart by slot, so that the order of two logs is never open."""

    seconds: int = 0

    def next(self, slot):
        self.seconds += 1
        return f"2026-11-23T13:{self.seconds // 60:02}:{self.seconds % 60:02}.00000{slot}Z"


def run_once(logs, clock, slot, groups, *, close):
    """One run of a writer over some groups; let go as by a process that dies, or closed."""
    home = logs.slot.parent / f"w{slot}"
    logs.now = clock.next(slot)
    writer = logs.start(home, segment_bytes=1500, origin=f"example.org/log/w{slot}")
    for group in groups:
        logs.now = clock.next(slot)
        writer.append([line(record | {"time": logs.now, "version": 1}) for record in group])
        writer.seal_finished()
    if close:
        writer.close()
    else:
        writer.abandon()


def same(home, query):
    scan = Scan(slots_of(home))
    with Index.open(home) as index:
        found, expected = list(index.search(query)), list(scan.search(query))
        assert found == expected
        for by in (None, *GROUPS):
            counted, read = index.count(query, by), scan.count(query, by)
            assert counted == read
        for entry in found[:2]:
            assert index.head(entry) == scan.head(entry)
            assert index.head(entry) is not None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs, st.lists(queries, min_size=1, max_size=4))
def test_the_index_finds_what_a_scan_finds_and_goes_on_as_if_built_anew(logs, no_sync, runs, asked):
    with tempfile.TemporaryDirectory() as directory:
        logs.slot, clock = Path(directory) / "audit" / "w0", Clock()
        home = logs.slot.parent
        for slot, groups, close in runs:
            run_once(logs, clock, slot, groups, close=close)
            for query in asked:
                same(home, query)  # brought up to date after each run
        grown = contents(home)
        Index.open(home, rebuild=True).close()
        assert contents(home) == grown


def contents(home):
    with Index.open(home) as index:
        return [(entry.origin, entry.index, entry.leaf) for entry in index.search(Query())]
