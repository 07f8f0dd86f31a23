"""A state directory with people of whom something is held, and an authority that asks for it."""

import json

from people import handle_of
from rulebook import TODAY

from gateway.model.words import Instrument, LegalStatus
from gateway.policy.compile import load_policy
from gateway.runtime.erasure import open_subjects
from gateway.runtime.legal_requests import Register
from gateway.runtime.operators import operator_log
from gateway.runtime.production_files import produce
from gateway.runtime.receipt_key import receipt_key
from gateway.stores.keyfile import load_keyring
from gateway.stores.legal_request import CONSENTS, DISCLOSURES, NOTICES, LegalRequest, Person, Scope, new_request_id

ANN, BOB, EVE = "ann@shop.example", "bob@shop.example", "eve@shop.example"
RULES = """
version: 1
controller: {name: Example Shop GmbH, contact: privacy@shop.example, jurisdiction: EU}
purposes:
  service: {basis: contract, title: Handle your order}
  ads: {basis: consent, title: Show you offers}
recipients:
  shop: {role: controller, upstream: "http://127.0.0.1:1"}
  police: {role: authority, title: {en: State Police, de: Landespolizei}, country: DE}
  tax-office: {role: authority}
routes:
  - name: sign-up
    match: {path: /sign-up, method: POST}
    to: shop
    subject: {field: $.email}
    request: {fields: {$.email: {is: contact.email, for: service}}}
    response: {rest: pass}
"""
SCOPE = Scope(what=(DISCLOSURES, CONSENTS, NOTICES), classes=("user",))
SALT = "Q0ZGaGljaCBpcyBhIHNhbHQ"[:22]


def policy():
    return load_policy({"rules.yaml": RULES}, today=TODAY)


def field(data_class, count=1, **more):
    address = f"$.{data_class.rpartition('.')[2]}"
    found = {"action": "keep", "address": address, "basis": "contract", "class": data_class, "count": count,
             "purpose": "service", "reason": "listed"}  # fmt: skip
    return found | more


def traffic(state, identifier, *fields, **more):
    """A record of traffic about a person, in the operators' log: readers look into every log alike."""
    handle = handle_of(state, identifier)
    record = {"kind": "collect", "subject": handle, "recipient": "shop", "route": "sign-up", "direction": "request",
              "caller": f"session:{handle}", "policy": "4ed70598ad5e6969", "salt": SALT, "fields": fields}  # fmt: skip
    operator_log(state).append([record | more])


def filed(people=1, **more):
    said = {
        "id": new_request_id("2026"), "authority": "police", "instrument": Instrument.WARRANT, "reference": "Gs 12/26",
        "legal_basis": "StPO 94, 98", "received": "2026-11-20", "secret_until": "lifted", "scope": SCOPE,
        "people": people,
    }  # fmt: skip
    return LegalRequest(**(said | more))


def people_of(state, *identifiers):
    store = open_subjects(state, load_keyring(state))
    found = []
    for place, identifier in enumerate(identifiers, 1):
        store.handle(identifier)
        subject = store.find(identifier)
        found.append(Person(place, subject.handle, subject.digest))
    store.close()
    return found


def registered(state, *identifiers, **more):
    """The id of a new request about these people."""
    with Register(state) as register:
        request = filed(len(identifiers), **more)
        return register.register(request, people_of(state, *identifiers), by="ina").filed.id


def approved(state, *identifiers, **more):
    request = registered(state, *identifiers, **more)
    with Register(state) as register:
        register.decide(request, LegalStatus.APPROVED, by="otto")
    return request


def produced(state, request, target, **more):
    with Register(state) as register:
        options = {"by": "pia", "policy": policy(), "key": receipt_key(state), "target": target}
        return produce(
            state, register, register.find(request), register.people(request),
            **({**options, "progress": lambda *_: None} | more),
        )  # fmt: skip


def given(target, place=1):
    return json.loads((target / f"person-{place}.json").read_bytes())


def rows(target):
    return [json.loads(line) for line in (target / "proofs.jsonl").read_bytes().splitlines()]
