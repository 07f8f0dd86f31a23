"""docs/signals.md against the code: its cases run, its tables are the decoder's."""

import re
from pathlib import Path

import pytest
from rulebook import NOW, TODAY

from gateway.documents.gpp_sections import HEADED, PLAIN
from gateway.documents.tcf import LONGEST
from gateway.engine.engine import Engine
from gateway.engine.judge import judge
from gateway.engine.signals import GPP, STRINGS_AT_MOST, TCF
from gateway.engine.trial import PAPER_KEYS
from gateway.model.limits import DEFAULT_LIMITS
from gateway.policy.cases import read_cases
from gateway.policy.compile import load_policy

PAGE = (Path(__file__).parents[2] / "docs" / "signals.md").read_text()
RULES = """
version: 1
controller: {name: Example GmbH}
signals: {tcf: {cookie: euconsent-v2}}
purposes:
  service:   {basis: contract, sale_or_share: true}
  analytics: {basis: consent, tcf: 8}
recipients: {shop: {role: controller, upstream: "http://127.0.0.1:1"}}
routes:
  - name: products
    match: {path: /products}
    to: shop
    subject: {field: header:X-Person}
    request:
      fields:
        query:ref:   {is: behavior, for: service, otherwise: drop}
        query:visit: {is: behavior, for: analytics, otherwise: drop}
      rest: {cookies: pass}
    response: {rest: pass}
"""
CASES = read_cases({"doc.cases.yaml": re.search(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1]})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("signals", [True, False])
def test_the_cases_come_out_as_they_say(case, signals):
    rules = RULES if signals else RULES.replace("sale_or_share: true", "title: Yes").replace("tcf: 8", "title: No")
    engine = Engine(load_policy({"a.yaml": rules}, today=TODAY), PAPER_KEYS, DEFAULT_LIMITS)

    assert judge(engine, case, now=NOW).passed is signals


def test_every_section_has_its_row():
    rows = re.findall(r"^\| (\d+)(?: to (\d+))?(?:,.*?)? \| (.*) \|$", PAGE, re.MULTILINE)
    numbers = [number for first, last, _ in rows for number in range(int(first), int(last or first) + 1)]
    assert sorted(numbers) == sorted({2, 5, 6, *PLAIN, *HEADED})
    for first, last, text in rows:
        states = re.findall(r"[A-Z][a-z]+(?: [A-Z][a-z]+)?", text.partition(" of ")[2])
        assert not last or len(states) == int(last) - int(first) + 1


def test_numbers_and_kinds_are_those_of_the_code():
    assert f"at most {LONGEST} characters" in PAGE
    assert STRINGS_AT_MOST == 8
    assert "more than eight" in PAGE
    assert f'kind="{TCF}"|"{GPP}"' in PAGE
