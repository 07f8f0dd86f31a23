"""`privacy-gateway subject`: what the gateway keeps of one person, and its erasure."""

from datetime import UTC, datetime
from pathlib import Path

import click
from rich.text import Text

from gateway.audit.reading import slots_of
from gateway.audit.search import Query
from gateway.cli.audit_index import answer
from gateway.cli.audit_options import AS_JSON, STATE
from gateway.cli.authority_options import refuse
from gateway.cli.consent_options import plain
from gateway.cli.operator_name import BY
from gateway.cli.output import FINDINGS, console, errors, print_json
from gateway.cli.subject_options import SUBJECT, WAIT, find_subject, read_identifier
from gateway.crypto.keyring import canonical_identifier
from gateway.runtime.erasure import Held, erase, erase_again
from gateway.stores.event import MICROSECONDS
from gateway.stores.keyfile import load_keyring
from gateway.stores.pseudonyms import PSEUDONYMS, SqlitePseudonymStore
from gateway.stores.sessions import SESSIONS, SqliteSessionStore
from gateway.stores.subjects import Subject

_DONE = (
    "The key is destroyed: the records and consents of {handle} stay, and nobody can tell whose they are. "
    "What this person had consented or objected to no longer applies to them."
)
_BACKUPS = (
    "Delete every backup of subjects.sqlite within the time that you have to erase: an older copy holds the key. "
    "The gateway does not start with one."
)
_HELD = (
    "not erased: an open legal request names this person ({requests}). Produce or reject it first "
    "(`disclosure authority show ID`), or say with --despite-hold REASON why the erasure goes before it"
)
_NOTHING = "no key is kept for this person: nothing to erase (check the spelling)"


@click.group()
def command() -> None:
    """Show what is kept of one person, or erase it."""


@command.command()
@STATE
@click.option("--subject", required=True, help=SUBJECT)
@AS_JSON
def show(state: Path, subject: str, as_json: bool) -> None:
    """Show the person's handle, since when there is one, and how many records, sessions and pseudonyms lead to it."""
    found = find_subject(state, read_identifier(subject))
    if found is None:
        row: dict[str, object] = {"known": False, "handle": None, "since": None}
        row |= {"records": 0, "sessions": 0, "pseudonyms": 0}
    else:
        query = Query(subject=found.handle)
        logged = slots_of(state)
        records = answer(state, as_json, lambda finder: finder.count(query, None)).records if logged else 0
        row = {"known": True, "handle": found.handle, "since": _moment(found.since), "records": records}
        row |= {"sessions": _sessions(state, found), "pseudonyms": _pseudonyms(state, found)}
    if as_json:
        print_json(row)
    elif found is None:
        console.print("nothing is kept of this person")
    else:
        for name in ("handle", "since", "records", "sessions", "pseudonyms"):
            console.print(f"{name:<10} {row[name]}")


@command.command("erase")
@STATE
@click.option("--subject", help=SUBJECT)
@click.option("--again", is_flag=True, help="Erase the keys that an older copy of subjects.sqlite brought back.")
@click.option(
    "--despite-hold", callback=plain, help="Why somebody whom an open legal request names is erased. Recorded."
)
@BY
@AS_JSON
def erase_command(
    state: Path, subject: str | None, *, again: bool, despite_hold: str | None, by: str, as_json: bool
) -> None:
    """Destroy the person's key, so that no record can be joined with them again.

    A record of the erasure goes to the log of slot operator; it names nobody. Somebody whom an open legal request
    names (`disclosure authority list --open`) is held until it was produced or rejected.
    """
    if again == (subject is not None):
        raise click.UsageError("give --subject, or --again")
    if subject is None:
        _erase_again(state, by, as_json)
        return
    identifier = read_identifier(subject)
    try:
        if despite_hold is not None and canonical_identifier(identifier) in canonical_identifier(despite_hold):
            raise click.BadParameter("the record names nobody: leave the identifier out", param_hint="--despite-hold")
        erased = erase(state, load_keyring(state), identifier, by=by, despite_hold=despite_hold, busy_timeout=WAIT)
    except Held as held:
        refuse("legal_hold", _HELD.format(requests=", ".join(held.requests)), as_json=as_json)
    except ValueError as problem:
        raise click.BadParameter(str(problem), param_hint="--subject") from None
    _print_erased(erased, as_json)
    if erased is None:
        raise click.exceptions.Exit(FINDINGS)


def _print_erased(erased: Subject | None, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "erased": erased is not None,
                "handle": None if erased is None else erased.handle,
                "key": None if erased is None else erased.digest.hex(),
            }
        )
    elif erased is None:
        console.print(_NOTHING)
    else:
        console.print(_DONE.format(handle=erased.handle), soft_wrap=True)
        errors.print(Text("note", style="yellow").append(f": {_BACKUPS}", style="default"), soft_wrap=True)


def _erase_again(state: Path, by: str, as_json: bool) -> None:
    back = erase_again(state, load_keyring(state), by=by, busy_timeout=WAIT)
    if as_json:
        print_json({"erased": bool(back), "keys": [digest.hex() for digest in back]})
    elif back:
        console.print(f"{len(back)} key(s) that an older copy had brought back are destroyed again")
        errors.print(Text("note", style="yellow").append(f": {_BACKUPS}", style="default"), soft_wrap=True)
    else:
        console.print("no erased key is here: nothing to erase again")


def _sessions(state: Path, subject: Subject) -> int:
    """How many values of the application's session cookie lead to the person."""
    if not (state / SESSIONS).exists():
        return 0
    store = SqliteSessionStore(state / SESSIONS, busy_timeout=WAIT)
    try:
        return store.count(subject.digest)
    finally:
        store.close()


def _pseudonyms(state: Path, subject: Subject) -> int:
    """How many pseudonyms that were given out lead to the person."""
    if not (state / PSEUDONYMS).exists():
        return 0
    store = SqlitePseudonymStore(state / PSEUDONYMS, load_keyring(state), busy_timeout=WAIT)
    try:
        return store.count(subject.digest)
    finally:
        store.close()


def _moment(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / MICROSECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
