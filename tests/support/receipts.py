"""A person's decisions in a real state directory, and receipts for them."""

import json

from people import handle_of
from rulebook import TODAY

from gateway.audit.index import Index
from gateway.audit.verify_note import VerifierKey
from gateway.model.words import Assurance, ConsentStatus
from gateway.policy.compile import load_policy
from gateway.portal.receipt import Decided, Occasion, proven, signed_receipt
from gateway.runtime.consents import decide_all
from gateway.runtime.operators import AUDIT
from gateway.runtime.receipt_key import public_keys, receipt_key
from gateway.stores.consent import CONSENTS, SqliteConsentStore
from gateway.stores.event import ConsentEvent, ServedNotice, new_event_id

S = ConsentStatus
WHERE = "https://shop.example/privacy"
OCCASION = Occasion(identifier="5e1f1b1e-4b0a-4f3e-9f2a-0d7c3a5b6e7f", created="2026-11-24T01:00:00Z", where=WHERE)
AT = 1_795_000_000_000_000
DIGEST = "ab" * 32

RULES = """
version: 1
controller:
  name: Example Shop GmbH
  contact: privacy@shop.example
  jurisdiction: EU
  address: Example Street 1, Berlin
  privacy_policy: https://shop.example/policy
purposes:
  service: {basis: contract, title: Handle your order}
  analytics: {basis: consent, title: See how the shop is used}
  ads: {basis: explicit_consent, title: {en: Show you offers, de: Ihnen Angebote zeigen}, description: In other places}
  ads.email: {basis: consent, title: Send you offers}
  security: {basis: legitimate_interest}
recipients:
  shop: {role: controller, upstream: "http://127.0.0.1:1"}
  mailer: {role: processor, upstream: "http://127.0.0.1:2", country: DE, title: Mail & More, contact: https://mail.example,
           may_receive: {contact.email: [ads, ads.email]}}
routes:
  - name: sign-up
    match: {path: /sign-up, method: POST}
    to: shop
    subject: {field: $.email}
    request:
      fields:
        $.email: {is: contact.email, for: ads}
        $.born: {is: demographic.date_of_birth, for: ads, otherwise: drop}
        $.page: {is: behavior.browsing_history, for: analytics, otherwise: drop}
        $.name: {is: name, for: service}
    response: {rest: pass}
  - name: mail
    match: {path: /mail, method: POST}
    to: mailer
    subject: {field: $.email}
    request:
      fields:
        $.email: {is: contact.email, for: ads.email, otherwise: drop}
        $.to: {is: contact.email, for: ads, otherwise: drop}
        $.name: {is: name, for: ads, otherwise: drop}
    response: {rest: pass}
"""


def policy():
    return load_policy({"rules.yaml": RULES}, today=TODAY)


def event(subject, status, purpose="ads", *, after=0, **more):
    at = AT + after * 1_000_000
    fields = {"id": new_event_id(at), "subject": subject, "purpose": purpose, "status": status, "at": at}
    return ConsentEvent(**{**fields, "method": "portal", **more})


def notice(subject, *, after=-5, language="de"):
    at = AT + after * 1_000_000
    return ServedNotice(
        id=new_event_id(at), subject=subject, notice="offers", version="2026-11", digest=DIGEST, language=language,
        at=at, method="portal",
    )  # fmt: skip


CITED = {"notice": "offers", "notice_version": "2026-11", "notice_digest": DIGEST}


def history(subject):
    """One of everything that an event can say."""
    end = AT + 86_400_000_000
    return [
        event(subject, S.GIVEN, after=1, valid_until=end, assurance=Assurance.LOW, **CITED),
        event(subject, S.REFUSED, "analytics", after=2, recipient="shop"),
        event(subject, S.WITHDRAWN, after=3, actor="ann"),
        event(subject, S.RESTRICTED, "*", after=4),
        event(subject, S.UNRESTRICTED, "*", after=5),
        event(subject, S.OBJECTED, "security", after=6),
        event(subject, S.RENEWED, "ads.email", after=7, recipient="mailer"),
        event(subject, S.REVOKED, "ads.email", after=8, recipient="mailer"),
    ]


def decided(state, events=None, served=None, person="ann@shop.example"):
    """Record the events (of `history`, if none) in store and log; gives what was decided."""
    subject = handle_of(state, person)
    events = history(subject) if events is None else events
    served = [notice(subject)] if served is None else served
    store = SqliteConsentStore(state / CONSENTS, busy_timeout=5)
    try:
        decide_all(state, store, events, served)
    finally:
        store.close()
    return Decided(events, served)


def receipt(state, decisions, rules=None, occasion=OCCASION):
    with Index.open(state / AUDIT) as index:
        evidence = proven(index, state / AUDIT, decisions)
    return signed_receipt(decisions, evidence, rules or policy(), occasion, receipt_key(state))


def document(state, decisions, **more):
    return json.loads(receipt(state, decisions, **more))


def keys(state, *, only=""):
    return [VerifierKey(key.vkey) for key in public_keys(state) if only in key.name]
