import pytest

from gateway.model.words import Direction, Part, Rest
from gateway.policy.declarations import Declarations
from gateway.policy.reader import Reader
from gateway.policy.report import Report
from gateway.policy.sections import FRAMING_HEADERS, read_section
from gateway.policy.source import read_source


def read(text, direction=Direction.REQUEST):
    report, known = Report(), Declarations()
    root = read_source("a.yaml", f"section: {text}\n", report)
    return read_section(Reader(report), root.entries[0][1], direction, known), report, known


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", "drop drop drop drop"),
        ("{rest: pass}", "pass pass pass pass"),
        ("{rest: block}", "block block block block"),
        ("{rest: {}}", "drop drop drop drop"),
        ("{rest: {body: pass}}", "pass drop drop drop"),
        ("{rest: {query: block, cookies: pass}}", "drop block drop pass"),
        ("{rest: keep}", "drop drop drop drop"),
    ],
)
def test_the_rest_is_dropped_wherever_nothing_else_is_said(text, expected):
    section, _, _ = read(text)

    assert section.rest == dict(zip(Part, map(Rest, expected.split()), strict=True))


@pytest.mark.parametrize("name", [*sorted(FRAMING_HEADERS), "HOST", "Content-Length", "Transfer-Encoding"])
def test_headers_that_carry_the_message_are_no_fields(name):
    section, report, _ = read(f"{{fields: {{'header:{name}': {{is: name, for: service}}}}}}")

    assert section.fields == ()
    assert [d.code for d in report.diagnostics] == ["PG207"]


@pytest.mark.parametrize("name", ["Authorization", "User-Agent", "X-Forwarded-For", "Forwarded", "Referer", "From"])
def test_headers_about_people_are_fields(name):
    section, report, _ = read(f"{{fields: {{'header:{name}': {{is: name, for: service}}}}}}")

    assert section.fields[0].rule.address.name == name.lower()
    assert report.diagnostics == []


@pytest.mark.parametrize("place", ["query", "path", "form", "part"])
def test_a_response_has_no_places_of_requests(place):
    text = f"{{fields: {{'{place}:x': {{is: name, for: service}}}}}}"

    assert read(text, Direction.RESPONSE)[0].fields == ()
    assert [d.code for d in read(text, Direction.RESPONSE)[1].diagnostics] == ["PG206"]
    assert read(text)[1].diagnostics == []


@pytest.mark.parametrize("word", ["as", "otherwise"])
@pytest.mark.parametrize(
    ("action", "allowed"),
    [
        ("keep", True),
        ("mask", True),
        ("hash", True),
        ("pseudonym", True),
        ("{generalise: year}", True),
        ("block", True),
        ("drop", False),
        ("blank", False),
    ],
)
def test_a_part_of_the_path_cannot_be_taken_away(word, action, allowed):
    section, report, _ = read(f"{{fields: {{path:id: {{is: name, for: service, {word}: {action}}}}}}}")

    assert (len(section.fields) == 1) is allowed
    assert [d.code for d in report.diagnostics] == ([] if allowed else ["PG208"])


def test_a_purpose_counts_as_mentioned_even_where_the_field_cannot_be_read():
    section, _, known = read('{fields: {$.a: {is: nonsense, for: service}, "$[": {is: name, for: ads}}}')
    assert section.fields == ()
    assert [mention.name for mention in known.purposes_mentioned] == ["service", "ads"]
