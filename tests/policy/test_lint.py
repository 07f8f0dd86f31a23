import pytest

from gateway.policy.compile import compile_policy

TEXT = """\
version: 1
controller: {{name: Example GmbH, jurisdiction: {jurisdiction}}}
purposes: {{p: {{basis: {basis}, sale_or_share: {sale}}}}}
recipients: {{shop: {{role: {role}, upstream: "http://127.0.0.1:8000"{contract}}}}}
routes:
  - name: one
    match: {{path: /one, method: POST}}
    to: shop
    mode: {mode}
    request: {{fields: {{$.x: {{is: {data_class}, for: p}}}}}}
    response: {{rest: pass}}
"""
RIGHT = {
    "jurisdiction": "EU",
    "basis": "contract",
    "sale": "false",
    "role": "controller",
    "contract": "",
    "mode": "enforce",
    "data_class": "name",
}


def codes(**changes):
    policy, diagnostics = compile_policy({"a.yaml": TEXT.format(**{**RIGHT, **changes})}, today="2026-11-23")
    return [found.code for found in diagnostics], policy is not None


@pytest.mark.parametrize(
    ("changes", "expected", "loads"),
    [
        ({}, [], True),
        ({"jurisdiction": "CN"}, [], True),
        ({"basis": "legitimate_interest"}, [], True),
        ({"basis": "legitimate_interest", "jurisdiction": "CN"}, ["PG408"], False),
        ({"basis": "consent"}, ["PG301"], False),
        ({"basis": "explicit_consent"}, ["PG301"], False),
        ({"basis": "consent", "mode": "observe"}, ["PG301"], True),
        ({"sale": "true"}, ["PG409"], True),
        ({"sale": "true", "basis": "legitimate_interest"}, [], True),
        ({"role": "processor"}, ["PG410"], True),
        ({"role": "processor", "contract": ", contract: {ref: A}"}, [], True),
        ({"role": "partner"}, [], True),
        ({"contract": ", contract: {ref: A, expires: 2026-11-22}"}, ["PG406"], True),
        ({"contract": ", contract: {ref: A, expires: 2026-11-23}"}, ["PG407"], True),
        ({"contract": ", contract: {ref: A, expires: 2026-12-23}"}, ["PG407"], True),
        ({"contract": ", contract: {ref: A, expires: 2026-12-24}"}, [], True),
        ({"contract": ", may_receive: {name: p}"}, [], True),
        ({"contract": ", may_receive: {name: p}", "data_class": "name.first"}, [], True),
        ({"contract": ", may_receive: {name.first: p}"}, ["PG308"], True),
        ({"contract": ", may_receive: {contact: p}"}, ["PG308"], True),
        ({"data_class": "health"}, ["PG309"], True),
        ({"data_class": "health.genetic", "basis": "legal_obligation"}, ["PG309"], True),
        ({"data_class": "health", "basis": "explicit_consent"}, ["PG301"], False),
    ],
)
def test_lint_judges_what_is_written_correctly(changes, expected, loads):
    assert codes(**changes) == (expected, loads)
