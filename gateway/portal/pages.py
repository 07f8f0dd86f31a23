"""The pages that people read: overview, history, a notice as it was shown, and the banner."""

import msgspec
from markupsafe import Markup

from gateway.portal.context import PortalContext
from gateway.portal.forms import BANNER, safe_path
from gateway.portal.notices import FULL, SHORT, Notice, name_of, title_of
from gateway.portal.preference_cards import Card, card_of
from gateway.portal.preferences import Kind, Preference
from gateway.portal.texts import NAMES, WORDS
from gateway.portal.visits import Person, Visit
from gateway.runtime.own_pages import OwnAnswer
from gateway.stores.event import ANY_RECIPIENT, ConsentEvent, ServedNotice

PORTAL = "portal"
"""The method of what is decided on the overview."""
DONE = frozenset({"saved", "withdrawn", "nothing", "open"})
_KEPT = "/notice/"


class Line(msgspec.Struct, frozen=True):
    """One decision in words. `place` leads to the notice that it cites, if that was shown here."""

    at: int
    purpose: str
    tag: str
    decision: str
    recipient: str
    how: str
    version: str
    place: str
    until: int | None


class Shown(msgspec.Struct, frozen=True):
    """One showing of a notice in words."""

    at: int
    version: str
    language: str
    digest: str
    how: str
    place: str


class Alert(msgspec.Struct, frozen=True):
    title: str
    text: str


class Pages:
    """Each method answers one page, for the person of the visit. All raise StoreDown."""

    def __init__(self, context: PortalContext) -> None:
        self._context = context

    async def overview(self, visit: Visit, person: Person, *, alert: str = "", status: int = 200) -> OwnAnswer:
        """Notice, state and choices. `alert` names the text of what did not work before."""
        context, words = self._context, visit.words
        notice = await context.show(visit, person, FULL, PORTAL)
        preferences = (await context.standings(visit, person)).preferences
        cards = {kind: self._cards(visit, preferences, kind) for kind in Kind}
        done = visit.query.get("done", "")
        return context.views.page(
            visit,
            "overview.html",
            words("overview.title"),
            status=status,
            current="overview",
            done=words(f"done.{done}") if done in DONE else "",
            alert=Alert(words.titled("error", alert), words(f"error.{alert}")) if alert else None,
            who=words("overview.visitor" if person.is_visitor else "overview.known"),
            signal=_signal(visit, preferences),
            notice=notice,
            cards=cards[Kind.CONSENT],
            objections=cards[Kind.OBJECTION],
            fixed=cards[Kind.FIXED],
            form=self._form(visit, person, notice, PORTAL),
        )

    async def history(self, visit: Visit, person: Person) -> OwnAnswer:
        """Every decision, the newest first, and every notice that was shown."""
        decisions = self._context.services.decisions
        served = await decisions.served(person.handle)
        digests = {each.digest for each in served}
        lines = [_line(event, visit, digests) for event in reversed(await decisions.history(person.handle))]
        return self._context.views.page(
            visit,
            "history.html",
            visit.words("history.title"),
            current="history",
            lines=lines,
            shown=[_shown(each, visit) for each in reversed(served)],
        )

    async def kept(self, visit: Visit, person: Person, digest: str) -> OwnAnswer | None:
        """A notice exactly as it was shown to this person; None where it never was, or not by these pages."""
        served = [
            each for each in await self._context.services.decisions.served(person.handle) if each.digest == digest
        ]
        content = await self._context.notices.kept.read(digest) if served else None
        if content is None:
            return None
        title = visit.words("kept.title", version=served[-1].version)
        return self._context.views.page(
            visit,
            "kept.html",
            title,
            current="",
            digest=digest,
            written_in=WORDS[served[-1].language].tag if served[-1].language in WORDS else served[-1].language,
            html=Markup(content.decode()),  # noqa: S704 - rendered by our template, and its digest is as it was then
        )

    async def banner(self, visit: Visit, person: Person) -> OwnAnswer:
        """The question in short, for a frame in a page of this host."""
        notice = await self._context.show(visit, person, SHORT, BANNER)
        return self._context.views.page(
            visit,
            "banner.html",
            visit.words("banner.title"),
            framed=True,
            current="",
            notice=notice,
            back=safe_path(visit.query.get("back", "")),
            form=self._form(visit, person, notice, BANNER),
        )

    def _form(self, visit: Visit, person: Person, notice: Notice, via: str) -> dict[str, str]:
        token = self._context.csrf_tokens.token(person.handle, visit.now)
        return {"token": token, "notice": notice.digest, "via": via, "language": visit.chosen_language}

    def _cards(self, visit: Visit, preferences: tuple[Preference, ...], kind: Kind) -> list[Card]:
        return [card_of(preference, visit.policy, visit.words) for preference in preferences if preference.kind is kind]

    def style(self) -> OwnAnswer:
        return self._context.views.style

    def logo(self) -> OwnAnswer | None:
        return self._context.views.logo


def _signal(visit: Visit, preferences: tuple[Preference, ...]) -> str:
    words = visit.words
    if not visit.gpc:
        return words("gpc.absent")
    sold = [title_of(preference.purpose, words)[0] for preference in preferences if preference.purpose.sale_or_share]
    return words("gpc.purposes", purposes=words.listed(sold)) if sold else words("gpc.nothing")


def _line(event: ConsentEvent, visit: Visit, digests: set[str]) -> Line:
    words, policy = visit.words, visit.policy
    purpose = policy.purposes.get(event.purpose)
    recipient = policy.recipients.get(event.recipient)
    title, tag = title_of(purpose, words) if purpose is not None else (event.purpose, "")
    return Line(
        at=event.at,
        purpose=words("history.any") if event.purpose == "*" else title,
        tag=tag,
        decision=words.named("status", event.status),
        recipient=words("history.any")
        if event.recipient == ANY_RECIPIENT
        else (name_of(recipient, words) if recipient is not None else event.recipient),
        how=words.named("method", event.method),
        version=event.notice_version or event.notice or "",
        place=visit.link(_KEPT + event.notice_digest) if event.notice_digest in digests else "",
        until=event.valid_until,
    )


def _shown(notice: ServedNotice, visit: Visit) -> Shown:
    how = visit.words.named("method", notice.method)
    language = NAMES.get(notice.language, notice.language)
    return Shown(notice.at, notice.version, language, notice.digest, how, visit.link(_KEPT + notice.digest))
