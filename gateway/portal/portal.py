"""Which targets are the person's pages, and who answers each.

A request passes the same gates in the same order: path, method, rate of its peer, person, rate of the person,
and, where it is to change anything, whether it came from a page of ours that was made for this person.
"""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import msgspec

from gateway.model.message import RequestHead, header_values
from gateway.portal.access_pages import FILES, AccessPages
from gateway.portal.consent_api import LATER, ConsentApi
from gateway.portal.context import PortalContext
from gateway.portal.csrf import is_loaded_elsewhere, is_same_origin
from gateway.portal.forms import BANNER, SAVE, Form, FormUnreadable, read_form
from gateway.portal.notices import Notices
from gateway.portal.pages import PORTAL, Pages
from gateway.portal.rate_limit import RateLimit, peer_key
from gateway.portal.submissions import Stale, Submissions, TooMany
from gateway.portal.views import Views, problem, see_other
from gateway.portal.visits import Person, Visit
from gateway.portal.well_known import READ, WellKnown, allow
from gateway.runtime.gateway import Gateway
from gateway.runtime.kept_notices import KeptNotices
from gateway.runtime.own_pages import OwnAnswer
from gateway.runtime.settings import Settings
from gateway.runtime.settings_portal import PortalSettings

BODY_LIMIT = 64 * 1024
"""Bytes of a body that a page takes: choices for some hundreds of purposes."""

_SEND = ("POST",)
_BOTH = (*READ, *_SEND)
_WAIT = (b"Retry-After", b"60")
_API = "/api/consent"
_NOTICE = "/notice/"

_Answer: TypeAlias = Callable[[Visit, Person, bytes], Awaitable[OwnAnswer]]


class _Page(msgspec.Struct, frozen=True):
    """`meets` pages are shown to people whom nothing names, who are visitors from then on."""

    methods: tuple[str, ...]
    answer: _Answer
    meets: bool = False


