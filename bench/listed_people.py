"""What a list of people costs that is decided item by item, beside the same list under rules that are constant.

    bench/.venv/bin/python bench/listed_people.py [--people 500] [--rounds 200]

Answers go through a whole `Passage`, with a ledger on disk. Everybody was met before, and every fifth person
withdrew. Microseconds of this process's CPU for one answer, the least of five runs.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import structlog

from gateway.audit.ledger import Ledger
from gateway.crypto.keyring import KeyRing
from gateway.crypto.sign import SigningKey
from gateway.model.limits import DEFAULT_LIMITS
from gateway.model.message import RequestHead, ResponseHead
from gateway.model.words import ConsentStatus
from gateway.policy.compile import load_policy
from gateway.runtime.cookie_memory import CookieMemory
from gateway.runtime.decisions import Decisions
from gateway.runtime.gateway import Gateway
from gateway.runtime.metrics import Metrics
from gateway.runtime.open_people import open_people
from gateway.runtime.services import Services
from gateway.stores.consent import CONSENTS, SqliteConsentStore
from gateway.stores.cookies import COOKIES
from gateway.stores.event import ConsentEvent, new_event_id, now_microseconds

RULES = """
version: 1
controller: {name: Example Shop GmbH, contact: privacy@shop.example}
purposes:
  service: {basis: contract}
  ads: {basis: consent}
recipients:
  shop: {role: controller, upstream: "http://127.0.0.1:1"}
routes:
  - name: by-item
    match: {path: /by-item}
    to: shop
    subject: {each: "$.items[*]", field: $.customer_id}
    request: {rest: pass}
    response:
      fields:
        $.items[*].email: {is: contact.email, for: ads, otherwise: drop}
        $.items[*].name: {is: name, for: service}
      rest: pass
  - name: kept
    match: {path: /kept}
    to: shop
    request: {rest: pass}
    response:
      fields:
        $.items[*].email: {is: contact.email, for: service}
        $.items[*].name: {is: name, for: service}
      rest: pass
  - name: dropped
    match: {path: /dropped}
    to: shop
    request: {rest: pass}
    response:
      fields:
        $.items[*].email: {is: contact.email, for: service, as: drop}
        $.items[*].name: {is: name, for: service}
      rest: pass
"""
ITEM = (
    '{"customer_id":"c-%d","email":"person%d@shop.example","name":"A Person","city":"Hamburg","total":"119.90","n":3}'
)
HEADERS = ((b"Content-Type", b"application/json"),)
RUNS = 5


def services_in(state: Path, *, recorded: bool) -> Services:
    keys = KeyRing(b"k" * 32, "26q4a")
    metrics, log = Metrics(), structlog.get_logger()
    ledger = None
    if recorded:
        signer = SigningKey("bench", bytes(range(32)))
        ledger = Ledger.open(state / "w0", origin="bench", signer=signer, opened={"program": "bench"})
    return Services(
        keys=keys,
        people=open_people(state, keys),
        consent=SqliteConsentStore(state / CONSENTS),
        decisions=Decisions(state, ledger, log),
        ledger=ledger,
        metrics=metrics,
        log=log,
        limits=DEFAULT_LIMITS,
        cookies=CookieMemory(state / COOKIES, metrics, log),
    )


async def decided(services: Services, people: int) -> None:
    """Everybody consented, and every fifth withdrew."""
    handles = await services.people.meet_all([f"c-{number}" for number in range(people)])
    for every, status in ((1, ConsentStatus.GIVEN), (5, ConsentStatus.WITHDRAWN)):
        at = now_microseconds()
        events = [
            ConsentEvent(id=new_event_id(at), subject=each, purpose="ads", status=status, at=at, method="bench")
            for each in list(handles.values())[::every]
        ]
        services.consent.append_all(events)


async def answered(gateway: Gateway, target: bytes, body: bytes, rounds: int) -> float:
    """Microseconds of CPU for one answer."""
    head = RequestHead("GET", target, "shop.example", ())
    spent = time.process_time()
    for _ in range(rounds):
        passage = gateway.receive(head)
        await passage.admit_request(None)
        await passage.admit_response(ResponseHead(200, HEADERS), body)
        passage.finish(200)
    return 1e6 * (time.process_time() - spent) / rounds


async def measure(people: int, rounds: int) -> None:
    body = b'{"page":1,"items":[%b]}' % ",".join(ITEM % (number, number) for number in range(people)).encode()
    policy = load_policy({"rules.yaml": RULES}, today="2026-11-23")
    print(f"{people} items, {len(body)} bytes; microseconds of CPU for one answer")
    for recorded in (False, True):
        with tempfile.TemporaryDirectory() as directory:
            services = services_in(Path(directory), recorded=recorded)
            await decided(services, people)
            gateway = Gateway(policy, services)
            for target in (b"/kept", b"/dropped", b"/by-item"):
                least = min([await answered(gateway, target, body, rounds) for _ in range(RUNS)])
                print(f"{target.decode():>10} {'with' if recorded else 'without'} ledger {least:>9.0f}", flush=True)
            await services.decisions.close()
            if services.ledger is not None:
                await services.ledger.close()
            services.people.close()
            services.consent.close()
            services.cookies.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    asyncio.run(measure(options.people, options.rounds))


if __name__ == "__main__":
    main()
