"""The ledger at scale: how fast a large log is verified, indexed and searched. README.md says how to read it.

Makes the log with the product's own writer, except that it does not wait for the device, which is not
what is measured here (commit_rate.py does that).
"""

import argparse
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import report
from rich.console import Console
from rich.table import Table

from gateway.audit.commit import GroupWriter, Record
from gateway.audit.index import Index
from gateway.audit.recovery import publish_key
from gateway.audit.search import Query
from gateway.audit.tree import Tree
from gateway.crypto.sign import SigningKey

HERE = Path(__file__).parent
RESULTS = HERE / "results"
MIB = 1024 * 1024
GROUP = 64
SEGMENT_BYTES = 64 * MIB
BYTES_PER_RECORD = 1200  # log and index, with what building the index needs beside it for a while
DAYS = 90
NEWEST = datetime(2026, 11, 23, 12, tzinfo=UTC)
SLOTS = ("w0", "w1")
ROUTES = tuple(f"{noun}-{verb}" for noun in ("order", "account", "invoice", "ticket", "profile", "cart", "parcel")
               for verb in ("create", "show", "change", "list"))  # fmt: skip
RECIPIENTS = ("shop", "mailer", "carrier", "payments", "search", "crm", "fraud-check", "warehouse", "partner-a", "ads")
PURPOSES = ("service", "delivery", "payment", "support", "marketing", "analytics")
CLASSES = ("user.contact.email", "user.contact.phone_number", "user.contact.address", "user.name",
           "user.financial.bank_account", "user.device.ip_address", "user.unique_id", "user.behavior")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--directory", type=Path, required=True, help="where a temporary directory may be made")
    parser.add_argument("--keep", action="store_true", help="leave the log and the index behind")
    parser.add_argument("--output", type=Path, default=RESULTS / "ledger_scale.json")
    options = parser.parse_args()
    needed, free = options.records * BYTES_PER_RECORD, shutil.disk_usage(options.directory).free
    print(f"needs about {needed / 1e9:.1f} GB in {options.directory}, where {free / 1e9:.1f} GB are free")
    if needed > free:
        sys.exit("there is not enough room")
    os.environ["PYTHONPATH"] = str(HERE.parent)  # this working copy, whatever else is installed
    state = Path(tempfile.mkdtemp(prefix="ledger-scale-", dir=options.directory))
    try:
        found = measure(state, options.records)
    finally:
        if options.keep:
            print(f"kept: {state}")
        else:
            shutil.rmtree(state, ignore_errors=True)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(found, indent=1))
    show(found)
    print(f"everything measured: {options.output}")


def measure(state: Path, records: int) -> dict[str, object]:
    made = Made(records)
    started = time.monotonic()
    made.write(state / "audit")
    size = sum(path.stat().st_size for path in state.rglob("seg-*"))
    found: dict[str, object] = {
        "machine": report.machine(),
        "records": records,
        "people": len(made.people),
        "log_bytes": size,
        "made_in_seconds": time.monotonic() - started,
    }
    found["verify"] = verify(state, records)
    print("building the index" + " " * 40, end="\r", flush=True)
    built, usage = child("audit", "index", "--rebuild", "--json", "--state", str(state))
    index = json.loads(built)
    found["index"] = index | {"records_per_second": index["records"] / index["seconds"]} | usage
    found["search"] = searches(state, made)
    return found


def child(*arguments: str) -> tuple[str, dict[str, float]]:
    """Run the product's program; its output, and what it took: seconds, CPU seconds, peak memory in bytes."""
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "gateway", *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode:
        sys.exit(f"{' '.join(arguments)} ended with {process.returncode}: {output}")
    wall = time.monotonic() - started
    return output, {"wall": wall, "cpu": used.ru_utime + used.ru_stime, "peak_bytes": used.ru_maxrss * 1024}


