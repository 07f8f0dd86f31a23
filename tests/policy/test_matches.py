import pytest

from gateway.policy.matches import read_match
from gateway.policy.reader import Reader
from gateway.policy.report import Report
from gateway.policy.source import read_source


def read(text):
    report = Report()
    root = read_source("a.yaml", f"match: {text}\n", report)
    return read_match(Reader(report), root.entries[0][1]), [(d.code, d.column) for d in report.diagnostics]


@pytest.mark.parametrize(
    ("text", "hosts", "methods", "path"),
    [
        ("{path: /a}", (), set(), "/a"),
        ("{host: A.Example, method: GET, path: /}", ("a.example",), {"GET"}, "/"),
        ("{host: [a, b, A], method: [GET, M-SEARCH], path: /}", ("a", "b"), {"GET", "M-SEARCH"}, "/"),
        ('{host: "*.a", path: /}', ("*.a",), set(), "/"),
    ],
)
def test_hosts_and_methods_are_one_or_many(text, hosts, methods, path):
    match, found = read(text)

    assert found == []
    assert (tuple(match.hosts), match.methods, match.pattern.text, match.whole) == (hosts, methods, path, True)


@pytest.mark.parametrize("text", ["{host: a b, path: /}", "{method: get, path: /}", "{hots: a, path: /}"])
def test_a_match_that_lost_a_part_is_not_whole(text):
    match, found = read(text)

    assert len(found) == 1
    assert not match.whole


def test_the_column_points_into_the_path_pattern():
    assert read("{path: /a/**/b}")[1] == [("PG210", 21)]
    assert read('{path: "/a/**/b"}')[1] == [("PG210", 22)]
    assert read("{path: /a/**/b}")[0] is None
