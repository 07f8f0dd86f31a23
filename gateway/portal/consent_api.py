"""`PREFIX/api/consent` for applications that ask with a banner of their own, in JSON.

GET tells how everything stands, and with `?notice=1` gives the notice to show, which is recorded as shown.
POST decides; it cites the digest of that notice. Only pages of the same host can ask, since no other
may send this media type without leave, and none is given (Fetch, CORS).
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from gateway.crypto.canonical_json import NotCanonical, parse
from gateway.portal.context import PortalContext
from gateway.portal.forms import REFUSE_ALL, SAVE, Form
from gateway.portal.notices import SHORT, name_of, title_of
from gateway.portal.preferences import Answer, Kind, Preference
from gateway.portal.submissions import Stale, Submissions, TooMany
from gateway.portal.views import json_answer, problem
from gateway.portal.visits import Person, Visit
from gateway.runtime.own_pages import OwnAnswer
from gateway.stores.event import ANY_RECIPIENT, MICROSECONDS

API = "api"
"""The method of what is decided here."""
LATER = (b"Retry-After", b"86400")
_JSON = b"application/json"


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Yes or no to one purpose, for any recipient or for one. To what rests on another basis, no is an objection."""

    purpose: str
    consent: bool
    recipient: str = ANY_RECIPIENT


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`withdraw` is `all`, or `choices` say something; not both."""

    notice: str = ""
    choices: tuple[Decision, ...] = ()
    withdraw: str = ""


class ConsentApi:
    """Answers one request; both methods raise StoreDown."""

    def __init__(self, context: PortalContext, submissions: Submissions) -> None:
        self._context = context
        self._submissions = submissions

    async def tell(self, visit: Visit, person: Person | None) -> OwnAnswer:
        """How everything stands; to nobody, that nothing is answered."""
        told = await self._standing(visit, person)
        if visit.query.get("notice") == "1" and person is not None:
            told["notice"] = await self._notice(visit, person)
        return json_answer(visit, told)

    async def decide(self, visit: Visit, person: Person, media_type: bytes, body: bytes) -> OwnAnswer:
        """Record what the person decided in the application, whole or not at all."""
        if media_type.partition(b";")[0].strip().lower() != _JSON:
            return problem("unsupported_media_type", 415, "Send application/json.", (b"Accept", _JSON))
        form = _form(body)
        if form is None:
            return problem("unreadable_decision", 400, "Send choices, or withdraw: all; docs/portal.md has the form.")
        try:
            changed = await self._submissions.answer(visit, person, form, method=API)
        except Stale:
            notice = await self._notice(visit, person)
            detail = "Nothing was recorded. Show this notice, let the person choose again, and cite its digest."
            return problem("notice_not_current", 409, detail, more={"notice": notice})
        except TooMany:
            return problem("often", 429, visit.words("error.often"), LATER)
        await self._context.forget(visit, person)
        return json_answer(visit, await self._standing(visit, person) | {"changed": changed})

    async def _notice(self, visit: Visit, person: Person) -> dict[str, str]:
        notice = await self._context.show(visit, person, SHORT, API)
        return {
            "version": notice.version,
            "digest": notice.digest,
            "language": notice.language,
            "html": str(notice.html),
            "more": visit.link(),
        }

    async def _standing(self, visit: Visit, person: Person | None) -> dict[str, Any]:
        standings = await self._context.standings(visit, person)
        return {
            "known_by": None if person is None else person.identity.source,
            "gpc": visit.gpc,
            "purposes": [_purpose(preference, visit) for preference in standings.preferences],
        }


def _form(body: bytes) -> Form | None:
    """The body as the form that the pages would have sent; None where it cannot be read."""
    try:
        parse(body)  # refuses a key that is there twice, of which msgspec takes the last
        request = msgspec.json.decode(body, type=Request)
    except (NotCanonical, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    selection = {(choice.purpose, choice.recipient): choice.consent for choice in request.choices}
    if len(selection) != len(request.choices) or bool(selection) == bool(request.withdraw):
        return None
    if request.withdraw not in ("", "all"):
        return None
    return Form(notice=request.notice, do=REFUSE_ALL if request.withdraw else SAVE, selection=selection)


def _purpose(preference: Preference, visit: Visit) -> dict[str, Any]:
    return {
        "purpose": preference.purpose.name,
        "title": title_of(preference.purpose, visit.words)[0],
        "basis": preference.purpose.basis,
        "asks": {Kind.CONSENT: "consent", Kind.OBJECTION: "objection", Kind.FIXED: None}[preference.kind],
        "sale_or_share": preference.purpose.sale_or_share,
        "each_recipient": preference.separate,
        **_answer(preference.whole),
        "recipients": [
            {"recipient": each.recipient, "title": name_of(visit.policy.recipients[each.recipient], visit.words)}
            | _answer(each)
            for each in preference.each
        ],
    }


def _answer(answer: Answer) -> dict[str, Any]:
    event = answer.event
    until = None if event is None else event.valid_until
    return {
        "answer": answer.answer,
        "allowed": answer.found.allows,
        "reason": answer.found.reason,
        "since": None if event is None else _moment(event.at),
        "valid_until": None if until is None else _moment(until),
    }


def _moment(moment: int) -> str:
    return datetime.fromtimestamp(moment // MICROSECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
