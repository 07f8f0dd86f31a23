"""`privacy-gateway consent grant | renew | withdraw | refuse | object | restrict | unrestrict`."""

from pathlib import Path
from typing import NoReturn

import click
import msgspec
from rich.text import Text

from gateway.cli.audit_options import Decorator
from gateway.cli.consent_options import ALL, consent_store, decision, plain
from gateway.cli.consent_text import event_row, recipient_text
from gateway.cli.known_names import spelling_warning
from gateway.cli.operator_name import BY
from gateway.cli.output import COULD_NOT_RUN, console, errors, fail, print_json
from gateway.crypto.keyring import canonical_text
from gateway.model.facts import SubjectState
from gateway.model.words import Assurance, ConsentStatus
from gateway.runtime.consents import decide
from gateway.stores.consent import SqliteConsentStore
from gateway.stores.event import (
    ANY_RECIPIENT,
    MICROSECONDS,
    ConsentEvent,
    EventRefused,
    new_event_id,
    now_microseconds,
)
from gateway.stores.fold import fold, moment_after

_METHOD = "command line"
_DAY = 24 * 3600 * MICROSECONDS
_MOST_DAYS = 36_500
_ENDED = tuple(status for status in ConsentStatus if status.narrows)


class _Evidence(msgspec.Struct, frozen=True):
    """How consent is shown to have been given: the notice that was shown, or where else that stands."""

    notice: str | None = None
    notice_version: str | None = None
    notice_digest: str | None = None
    text: str | None = None
    assurance: Assurance | None = None
    valid_days: int | None = None


_NOTHING = _Evidence()
_VALID_DAYS: Decorator = click.option(
    "--valid-days", type=click.IntRange(1, _MOST_DAYS), help="Days after which the consent ends by itself."
)
_NOTICE: Decorator = click.option("--notice", callback=plain, help="Name of the notice that was shown to the person.")
_VERSION: Decorator = click.option("--notice-version", callback=plain, help="Version of that notice.")
_DIGEST: Decorator = click.option("--notice-digest", callback=plain, help="SHA-256 of the text that was shown, in hex.")
_EVIDENCE: Decorator = click.option(
    "--evidence", callback=plain, help="Where else consent is shown, as 'paper form 2026-17'. Recorded; names nobody."
)
_ASSURANCE: Decorator = click.option(
    "--assurance", type=click.Choice([level.value for level in Assurance]), help="How sure it was who the person is."
)


def _giving(name: str, status: ConsentStatus, text: str) -> click.Command:
    @click.command(name, help=text)
    @decision
    @_VALID_DAYS
    @_NOTICE
    @_VERSION
    @_DIGEST
    @_EVIDENCE
    @_ASSURANCE
    @BY
    def recorded(
        *,
        state: Path,
        subject: str,
        identifier: str,
        purpose: str,
        recipient: str,
        by: str,
        as_json: bool,
        evidence: str | None,
        assurance: str | None,
        **cited: str | int | None,
    ) -> None:
        if purpose == ALL and status is ConsentStatus.GIVEN:
            raise click.BadParameter("consent is given for one purpose at a time", param_hint="--purpose")
        found = _evidence(identifier, evidence, assurance, cited)
        _record(state, subject, status, found, purpose=purpose, recipient=recipient, by=by, as_json=as_json)

    return recorded


def _verb(name: str, status: ConsentStatus, text: str) -> click.Command:
    @click.command(name, help=text)
    @decision
    @BY
    def recorded(
        *, state: Path, subject: str, identifier: str, purpose: str, recipient: str, by: str, as_json: bool
    ) -> None:
        del identifier
        _record(state, subject, status, _NOTHING, purpose=purpose, recipient=recipient, by=by, as_json=as_json)

    return recorded


grant_command = _giving(
    "grant",
    ConsentStatus.GIVEN,
    "Record that the person consents to a purpose.\n\n"
    "A notice that is cited must have been shown to the person (`consent served`); --evidence says how "
    "else consent can be shown.",
)
renew_command = _giving(
    "renew",
    ConsentStatus.RENEWED,
    "Record that the person confirms consent that stands, or that has ended by itself.",
)
withdraw_command = _verb(
    "withdraw",
    ConsentStatus.WITHDRAWN,
    "Record that the person withdraws consent; --purpose '*' withdraws from all purposes.",
)
refuse_command = _verb(
    "refuse",
    ConsentStatus.REFUSED,
    "Record that the person was asked and refused; --purpose '*' refuses all purposes.",
)
object_command = _verb(
    "object",
    ConsentStatus.OBJECTED,
    "Record that the person objects to a purpose, whatever its basis; --purpose '*' for all. A later grant ends it.",
)
restrict_command = _verb(
    "restrict",
    ConsentStatus.RESTRICTED,
    "Restrict what is done for a purpose, above all that the person agrees to; --purpose '*' for all.",
)
unrestrict_command = _verb(
    "unrestrict",
    ConsentStatus.UNRESTRICTED,
    "Lift a restriction of the same purpose and recipient; what the person had answered counts again.",
)


