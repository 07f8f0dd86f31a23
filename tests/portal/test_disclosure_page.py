"""The page's part about disclosures: words of one language, a picture with a title, and the same in tables."""

import re
from xml.etree import ElementTree as ET

import jinja2
import pytest
from rulebook import TODAY

from gateway.policy.compile import load_policy
from gateway.portal.access_texts import LANGUAGES, say, word
from gateway.portal.disclosure_page import disclosures_context
from gateway.portal.disclosure_plot import HEIGHT, WIDTH, plot_svg
from gateway.portal.disclosures import SUBJECT, Disclosures, Use
from gateway.portal.periods import FLOWS, Period, periods_of

TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("gateway.portal"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
)
RECIPIENTS = """
recipients:
  shop: {role: controller, upstream: "http://127.0.0.1:1"}
  mailer: {role: processor}
  crm: {role: partner, title: Customer <desk>}
routes:
  - {name: all, match: {path: /**}, to: shop, request: {rest: pass}, response: {rest: pass}}
"""
SVG = "{http://www.w3.org/2000/svg}"
PERIODS = (
    Period("2026-11-23T13", "hour", {"collected": 3, "disclosed": 1, "returned": 0, "withheld": 2}),
    Period("2026-11-23T14", "hour", dict.fromkeys(FLOWS, 0)),
    Period("2026-11-23T15", "hour", {"collected": 0, "disclosed": 0, "returned": 9000, "withheld": 1}),
)


def use(**changes):
    fields = {
        "recipient": "mailer", "role": "processor", "purpose": "service", "bases": ("contract",),
        "passed": {"user.contact.email": 2}, "withheld": {}, "actions": ("keep",), "reasons": (), "messages": 2,
        "first": "2026-11-23T13:07:25.123456Z", "last": "2026-11-24T00:00:00.000000Z",
    }  # fmt: skip
    return Use(**fields | changes)


def view(*uses, **changes):
    fields = {
        "uses": uses, "periods": PERIODS if uses else (), "since": "", "until": "",
        "as_of": "2026-11-24T01:02:03.000000Z", "complete": True, "records": len(uses), "unlisted": 0, "refused": 0,
    }  # fmt: skip
    return Disclosures(**fields | changes)


def policy(**purposes):
    declared = "".join(f"  {name}: {{basis: contract, title: {title}}}\n" for name, title in purposes.items())
    text = (
        f"version: 1\ncontroller: {{name: Shop}}\npurposes:\n{declared or '  service: {basis: contract}'}\n{RECIPIENTS}"
    )
    return load_policy({"rules.yaml": text}, today=TODAY)


def render(shown, language="en", rules=None):
    return TEMPLATES.get_template("disclosures.html").render(disclosures_context(shown, language, rules or policy()))


def text(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


def drawn(picture):
    return ET.fromstring(str(picture).replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"'))


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_of_it_is_said_in_one_language(language):
    held = use(purpose="ads", passed={}, withheld={"user.device.ip_address": 4}, reasons=("no_consent", "gpc"))
    page = text(
        render(view(use(), held), language, policy(service="Zweck A", ads="{en: Zweck B, de: Zweck B, zh: Zweck B}"))
    )

    for expected in (
        "mailer", "Zweck A", "Zweck B", "2026-11-23 13:07", "2026-11-24 00:00",
        word(language, "basis", "contract"), word(language, "role", "processor"), word(language, "action", "keep"),
        word(language, "class", "user.contact.email"), word(language, "class", "user.device.ip_address"),
        word(language, "reason", "no_consent"), word(language, "reason", "gpc"),
        say(language, "disclosures.as_of", time="2026-11-24 01:02"), say(language, "disclosures.held"),
    ):  # fmt: skip
        assert expected in page
    if language != "en":
        assert say("en", "disclosures.intro") not in page


def test_classes_with_the_same_words_are_one():
    passed = {"user.health.genetic": 1, "user.health": 2, "user.health.x": 3}
    [row] = disclosures_context(view(use(passed=passed)), "en", policy())["passed"]

    assert dict(row.data) == {"genetic data": 1, "health": 5}


@pytest.mark.parametrize(
    ("changes", "recipient", "role"),
    [
        ({}, "mailer", "works on our behalf"),
        ({"recipient": "crm", "role": "partner"}, "Customer <desk>", "partner"),
        ({"recipient": SUBJECT, "role": "subject"}, "You", ""),
        ({"recipient": "caller", "role": ""}, "Whoever asked, without saying who they are", ""),
        ({"recipient": "gone", "role": ""}, "gone", ""),
    ],
)
def test_recipients_are_named(changes, recipient, role):
    [row] = disclosures_context(view(use(**changes)), "en", policy())["passed"]

    assert (row.recipient, row.role) == (recipient, role)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({}, "Nothing about you is recorded"),
        ({"complete": False, "records": 5000}, "the newest 5000"),
        ({"unlisted": 7}, "7 values passed"),
        ({"refused": 2}, "2 messages about you were stopped"),
        ({"since": "2026-11-01T00:00:00.000000Z"}, "From 2026-11-01 00:00 UTC on."),
    ],
)
def test_what_limits_the_view_is_said(changes, note):
    assert note in text(render(view(**changes)))


