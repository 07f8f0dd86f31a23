"""The demo's scenes: the same request to both shops, what each received, what came back, what the ledger kept."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import aiohttp
import msgspec

from gateway.audit.reading import Entry, slots_of
from gateway.audit.search import Query, search
from gateway.cli.demo_stage import Stage
from gateway.model.words import ConsentStatus
from gateway.runtime.consents import decide
from gateway.runtime.erasure import open_subjects
from gateway.stores.consent import CONSENTS, SqliteConsentStore
from gateway.stores.event import ConsentEvent, new_event_id, now_microseconds
from gateway.stores.fold import moment_after
from gateway.stores.keyfile import load_keyring

ADA = "ada@example.org"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
TRACKING = "_ga=GA1.1.310644681.184463546; _ad_id=5a7539d87d6cbce5"
SHOWN_HEADERS = ("user-agent", "referer", "cookie")
RECORD_SECONDS = 3.0

_PERSON = {
    "email": ADA,
    "name": "Ada Lovelace",
    "password": "analytical engine",
    "birth_date": "1815-12-10",
    "phone": "+44 20 7946 0000",
    "device_id": "dev-enGB-LinuxX86-2560-1440",
}


class Call(msgspec.Struct, frozen=True):
    """A request as a visitor sends it; `body` goes as JSON, `form` as a URL-encoded form."""

    method: str
    path: str
    headers: Mapping[str, str] = MappingProxyType({"User-Agent": BROWSER})
    body: Mapping[str, object] | None = None
    form: Mapping[str, str] | None = None


class Side(msgspec.Struct, frozen=True):
    """One way of the request: what the shop received (None: nothing) and what the visitor got back."""

    received: dict[str, Any] | None
    status: int
    answer: object
    session: str = ""


class Scene(msgspec.Struct, frozen=True):
    """`records` are the ledger's new ones, oldest first."""

    title: str
    call: Call
    without: Side
    behind: Side
    records: list[dict[str, Any]]


class Director:
    """Plays the scenes one by one on a stage."""

    def __init__(self, stage: Stage, client: aiohttp.ClientSession) -> None:
        self._stage = stage
        self._client = client
        self._seen: set[tuple[str, int]] = set()
        self._sessions = {"without": "", "behind": ""}

    async def play(self) -> list[Scene]:
        """All scenes in order. Raises aiohttp.ClientError or OSError where something does not answer."""
        self._note_records()
        browser = {"User-Agent": BROWSER, "Referer": "https://search.example/?q=gift+for+ada", "Cookie": TRACKING}
        sign_up = Call("POST", "/api/customers", browser, body=_PERSON)
        change = Call("PATCH", "/api/profile", body={"birth_date": "1815-12-10"})
        scenes = [
            await self._scene("A visitor signs up", sign_up),
            await self._scene("Anyone asks for the list of orders", Call("GET", "/api/orders")),
            await self._scene("Ada, who has not consented to ads, gives a birth date", change),
        ]
        self._consent("ads", ConsentStatus.GIVEN)
        scenes.append(await self._scene("Ada has consented to ads: the same request", change))
        self._consent("ads", ConsentStatus.WITHDRAWN)
        scenes.append(await self._scene("Ada has withdrawn: the very next request", change))
        news = Call("POST", "/newsletter", form={"email": ADA, "name": "Ada Lovelace"})
        scenes.append(await self._scene("The newsletter, to which nobody has consented", news))
        return scenes

    def _consent(self, purpose: str, status: ConsentStatus) -> None:
        state = self._stage.state
        people = open_subjects(state, load_keyring(state))
        try:
            subject = people.handle(ADA)
        finally:
            people.close()
        store = SqliteConsentStore(state / CONSENTS)
        try:
            at = moment_after(store.history(subject), now_microseconds())
            event = ConsentEvent(
                id=new_event_id(at), subject=subject, purpose=purpose, status=status, at=at, method="demo"
            )
            decide(state, store, event)
        finally:
            store.close()
        # Its own record belongs to no scene.
        self._note_records()

    async def _scene(self, title: str, call: Call) -> Scene:
        stage = self._stage
        without = await self._send(call, stage.bare_shop, stage.bare_shop, self._sessions["without"])
        behind = await self._send(call, stage.gateway, stage.shop, self._sessions["behind"])
        self._sessions["without"] = without.session or self._sessions["without"]
        self._sessions["behind"] = behind.session or self._sessions["behind"]
        return Scene(title, call, without, behind, await self._new_records(behind))

    async def _send(self, call: Call, address: str, shop: str, session: str) -> Side:
        before = await self._received(shop)
        cookies = [call.headers.get("Cookie", ""), f"session={session}; customer={ADA}" if session else ""]
        headers = {**call.headers, "Cookie": "; ".join(filter(None, cookies))}
        if not headers["Cookie"]:
            del headers["Cookie"]
        async with self._client.request(
            call.method, address + call.path, headers=headers, json=call.body, data=call.form
        ) as response:
            answer: object = await response.text()
            if response.content_type.endswith("json"):
                answer = msgspec.json.decode(await response.read())
            token = response.cookies.get("session")
        after = await self._received(shop)
        new = after[-1] if after and (not before or after[-1]["number"] != before[-1]["number"]) else None
        return Side(new, response.status, answer, token.value if token is not None else "")

    async def _received(self, shop: str) -> list[dict[str, Any]]:
        async with self._client.get(f"{shop}/debug/received") as response:
            found: list[dict[str, Any]] = (await response.json())["received"]
        return found

    def _note_records(self) -> list[Entry]:
        entries = list(search(slots_of(self._stage.state), Query(limit=100)))
        new = [entry for entry in reversed(entries) if (entry.slot, entry.index) not in self._seen]
        self._seen.update((entry.slot, entry.index) for entry in new)
        return new

    async def _new_records(self, behind: Side) -> list[dict[str, Any]]:
        """Records of messages that passed are durable by now; that of a refusal may follow a moment later."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + RECORD_SECONDS
        new = self._note_records()
        while not new and behind.received is None and loop.time() < deadline:
            await asyncio.sleep(0.05)
            new = self._note_records()
        return [entry.record for entry in new]