def verify(state: Path, records: int) -> dict[str, dict[str, float]]:
    """With the program's own number of processes and, where it can be asked for, with one."""
    plain = ["audit", "verify", str(state), "--allow-unanchored"]
    runs = {"as called": plain}
    if re.search(r"--jobs\b", child("audit", "verify", "--help")[0]):
        runs["one job"] = [*plain, "--jobs", "1"]
        runs["one job, every signature"] = [*plain, "--jobs", "1", "--every-signature"]
    found = {}
    for name, arguments in runs.items():
        print(f"verifying, {name}" + " " * 40, end="\r", flush=True)
        _, used = child(*arguments)
        found[name] = used | {"records_per_second": records / used["wall"]}
    return found


def searches(state: Path, made: "Made") -> dict[str, dict[str, float]]:
    chance = random.Random(7)
    people = [chance.choice(made.people) for _ in range(200)]
    print("searching" + " " * 40, end="\r", flush=True)
    started = time.perf_counter()
    with Index.open(state / "audit") as index:
        opened = 1000 * (time.perf_counter() - started)

        def ask(query: Query) -> Callable[[], int]:
            return lambda: sum(1 for _ in index.search(query))

        windows = [made.moment(chance.randrange(made.records)) for _ in range(50)]
        mixed = [
            Query(
                recipient=chance.choice(RECIPIENTS),
                purpose=chance.choice(PURPOSES),
                since=stamp(moment),
                until=stamp(moment + timedelta(days=1)),
                limit=50,
            )
            for moment in windows
        ]
        found = {
            "subject, 50 newest": timed(ask(Query(subject=person, limit=50)) for person in people),
            "recipient, purpose and a day, 50 newest": timed(map(ask, mixed)),
            "all by purpose, counted": timed([lambda: index.count(Query(), "purpose").records]),
        }
    program = ("audit", "search", "--state", str(state), "--limit", "50", "--json", "--subject")
    found["subject, opening the index each time"] = timed(
        lambda person=person: _alone(state, person) for person in people
    )
    calls = [lambda person=person: child(*program, person)[0].count('"leaf"') for person in people[:9]]
    found["subject, the program from its start"] = timed(calls)
    return found | {"opening the index": {"p50": opened, "p99": opened, "found": 0}}


def _alone(state: Path, person: str) -> int:
    with Index.open(state / "audit") as index:
        return sum(1 for _ in index.search(Query(subject=person, limit=50)))


