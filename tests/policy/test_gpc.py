"""The GPC support resource, as the rules make it (W3C GPC, section 4)."""

import json

import pytest

from gateway.policy.compile import compile_policy
from gateway.policy.gpc import GPC_PATH, gpc_document

RULES = """\
version: 1
controller: {name: Example GmbH}
purposes: {service: {basis: contract}, ads: {basis: legitimate_interest, sale_or_share: SALE}}
recipients: {shop: {role: controller, upstream: "http://127.0.0.1:8000"}}
routes:
  - name: a
    match: {path: /a}
    to: shop
    mode: MODE
    request: {fields: {"query:x": {is: name, for: service}}}
    response: {rest: pass}
  - name: b
    match: {path: /b}
    to: shop
    mode: enforce
    response: {fields: {$.x: {is: name, for: ads}}}
"""


SELLING = RULES.replace("SALE", "true").replace("MODE", "enforce")


def said(text):
    policy, diagnostics = compile_policy({"a.yaml": text}, today="2026-11-23")
    assert policy is not None, diagnostics
    return json.loads(gpc_document(policy))


def test_it_says_that_the_signal_is_obeyed():
    assert said(SELLING) == {"gpc": True}
    assert GPC_PATH == b"/.well-known/gpc.json"


def test_rules_that_sell_nothing_obey_it():
    assert said(RULES.replace("SALE", "false").replace("MODE", "observe")) == {"gpc": True}


@pytest.mark.parametrize(("purpose", "obeyed"), [("service", True), ("ads", False)])
def test_a_route_that_only_observes_a_sale_does_not_obey(purpose, obeyed):
    text = (
        RULES.replace("SALE", "true")
        .replace("MODE", "observe")
        .replace("is: name, for: service", f"is: name, for: {purpose}")
    )

    assert said(text) == {"gpc": obeyed}


def test_it_says_since_when():
    text = SELLING + "signals: {gpc: {last_update: 2026-02-28}}\n"

    assert said(text) == {"gpc": True, "lastUpdate": "2026-02-28"}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ("signals: {gpc: {last_update: 2026-02-30}}\n", "PG108"),
        ("signals: {gpc: {last_update: today}}\n", "PG108"),
        ("signals: {gpc: {}}\n", "PG106"),
        ("signals: {gpc: true}\n", "PG104"),
        ("signals: {gcp: {}}\n", "PG105"),
    ],
)
def test_what_cannot_be_meant_is_a_diagnostic(wrong, code):
    policy, diagnostics = compile_policy({"a.yaml": SELLING + wrong}, today="2026-11-23")

    assert policy is None
    assert code in {found.code for found in diagnostics}


def test_only_one_file_speaks_of_signals():
    files = {"a.yaml": SELLING, "b.yaml": "version: 1\nsignals: {}\n"}
    policy, _ = compile_policy(files, today="2026-11-23")
    assert policy is not None

    _, diagnostics = compile_policy(files | {"c.yaml": "version: 1\nsignals: {}\n"}, today="2026-11-23")
    assert [(found.file, found.code) for found in diagnostics if found.severity == "error"] == [("c.yaml", "PG110")]
