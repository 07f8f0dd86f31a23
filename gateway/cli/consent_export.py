"""`privacy-gateway consent export`: every event, or one person's, in the columns that `consent import` reads.

Identifiers are not stored and cannot be exported: a person is named by the handle, which is the same in
the ledger. Who needs to know whose it is asks `subject show` with the identifier.
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from gateway.cli.audit_options import STATE
from gateway.cli.consent_import import FORMATS
from gateway.cli.consent_options import consent_store
from gateway.cli.consent_text import exact_moment
from gateway.cli.subject_options import NOBODY, SUBJECT, handle_of, read_identifier
from gateway.stores.consent import SqliteConsentStore
from gateway.stores.consent_rows import COLUMNS
from gateway.stores.event import ConsentEvent


@click.command("export")
@STATE
@click.option("--subject", help=f"Only this person. {SUBJECT}")
@click.option("--format", "form", type=click.Choice(FORMATS), default="csv", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def export_command(state: Path, subject: str | None, form: str, as_json: bool) -> None:
    """Write consent events to standard output, people as handles.

    Identifiers are not kept anywhere, so they cannot be written. With --subject, whose identifier you know,
    you get that person's events.
    """
    with consent_store(state) as store:
        if subject is None:
            events = store.every()
        else:
            events = iter(store.history(handle_of(state, read_identifier(subject)) or NOBODY))
        _write((_row(store, event) for event in events), "json" if as_json else form)


def _write(rows: Iterator[dict[str, str | None]], form: str) -> None:
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([row[name] or "" for name in COLUMNS] for row in rows)
        return
    before, between, after = ("[\n", ",\n", "\n]\n") if form == "json" else ("", "\n", "\n")
    sys.stdout.write(before)
    for number, row in enumerate(rows):
        sys.stdout.write((between if number else "") + msgspec.json.encode(row).decode())
    sys.stdout.write(after)


def _row(store: SqliteConsentStore, event: ConsentEvent) -> dict[str, str | None]:
    """The event, and when and in which language the notice was shown that it cites."""
    fields = msgspec.structs.asdict(event)
    served = None
    if event.notice is not None:
        served = store.voucher(
            event.subject, event.notice, event.at, version=event.notice_version, digest=event.notice_digest
        )
    if served is not None:
        fields |= {"notice_version": served.version, "notice_digest": served.digest}
    fields |= {
        "at": exact_moment(event.at),
        "valid_until": None if event.valid_until is None else exact_moment(event.valid_until),
        "language": None if served is None else served.language,
        "served_at": None if served is None else exact_moment(served.at),
    }
    return {name: fields[name] for name in COLUMNS}