def timed(asked: "Iterator[Callable[[], int]] | list[Callable[[], int]]") -> dict[str, float]:
    """Milliseconds of each call, and how much the calls found on average."""
    times, sizes = [], []
    for ask in asked:
        started = time.perf_counter()
        sizes.append(ask())
        times.append(1000 * (time.perf_counter() - started))
    times.sort()
    return {"p50": statistics.median(times), "p99": times[int(0.99 * len(times))], "found": statistics.mean(sizes)}


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Made:
    """A log as a gateway in front of a shop would write it; one form in twenty is a refusal."""

    def __init__(self, records: int) -> None:
        self.records = records
        self.chance = random.Random(20261123)
        self.people = [f"s1.{self._token()}" for _ in range(max(records // 1000, 1))]
        self.forms = [self._form() for _ in range(400)]

    def moment(self, number: int) -> datetime:
        return NEWEST - timedelta(days=DAYS) * (1 - number / self.records)

    def write(self, audit: Path) -> None:
        # What a loss of power does to this log is nobody's concern.
        kept, os.O_DSYNC = os.O_DSYNC, 0
        try:
            writers = [self._writer(audit / slot) for slot in SLOTS]
            for start in range(0, self.records, GROUP):
                writer = writers[start // GROUP % len(writers)]
                writer.append([self._record(number) for number in range(start, min(start + GROUP, self.records))])
                writer.seal_finished()
                if start % (GROUP * 1000) == 0:
                    print(f"writing {start:,} of {self.records:,} records" + " " * 20, end="\r", flush=True)
            for writer in writers:
                writer.close()
        finally:
            os.O_DSYNC = kept

    def _writer(self, slot: Path) -> GroupWriter:
        slot.mkdir(parents=True)
        key = SigningKey(f"bench.example/ledger/{slot.name}", self.chance.randbytes(32))
        writer = GroupWriter(
            slot, Tree(), key, origin=key.name, opened={"program": "bench"},
            segment_bytes=SEGMENT_BYTES, segment_seconds=1e9,
        )  # fmt: skip
        writer.start(())
        publish_key(slot, key)
        return writer

    def _record(self, number: int) -> Record:
        before, middle = self.chance.choice(self.forms)
        request = b"01KAS%021d" % number
        person = self.chance.choice(self.people).encode()
        after = b'%b"request":"%b",%b"salt":"%b","status":null,"subject":"%b","time":"%b","version":1}' % (
            middle[0], request, middle[1], self._token().encode(), person, stamp(self.moment(number)).encode(),
        )  # fmt: skip
        return before, after

    def _form(self) -> tuple[bytes, tuple[bytes, bytes]]:
        route, recipient = self.chance.choice(ROUTES), self.chance.choice(RECIPIENTS)
        refused = self.chance.random() < 0.05
        fields = [
            {
                "action": self.chance.choice(["keep", "drop", "token"]), "address": f"$.{name.rpartition('.')[2]}",
                "basis": "contract", "class": name, "count": self.chance.randint(1, 3),
                "purpose": self.chance.choice(PURPOSES), "reason": self.chance.choice(["listed", "no_consent"]),
            }
            for name in self.chance.sample(CLASSES, self.chance.randint(1, 4))
        ]  # fmt: skip
        before = json.dumps({"caller": "anonymous", "consent": None, "direction": "request", "fields": fields},
                            separators=(",", ":")).encode()[:-1] + b","  # fmt: skip
        kind = "refuse" if refused else "disclose"
        middle = {"kind": kind, "method": "POST", "mode": "enforce", "policy": "3b1f0c5d9a7e2468",
                  "reason": "no_consent" if refused else None, "recipient": recipient}  # fmt: skip
        encoded = json.dumps(middle, separators=(",", ":")).encode()
        return before, (encoded[1:-1] + b",", b'"route":"%b",' % route.encode())

    def _token(self) -> str:
        return urlsafe_b64encode(self.chance.randbytes(16)).decode()[:22]


def show(found: dict[str, object]) -> None:
    console = Console(width=None if Console().is_terminal else 130, highlight=False)
    host, index = found["machine"], found["index"]
    console.print(f"\n{host['cpu']}, {host['cores']} cores; Python {host['python']}")
    console.print(
        f"{found['records']:,} records, {found['people']:,} people, {found['log_bytes'] / MIB:,.0f} MiB of log"
    )
    table = Table(title="Reading all of it", title_justify="left", min_width=90)
    for column in ("what", "seconds", "CPU s", "records/s", "peak MiB"):
        table.add_column(column, justify="left" if column == "what" else "right")
    rows = {f"verify, {name}": row for name, row in found["verify"].items()} | {"index, from nothing": index}
    for name, row in rows.items():
        cells = (row["wall"], row["cpu"], row["records_per_second"], row["peak_bytes"] / MIB)
        table.add_row(name, *(f"{cell:,.1f}" for cell in cells))
    console.print(table)
    console.print(
        f"The index has {index['bytes'] / MIB:,.0f} MiB, {index['bytes'] / found['records']:.0f} bytes a record."
    )
    table = Table(title="Searching", title_justify="left", min_width=90)
    for column in ("what", "p50 ms", "p99 ms", "found"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name, row in found["search"].items():
        table.add_row(name, *(f"{row[key]:,.2f}" for key in ("p50", "p99", "found")))
    console.print(table)


if __name__ == "__main__":
    main()
