import pytest

from gateway.policy import schema
from gateway.policy.reader import Reader
from gateway.policy.report import Report
from gateway.policy.shape import Shape
from gateway.policy.source import read_source


def node_of(text):
    report = Report()
    root = read_source("a.yaml", f"key: {text}\n", report)
    assert report.diagnostics == []
    return Reader(report), root.entries[0][1]


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("false", False), ("yes", None), ("True", None), ('"true"', None), ("1", None), ("[]", None)],
)
def test_only_true_and_false_are_flags(text, value):
    reader, node = node_of(text)

    assert reader.flag(node, "it") is value
    assert len(reader.report.diagnostics) == (value is None)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("17", 17), ("-1", None), ("017", None), ("1.0", None), ('"1"', None), ("1_000", None), ("1e3", None)],
)
def test_whole_numbers_are_plain_digits(text, value):
    reader, node = node_of(text)

    assert reader.whole(node, "it") == value
    assert len(reader.report.diagnostics) == (value is None)


@pytest.mark.parametrize(
    ("text", "values"),
    [("a", ["a"]), ("[a, b]", ["a", "b"]), ("[]", []), ("[a, [b], ~]", ["a"]), ("{a: b}", []), ('" "', [])],
)
def test_one_value_stands_for_a_list_of_one(text, values):
    reader, node = node_of(text)

    assert [found.text for found in reader.scalars(node, "it")] == values


def test_unknown_missing_and_later_keys_are_all_noted():
    reader, node = node_of("{feild: x, detect: y}")
    shape = Shape("either", "either", (*schema.SUBJECT.keys, *schema.SECTION.keys))

    assert reader.keys(node, shape) == {}
    assert sorted((d.code, d.column) for d in reader.report.diagnostics) == [("PG105", 7), ("PG106", 6), ("PG111", 17)]
    assert [d.hint for d in reader.report.diagnostics if d.code == "PG105"] == ["did you mean 'field'?"]


def test_a_key_with_a_refused_value_is_not_called_missing():
    report = Report()
    root = read_source("a.yaml", "purpose: {basis: *x}\n", report)

    Reader(report).keys(root.entries[0][1], schema.PURPOSE)

    assert [d.code for d in report.diagnostics] == ["PG103"]
