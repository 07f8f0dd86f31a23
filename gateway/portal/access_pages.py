"""The pages about disclosures and receipt, and the files that a person takes along."""

import ipaddress
from collections.abc import Sequence
from pathlib import Path

from gateway.model.identity import caller_of
from gateway.model.message import HeaderPairs, header_values
from gateway.model.network import lies_in
from gateway.portal.access import Access
from gateway.portal.access_texts import say
from gateway.portal.context import PortalContext
from gateway.portal.views import file_answer
from gateway.portal.visits import Person, Visit
from gateway.runtime.own_pages import OwnAnswer
from gateway.runtime.record_reader import NotReady

RECEIPT = "/receipt.jsonld"
FILES = {"receipt": RECEIPT, "json": "/records.json", "csv": "/records.csv"}
_MEDIA_TYPES = {"receipt": b"application/ld+json", "json": b"application/json", "csv": b"text/csv; charset=utf-8"}
_NAMES = {"receipt": "consent-receipt.jsonld", "json": "records.json", "csv": "records.csv"}
_SCHEMES = ("http", "https")
_WAIT: HeaderPairs = ((b"Retry-After", b"60"),)


class AccessPages:
    """Each method answers for the person of the visit. All raise StoreDown."""

    def __init__(self, context: PortalContext, state: Path, trusted: Sequence[str] = ()) -> None:
        """`trusted` are the networks whose peers may say that TLS ended before them."""
        self._trusted = tuple(map(ipaddress.ip_network, trusted))
        self._context = context
        self._access = Access(context.gateway, state)

    async def disclosures(self, visit: Visit, person: Person) -> OwnAnswer:
        """What was collected, used and disclosed, for the `days` of the query."""
        days = visit.query.get("days", "")
        try:
            context = await self._access.disclosures(
                [person.handle],
                caller=_caller(person),
                language=visit.words.language,
                days=int(days) if days.isascii() and days.isdigit() and len(days) < 9 else 0,
                link=lambda days: visit.link("/disclosures", days=str(days or "")),
            )
        except NotReady:
            return self._later(visit)
        title = say(visit.words.language, "disclosures.title")
        return self._context.views.page(visit, "disclosures_page.html", title, current="disclosures", **context)

    async def receipt(self, visit: Visit, person: Person) -> OwnAnswer:
        """Where receipt and records are, and how a receipt is checked."""
        language = visit.words.language
        context = await self._access.receipt_page(
            [person.handle], language=language, link=lambda name: visit.link(FILES[name])
        )
        title = say(language, "receipt.title")
        return self._context.views.page(visit, "receipt_page.html", title, current="receipt", **context)

    async def file(self, visit: Visit, person: Person, name: str) -> OwnAnswer:
        """One of `FILES`."""
        try:
            content = await self._content(visit, person, name)
        except NotReady:
            return self._later(visit)
        if content is None:
            return self._context.views.message(visit, "missing", 404)
        return file_answer(visit, content, _MEDIA_TYPES[name], _NAMES[name])

    async def _content(self, visit: Visit, person: Person, name: str) -> bytes | None:
        handles, caller = [person.handle], _caller(person)
        if name != "receipt":
            return await self._access.records(handles, caller=caller, form=name)
        return await self._access.receipt(handles, caller=caller, where=self._where(visit))

    def _where(self, visit: Visit) -> str:
        """The URL of the pages as the person sees it; empty where a client of HTTP/1.0 names no host."""
        head = visit.head
        told = header_values(head.headers, b"x-forwarded-proto") if lies_in(head.peer, self._trusted) else []
        scheme = told[0].decode("latin-1").strip().lower() if len(told) == 1 else ""
        return f"{scheme if scheme in _SCHEMES else head.scheme}://{head.host}{visit.prefix}" if head.host else ""

    def close(self) -> None:
        """As `Access.close`."""
        self._access.close()

    def _later(self, visit: Visit) -> OwnAnswer:
        language = visit.words.language
        title, text = say(language, "later.title"), say(language, "later.text")
        answer = self._context.views.page(visit, "message.html", title, status=503, text=text, current="")
        return OwnAnswer(answer.status, (*answer.headers, *_WAIT), answer.body)


def _caller(person: Person) -> str:
    return caller_of(person.identity, person.handle)