class Portal:
    """The pages of one worker."""

    body_limit = BODY_LIMIT

    def __init__(self, gateway: Gateway, settings: PortalSettings, state: Path, trusted: tuple[str, ...] = ()) -> None:
        """`trusted` are the networks whose peers speak for others. Raises OSError where the logo cannot be read."""
        self._gateway = gateway
        self._settings = settings
        self._prefix = settings.prefix.encode()
        self._trusted = trusted
        self._well_known = WellKnown(gateway)
        self._views = Views(settings)
        notices = Notices(KeptNotices(state), settings.languages, settings.prefix)
        self._context = PortalContext(gateway, settings, notices, self._views)
        self._submissions = Submissions(self._context)
        self._pages = Pages(self._context)
        self._api = ConsentApi(self._context, self._submissions)
        self._access = access = AccessPages(self._context, state, trusted)
        self._peers = RateLimit(settings.rate.peer)
        self._persons = RateLimit(settings.rate.person)
        self._table = {
            "": _Page(READ, lambda visit, person, _: self._pages.overview(visit, person), meets=True),
            "/banner": _Page(READ, lambda visit, person, _: self._pages.banner(visit, person), meets=True),
            "/history": _Page(READ, lambda visit, person, _: self._pages.history(visit, person)),
            "/disclosures": _Page(READ, lambda visit, person, _: access.disclosures(visit, person)),
            "/receipt": _Page(READ, lambda visit, person, _: access.receipt(visit, person)),
            **{path: _Page(READ, _file(access, name)) for name, path in FILES.items()},
            "/choices": _Page(_SEND, self._choices),
            "/withdraw": _Page(_SEND, self._withdraw),
            _NOTICE: _Page(READ, self._kept),
            _API: _Page(_BOTH, self._call),
        }

    def owns(self, target: bytes) -> bool:
        """Exact bytes only: what has to be decoded first to be the same path is not ours, and has a route or none."""
        prefix = self._prefix
        if not target.startswith(prefix):
            return self._well_known.owns(target)
        return target[len(prefix) : len(prefix) + 1] in (b"", b"/", b"?")

    async def answer(self, head: RequestHead, body: bytes) -> OwnAnswer:
        """See the module. Raises StoreDown where a person's decisions, or the person, cannot be looked up."""
        if self._well_known.owns(head.target):
            return await self._well_known.answer(head, body)
        visit = Visit(head, self._gateway.policy, self._settings.prefix, self._settings.languages)
        path = visit.path[len(self._prefix) :]
        found = self._fixed(path)
        page = self._table.get(_NOTICE if path.startswith(_NOTICE) else path)
        if found is None and page is None:
            return self._views.message(visit, "missing", 404)
        methods = READ if page is None else page.methods
        if head.method not in methods:
            return self._refuse(visit, "method", 405, allow(methods))
        if found is not None:
            return found
        assert page is not None
        return await self._gated(visit, page, body)

    def close(self) -> None:
        """Give up what is being read for a page."""
        self._access.close()

    def _fixed(self, path: str) -> OwnAnswer | None:
        """Files that are the same for everybody."""
        if path == "/style.css":
            return self._views.style
        if path == "/embed.css":
            return self._views.embed
        return self._views.logo if path == "/logo" else None

    async def _gated(self, visit: Visit, page: _Page, body: bytes) -> OwnAnswer:
        if is_loaded_elsewhere(visit.head):
            return self._refuse(visit, "foreign", 403)
        now = time.monotonic()
        peer = peer_key(visit.head, self._trusted)
        if peer and not self._peers.allows(peer, now):
            return self._refuse(visit, "rate", 429, _WAIT)
        person = await self._context.identification.find(visit.head)
        if person is None:
            return await self._unknown(visit, page, body)
        if not self._persons.allows(person.handle, now):
            return self._refuse(visit, "rate", 429, _WAIT)
        return await page.answer(visit, person, body)

    async def _unknown(self, visit: Visit, page: _Page, body: bytes) -> OwnAnswer:
        """For somebody whom nothing names: a page makes them a visitor, an answer cannot be taken."""
        method = visit.head.method
        asks = _calls(visit) and visit.query.get("notice") == "1"
        if method == "GET" and (page.meets or asks):
            met = await self._context.identification.meet(visit.head)
            if met is None:
                return self._refuse(visit, "nobody", 403)
            person, cookie = met
            visit.cookies.append(cookie)
            return await page.answer(visit, person, body)
        if method in READ and _calls(visit):
            return await self._api.tell(visit, None)
        if method in READ:
            return self._views.message(visit, "nobody", 200) if page.meets else see_other(visit, visit.link())
        return self._refuse(visit, "cookies" if self._context.identification.may_meet(visit.head) else "nobody", 403)

    def _refuse(self, visit: Visit, name: str, status: int, *extra: tuple[bytes, bytes]) -> OwnAnswer:
        """What did not work: in words for people, as a problem for programs."""
        if _calls(visit):
            return problem(name, status, visit.words(f"error.{name}"), *extra)
        return self._views.message(visit, name, status, *extra)

    async def _kept(self, visit: Visit, person: Person, _: bytes) -> OwnAnswer:
        digest = visit.path[len(self._prefix) + len(_NOTICE) :]
        found = await self._pages.kept(visit, person, digest)
        return self._views.message(visit, "missing", 404) if found is None else found

    async def _choices(self, visit: Visit, person: Person, body: bytes) -> OwnAnswer:
        form = self._form(visit, person, body)
        if isinstance(form, OwnAnswer):
            return form
        method = BANNER if form.via == BANNER else PORTAL
        try:
            changed = await self._submissions.answer(visit, person, form, method=method)
        except Stale:
            return await self._pages.overview(visit, person, alert="stale", status=409)
        except TooMany:
            return self._refuse(visit, "often", 429, LATER)
        await self._context.forget(visit, person)
        if form.back:
            return see_other(visit, form.back)
        done = "saved" if changed else "open" if form.do == SAVE and not form.selection else "nothing"
        return see_other(visit, visit.link(done=done) + "#status")

    async def _withdraw(self, visit: Visit, person: Person, body: bytes) -> OwnAnswer:
        form = self._form(visit, person, body)
        if isinstance(form, OwnAnswer):
            return form
        await self._submissions.withdraw(visit, person, notice=form.notice, method=PORTAL)
        await self._context.forget(visit, person)
        return see_other(visit, visit.link(done="withdrawn") + "#status")

    def _form(self, visit: Visit, person: Person, body: bytes) -> Form | OwnAnswer:
        """The form, or the page that says why it is not taken."""
        try:
            form = read_form(_media_type(visit.head), body)
        except FormUnreadable:
            return self._refuse(visit, "unreadable", 400)
        visit.speak(form.language)
        if not is_same_origin(visit.head) or not self._context.csrf_tokens.fits(form.token, person.handle, visit.now):
            return self._refuse(visit, "foreign", 403)
        return form

    async def _call(self, visit: Visit, person: Person, body: bytes) -> OwnAnswer:
        if not is_same_origin(visit.head) and (visit.head.method == "POST" or "notice" in visit.query):
            return self._refuse(visit, "foreign", 403)
        if visit.head.method == "POST":
            return await self._api.decide(visit, person, _media_type(visit.head), body)
        return await self._api.tell(visit, person)


def _file(access: AccessPages, name: str) -> _Answer:
    return lambda visit, person, _: access.file(visit, person, name)


def _calls(visit: Visit) -> bool:
    return visit.path == visit.prefix + _API


def _media_type(head: RequestHead) -> bytes:
    values = header_values(head.headers, b"content-type")
    return values[0] if len(values) == 1 else b""


def open_portal(settings: Settings, gateway: Gateway) -> Portal | WellKnown | None:
    """The pages of a worker; none where it only observes, since an observer changes nothing (promise P7).

    Raises:
        OSError: the logo cannot be read.
    """
    if settings.upstream is not None:
        return None
    if settings.portal is None:
        return WellKnown(gateway)
    return Portal(gateway, settings.portal, Path(settings.state), settings.forwarded.trusted)
