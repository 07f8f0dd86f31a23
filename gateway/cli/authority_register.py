"""`privacy-gateway disclosure authority register`: a legal request enters the register."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import click
import msgspec

from gateway.cli.audit_options import AS_JSON, FILE, STATE, Moment
from gateway.cli.authority_options import Day, SecretUntil, print_step, refusals
from gateway.cli.consent_options import plain
from gateway.cli.operator_name import BY
from gateway.cli.output import errors
from gateway.cli.rules_in_force import RULES, rules_in_force
from gateway.cli.subject_options import SUBJECT, WAIT, read_identifier
from gateway.crypto.keyring import canonical_identifier, is_subject_handle
from gateway.model.words import Instrument, Role
from gateway.policy.policy import Policy
from gateway.policy.report import closest
from gateway.policy.taxonomy import SHORT_CLASSES, class_of
from gateway.runtime.erasure import open_subjects
from gateway.runtime.legal_requests import Register
from gateway.stores.keyfile import load_keyring
from gateway.stores.legal_request import DISCLOSURES, WHAT, LegalRequest, Person, RequestRefused, Scope, new_request_id

_PIECE = 1 << 20


class _Given(msgspec.Struct, frozen=True):
    """The options that say what the request is; dates are ISO dates, times as records write them."""

    authority: str
    instrument: Instrument
    reference: str
    legal_basis: str
    received: str
    secret_until: str
    due: str | None
    what: tuple[str, ...]
    classes: tuple[str, ...]
    since: str | None
    until: str | None


def _words(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    del context
    words = tuple(dict.fromkeys(word.strip() for word in value.split(",")))
    unknown = [word for word in words if word not in WHAT]
    if unknown:
        raise click.BadParameter(f"no '{unknown[0]}': choose from {', '.join(WHAT)}", param=parameter)
    return words


def _classes(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    del context
    found = []
    for name in value:
        full = class_of(name)
        if full is None:
            hint = closest(name, SHORT_CLASSES)
            raise click.BadParameter(f"no class '{name}' in the taxonomy{hint and f': {hint}'}", param=parameter)
        found.append(full)
    return tuple(dict.fromkeys(found))


@click.command("register")
@STATE
@click.option("--authority", required=True, help="The recipient, with role authority in the rules.")
@click.option("--instrument", required=True, type=click.Choice([each.value for each in Instrument]), help="Its kind.")
@click.option("--reference", required=True, callback=plain, help="Its file reference. Recorded; names nobody.")
@click.option("--legal-basis", required=True, callback=plain, help="The article of law that it rests on.")
@click.option("--document", type=FILE, help="The instrument itself: only its SHA-256 is kept.")
@click.option("--received", type=Day(), help="Day on which it came in.  [default: today, UTC]")
@click.option("--due", type=Day(), help="Last day to answer.")
@click.option(
    "--secret-until",
    required=True,
    type=SecretUntil(),
    help="Last day (or the time) on which the people must not learn of it; 'lifted': until somebody says so; 'none'.",
)
@click.option("--subject", "subjects", multiple=True, help=f"Whom it names; once for each. {SUBJECT}")
@click.option("--subjects", "file", type=click.File("r"), help="File with an identifier on each line, or -.")
@click.option("--what", required=True, callback=_words, help=f"What it asks for, with commas: {', '.join(WHAT)}.")
@click.option(
    "--class",
    "classes",
    multiple=True,
    callback=_classes,
    help="Class of data, with those below it; once for each. 'user' is every class.",
)
@click.option("--since", type=Moment(), help="Not what happened before this time.")
@click.option("--until", type=Moment(), help="Only what happened before this time.")
@RULES
@BY
@AS_JSON
def register_command(
    *,
    state: Path,
    subjects: tuple[str, ...],
    file: TextIO | None,
    document: Path | None,
    rules: Path | None,
    by: str,
    as_json: bool,
    **given: object,
) -> None:
    """Enter an authority's legal request. Nothing may be given before somebody else approves it.

    The people are known by handle from here on; their order in the instrument is kept.
    """
    request = msgspec.convert(given | {"received": given["received"] or datetime.now(UTC).date().isoformat()}, _Given)
    identifiers = [read_identifier(each) for each in subjects] + _lines(file)
    _check(request, identifiers)
    with refusals(as_json=as_json):
        check_authority(rules_in_force(state, rules, as_json), request.authority)
    people = _people(state, identifiers)
    filed = LegalRequest(
        id=new_request_id(request.received[:4]),
        authority=request.authority,
        instrument=request.instrument,
        reference=request.reference,
        legal_basis=request.legal_basis,
        document=None if document is None else _digest(document),
        received=request.received,
        due=request.due,
        secret_until=request.secret_until,
        scope=Scope(what=request.what, classes=request.classes, since=request.since or "", until=request.until or ""),
        people=len(people),
    )
    with refusals(as_json=as_json), Register(state) as register:
        twins = [each.filed.id for each in register.every() if each.is_open and _is_twin(each.filed, filed)]
        standing = register.register(filed, people, by=by)
    print_step(standing, as_json=as_json)
    if twins:
        errors.print(f"note: open with the same authority and reference: {', '.join(twins)}", soft_wrap=True)


def _lines(file: TextIO | None) -> list[str]:
    if file is None:
        return []
    found = [line.rstrip("\r\n") for line in file]
    if any(is_subject_handle(line.strip()) for line in found):
        raise click.BadParameter("a handle does not lead back to its person: give identifiers", param_hint="--subjects")
    return [line for line in found if line.strip()]


def _check(request: _Given, identifiers: Sequence[str]) -> None:
    if not identifiers:
        raise click.UsageError("give --subject or --subjects: a request names the people whom it is about")
    if DISCLOSURES in request.what and not request.classes:
        raise click.UsageError("--what disclosures needs --class: which data it asks for ('user' is every class)")
    if request.due is not None and request.due < request.received:
        raise click.UsageError("--due is before --received")
    if request.since and request.until and request.until <= request.since:
        raise click.UsageError("--until is not after --since")
    try:
        names = [canonical_identifier(each) for each in identifiers]
    except ValueError as problem:
        raise click.BadParameter(str(problem), param_hint="--subject") from None
    if len(set(names)) < len(names):
        raise click.UsageError("somebody is named twice, so places would not be those of the instrument")
    for option, text in (("--reference", request.reference), ("--legal-basis", request.legal_basis)):
        if any(name in canonical_identifier(text) for name in names):
            raise click.BadParameter("the record names nobody: leave the identifier out", param_hint=option)


def check_authority(policy: Policy, name: str) -> None:
    """Raises RequestRefused (`unknown_recipient`, `not_an_authority`)."""
    recipient = policy.recipients.get(name)
    declared = [each.name for each in policy.recipients.values() if each.role is Role.AUTHORITY]
    known = f"with that role: {', '.join(declared)}" if declared else "the rules declare no recipient with that role"
    if recipient is None:
        raise RequestRefused("unknown_recipient", f"the rules know no recipient '{name}' with role authority; {known}")
    if recipient.role is not Role.AUTHORITY:
        raise RequestRefused("not_an_authority", f"'{name}' has role {recipient.role} and not authority; {known}")


def _people(state: Path, identifiers: Sequence[str]) -> list[Person]:
    """Whoever has no key gets one: what comes in before the request is answered is asked for, too."""
    store = open_subjects(state, load_keyring(state), busy_timeout=WAIT)
    found = []
    try:
        for place, identifier in enumerate(identifiers, 1):
            store.handle(identifier)
            subject = store.find(identifier)
            assert subject is not None
            found.append(Person(place, subject.handle, subject.digest))
    finally:
        store.close()
    return found


def _is_twin(one: LegalRequest, other: LegalRequest) -> bool:
    return (one.authority, one.reference) == (other.authority, other.reference)


def _digest(document: Path) -> str:
    digest = hashlib.sha256()
    with document.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
