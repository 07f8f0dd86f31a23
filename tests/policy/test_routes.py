import pytest

from gateway.model.words import Mode, Part, Rest
from gateway.policy.declarations import Declarations
from gateway.policy.reader import Reader
from gateway.policy.report import Report
from gateway.policy.routes import read_route
from gateway.policy.source import read_source


def read(text):
    report = Report()
    root = read_source("a.yaml", f"route: {text}\n", report)
    known = Declarations()
    return read_route(Reader(report), root.entries[0][1], known), [d.code for d in report.diagnostics], known


def test_what_cannot_be_read_leaves_the_others_readable():
    draft, codes, known = read(
        '{name: "a b", match: {path: x}, to: shop, subject: {field: "$["}, request: {rest: x}, response: {rest: pass}}'
    )
    assert (draft.name, draft.match, draft.subject, draft.has_subject, draft.methods) == ("", None, None, True, set())
    assert sorted(codes) == ["PG107", "PG108", "PG205", "PG210"]
    assert [mention.name for mention in known.targets_mentioned] == ["shop"]


@pytest.mark.parametrize(
    ("text", "codes", "mode", "response"),
    [
        ("{response: {rest: pass}, ", [], Mode.ENFORCE, Rest.PASS),
        ("{response: {}, ", [], Mode.ENFORCE, Rest.DROP),
        ("{", ["PG213"], Mode.ENFORCE, Rest.DROP),
        ("{mode: enforce, ", ["PG213"], Mode.ENFORCE, Rest.DROP),
        ("{mode: observe, ", [], Mode.OBSERVE, Rest.PASS),
        ("{mode: observe, response: {}, ", [], Mode.OBSERVE, Rest.DROP),
        ("{mode: wach, ", ["PG107"], Mode.ENFORCE, Rest.DROP),
    ],
)
def test_an_enforced_route_says_what_becomes_of_responses(text, codes, mode, response):
    draft, found, _ = read(text + "name: a, match: {path: /}, to: shop}")

    assert found == codes
    assert draft.mode is mode
    assert draft.response.rest == dict.fromkeys(Part, response)
    assert draft.request.rest == dict.fromkeys(Part, Rest.DROP)


def test_a_route_is_a_mapping():
    assert read("[]")[:2] == (None, ["PG104"])