def test_names_from_rules_are_text_and_nothing_else():
    shown = view(use(recipient="crm", role="partner"), use(recipient="<script>", role=""))
    page = render(shown, rules=policy(service="\"<b onclick='x'>\""))

    assert "<script>" not in page
    assert "<b " not in page
    assert "&lt;script&gt;" in page
    assert "Customer &lt;desk&gt;" in page


def test_the_picture_holds_under_a_strict_policy_and_says_what_it_shows():
    page = render(view(use()))
    picture = drawn(re.search(r"<svg class=\"plot\".*?</svg>", page, re.DOTALL)[0])
    labelled = picture.attrib["aria-labelledby"].split()
    ids = {each.attrib["id"]: each.text for each in picture.iter() if "id" in each.attrib}

    assert picture.attrib["role"] == "img"
    assert set(labelled) == set(ids)
    assert "3 collected, 1 disclosed to others, 9000 shown to you, 3 held back" in ids["disclosures-plot-description"]
    assert not re.search(r"\bstyle=|<style|<script|\bon[a-z]+=|\bfill=|href=", page)


def test_bars_stay_inside_and_are_as_high_as_their_values():
    picture = drawn(plot_svg(PERIODS, "en"))
    bars = [each.attrib for each in picture.iter(f"{SVG}rect")]
    heights = {(bar["class"], float(bar["x"])): float(bar["height"]) for bar in bars}

    assert len(heights) == 5
    assert all(float(bar["x"]) + float(bar["width"]) <= WIDTH and float(bar["y"]) > 0 for bar in bars)
    assert all(float(bar["y"]) + float(bar["height"]) <= HEIGHT for bar in bars)
    assert min(heights.values()) == 1.5  # of little beside much, something is still seen
    assert max(heights.values()) > 180


def test_the_table_has_the_same_numbers_and_leaves_empty_periods_out():
    page = text(render(view(use())))

    assert "2026-11-23 13:00 3 1 0 2" in page
    assert "2026-11-23 14:00 0" not in page
    assert "2026-11-23 15:00 0 0 9000 1" in page


@pytest.mark.parametrize("count", [1, 2, 3, 4, 62])
def test_the_axis_names_first_middle_and_last(count):
    periods = periods_of((f"2026-{1 + n // 28:02}-{1 + n % 28:02}T00:00:00.0Z", "collected", 1) for n in range(count))
    labels = re.findall(r'y="270" text-anchor="(\w+)">([^<]*)<', str(plot_svg(periods, "en")))
    named = [periods[0].label, periods[(len(periods) - 1) // 2].label, periods[-1].label]

    assert [start for _, start in labels] == list(dict.fromkeys(named))


def test_the_legend_says_what_the_colours_mean():
    page = render(view(use()), "de")

    assert re.findall(r'plot-(\w+)" width="12" height="12"/></svg> ([^<]*)<', page) == [
        (flow, word("de", "flow", flow)) for flow in FLOWS
    ]


def test_words_of_another_language_say_so():
    rules = policy(service="{en: Handle your order, de: Bestellung}")

    assert 'lang="en">Handle your order<' in render(view(use()), "zh", rules)
    assert ">Bestellung<" in render(view(use()), "de", rules)
    assert 'lang="de"' not in render(view(use()), "de", rules)


def test_without_periods_there_is_no_picture():
    assert plot_svg((), "en") == ""
    assert "<svg" not in render(view())


def test_the_style_sheet_has_every_class_of_the_picture_in_both_schemes():
    style = TEMPLATES.get_template("access.css").render()
    light, dark = style.split("@media (prefers-color-scheme: dark)")

    for name in {"plot-axis", "plot-label", *(f"plot-{flow}" for flow in FLOWS)}:
        assert f".{name} {{" in light
        assert f".{name} {{" in dark