def _evidence(
    identifier: str, text: str | None, assurance: str | None, cited: dict[str, str | int | None]
) -> _Evidence:
    if text is not None and canonical_text(identifier) in canonical_text(text):
        raise click.BadParameter("the record names nobody: leave the identifier out", param_hint="--evidence")
    if cited["notice"] is None and (cited["notice_version"] or cited["notice_digest"]):
        raise click.UsageError("--notice-version and --notice-digest need --notice")
    return msgspec.convert(cited | {"text": text, "assurance": assurance}, _Evidence)


def _record(
    state: Path,
    subject: str,
    status: ConsentStatus,
    evidence: _Evidence,
    *,
    purpose: str,
    recipient: str,
    by: str,
    as_json: bool,
) -> None:
    with consent_store(state) as store:
        history = store.history(subject)
        last = store.last_moment(subject)
        at = max(moment_after(history, now_microseconds()), 0 if last is None else last + 1)
        event = ConsentEvent(
            id=new_event_id(at),
            subject=subject,
            purpose=purpose,
            recipient=recipient,
            status=status,
            at=at,
            valid_until=None if evidence.valid_days is None else at + evidence.valid_days * _DAY,
            method=evidence.text or _METHOD,
            notice=evidence.notice,
            notice_version=evidence.notice_version,
            notice_digest=evidence.notice_digest,
            assurance=evidence.assurance,
            actor=by,
        )
        before = fold(history)
        try:
            _check(before, event)
            event = _with_notice(store, event)
            follows = decide(state, store, event)
        except EventRefused as refused:
            _refuse(refused, as_json=as_json)
    warning = spelling_warning(state, purpose, recipient) or _warning(before, event)
    _print(event, follows, warning, as_json=as_json)


def _check(before: SubjectState, event: ConsentEvent) -> None:
    """Raises EventRefused where there is nothing that could be renewed or lifted."""
    standing = before.consents.get((event.purpose, event.recipient))
    if event.status is ConsentStatus.RENEWED and (standing is None or not standing.status.allows):
        why = "no consent to this purpose and recipient stands or has ended by itself: record a grant"
        raise EventRefused("nothing_to_renew", why)
    if event.status is ConsentStatus.UNRESTRICTED and (
        standing is None or standing.status is not ConsentStatus.RESTRICTED
    ):
        raise EventRefused("not_restricted", "nothing is restricted for this purpose and recipient")


def _with_notice(store: SqliteConsentStore, event: ConsentEvent) -> ConsentEvent:
    """The event with version and digest of the notice as it was last shown; unchanged if it was not."""
    if event.notice is None:
        return event
    found = store.voucher(
        event.subject, event.notice, event.at, version=event.notice_version, digest=event.notice_digest
    )
    if found is None:
        return event
    return msgspec.structs.replace(event, notice_version=found.version, notice_digest=found.digest)


def _refuse(refused: EventRefused, *, as_json: bool) -> NoReturn:
    if as_json:
        print_json({"error": refused.why, "code": refused.code})
        raise click.exceptions.Exit(COULD_NOT_RUN)
    fail(f"{refused.code}: {refused.why}")


def _print(event: ConsentEvent, follows: str | None, warning: str | None, *, as_json: bool) -> None:
    if follows is not None:
        later = f"it counts, but is not in the log yet ({follows}); the next command or start records it"
        warning = later if warning is None else f"{later}; {warning}"
    if as_json:
        print_json({"event": event_row(event), "recorded": follows is None, "warning": warning})
        return
    whom = recipient_text(event.recipient)
    console.print(f"{event.status.value}: {event.purpose} for {whom} ({event.subject}, event {event.id})")
    if warning:
        errors.print(Text("warning", style="yellow").append(f": {warning}", style="default"), soft_wrap=True)


def _warning(before: SubjectState, event: ConsentEvent) -> str | None:
    """What the operator may not have meant: a grant that stays without effect, or a name never used before."""
    if event.status is ConsentStatus.UNRESTRICTED:
        return None
    others = [
        consent
        for key, consent in before.consents.items()
        if key != (event.purpose, event.recipient) or consent.status is ConsentStatus.RESTRICTED
    ]
    if event.status.allows:
        for consent in others:
            scoped = consent.recipient in (ANY_RECIPIENT, event.recipient)
            if scoped and consent.status in _ENDED and _covers(consent.purpose, event.purpose):
                still = f"{consent.purpose} is still {consent.status.value} for {recipient_text(consent.recipient)}"
                return f"{still}, which comes before this consent"
        return None
    known = event.purpose == ALL or any(_covers(event.purpose, purpose) for purpose, _ in before.consents)
    return None if known else f"nothing was recorded for {event.purpose} before: check that the rules spell it so"


def _covers(wider: str, purpose: str) -> bool:
    return wider in (ALL, purpose) or purpose.startswith(wider + ".")
