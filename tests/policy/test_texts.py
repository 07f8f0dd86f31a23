"""Texts by language and periods by the calendar."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rulebook import TODAY

from gateway.policy.compile import compile_policy
from gateway.policy.texts import NO_TEXT, Period, Text

RULES = """
version: 1
controller: {name: Example GmbH}
notice: {version: "2", valid: %s, text: {en: Hello, de-AT: Servus}}
purposes:
  service: {basis: contract, title: Orders}
recipients:
  shop: {role: controller, upstream: "http://127.0.0.1:1", title: {zh: 商店}, contact: shop@example.org}
routes:
  - name: all
    match: {path: /**}
    to: shop
    request: {fields: {$.a: {is: name, for: service}}}
    response: {rest: pass}
"""


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        (Text((("", "one"),)), "de", ("one", "")),
        (Text((("en", "one"), ("de", "eins"))), "de", ("eins", "de")),
        (Text((("en", "one"), ("de", "eins"))), "zh", ("one", "en")),
        (Text((("en", "one"), ("de-AT", "eins"))), "de", ("eins", "de-AT")),
        (NO_TEXT, "de", ("", "")),
    ],
)
def test_a_text_is_found_by_its_language(text, language, expected):
    assert text.within(language) == expected


def test_rules_give_texts_and_a_notice():
    policy, found = compile_policy({"r.yaml": RULES % "P1Y2M3W4D"}, today=TODAY)

    assert found == []
    assert policy.notice.version == "2"
    assert policy.notice.valid == Period(14, 25)
    assert policy.notice.text.within("de") == ("Servus", "de-AT")
    assert policy.purposes["service"].title == Text((("", "Orders"),))
    assert policy.recipients["shop"].title.first == "商店"
    assert policy.recipients["shop"].contact == "shop@example.org"


def test_a_policy_has_one_notice():
    files = {"a.yaml": RULES % "P1D", "b.yaml": 'version: 1\nnotice: {version: "3"}\n'}
    policy, found = compile_policy(files, today=TODAY)

    assert policy is None
    assert [(each.file, each.line, each.code) for each in found] == [("b.yaml", 2, "PG110")]


@pytest.mark.parametrize("written", ["P", "P0D", "PT1H", "P1.5M", "-P1M", "P1D2M", "P200Y", "p6m", "P99999D"])
def test_what_is_no_period_of_validity(written):
    policy, found = compile_policy({"r.yaml": RULES % written}, today=TODAY)

    assert policy is None
    assert [each.code for each in found] == ["PG108"]


def microseconds(*moment, rest=0):
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1_000_000 + rest


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        (Period(6), (2026, 11, 24, 1, 2, 3), (2027, 5, 24, 1, 2, 3)),
        (Period(6), (2026, 8, 31), (2027, 2, 28)),
        (Period(1), (2028, 1, 31), (2028, 2, 29)),
        (Period(12), (2028, 2, 29), (2029, 2, 28)),
        (Period(1, 1), (2026, 12, 31), (2027, 2, 1)),
        (Period(0, 7), (2026, 12, 28), (2027, 1, 4)),
    ],
)
def test_a_period_follows_the_calendar(period, start, end):
    assert period.after(microseconds(*start, rest=5)) == microseconds(*end, rest=5)


@given(
    st.integers(600_000_000, 4_000_000_000),
    st.integers(0, 1200),
    st.integers(0, 3000),
)
def test_a_period_never_ends_before_it_begins_nor_far_from_its_length(start, months, days):
    moment = start * 1_000_000
    lasted = timedelta(microseconds=Period(months, days).after(moment) - moment)
    assert timedelta(months * 28 + days) <= lasted <= timedelta(months * 31 + days)
