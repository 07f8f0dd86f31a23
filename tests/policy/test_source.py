import pytest
import yaml

from gateway.policy import source
from gateway.policy.report import Report
from gateway.policy.source import Mapping, Refused, Scalar, Sequence, read_source

TEXT = """\
# comment
a: 1
"quoted key": 'single'
ü: {x: [1, two, "three"], y: }
block:
  - |
    text
  - - nested
  - {k: v}
no: NO
date: 2027-03-31
tilde: ~
"""


def read(text, name="rules.yaml"):
    report = Report()
    return read_source(name, text, report), report


def plain(node):
    if isinstance(node, Mapping):
        return {key.text: plain(value) for key, value in node.entries}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return node.text if isinstance(node, Scalar) else None


def places(node):
    """Places of everything that is written; where an empty value stands is a matter of taste."""
    if not (isinstance(node, Scalar) and not node.text):
        yield node.line, node.column
    if isinstance(node, Mapping):
        for key, value in node.entries:
            yield key.line, key.column
            yield from places(value)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from places(item)


def test_values_keep_their_text():
    node, report = read(TEXT)

    assert report.diagnostics == []
    assert plain(node) == {
        "a": "1",
        "quoted key": "single",
        "ü": {"x": ["1", "two", "three"], "y": ""},
        "block": ["text\n", ["nested"], {"k": "v"}],
        "no": "NO",
        "date": "2027-03-31",
        "tilde": "~",
    }


def test_only_unquoted_text_can_be_null_or_plain():
    node, _ = read('a: ~\nb: "~"\nc: null\nd: ""\ne:\n')

    assert {key.text: (value.plain, value.is_null) for key, value in node.entries} == {
        "a": (True, True),
        "b": (False, False),
        "c": (True, True),
        "d": (False, False),
        "e": (True, True),
    }


def test_places_count_from_one():
    node, _ = read(TEXT)
    (_, one), (quoted, single), (umlaut, flow), *_ = node.entries

    assert [(n.line, n.column) for n in (node, one, quoted, single, umlaut, flow)] == [
        (2, 1),
        (2, 4),
        (3, 1),
        (3, 15),
        (4, 1),
        (4, 4),
    ]


def test_both_parsers_of_yaml_agree_on_text_and_places(monkeypatch):
    fast, _ = read(TEXT)
    monkeypatch.setattr(source, "_LOADER", yaml.SafeLoader)
    slow, _ = read(TEXT)

    assert plain(fast) == plain(slow)
    assert list(places(fast)) == list(places(slow))


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a: [1, 2\nb: 3\n", 2, 2),
        ("a: b: c\n", 1, 5),
        ("a:\n\tb: c\n", 2, 1),
        ("ok: 1\na: \x07\n", 2, 4),
        ("ok: 1\na: '\ud800'\n", 2, 5),
        ("a: 1\n--- \nb: 2\n", 2, 1),
    ],
)
def test_what_is_no_yaml_gives_one_diagnostic_with_its_place(text, line, column):
    node, report = read(text)

    assert [(found.code, found.line, found.column) for found in report.diagnostics] == [("PG101", line, column)]
    assert report.broken == (node is None)


def test_an_empty_file_is_an_empty_mapping():
    assert plain(read("")[0]) == {}
    assert plain(read("# nothing\n")[0]) == {}


@pytest.mark.parametrize("text", ["- a\n", "text\n", "1\n"])
def test_a_file_is_a_mapping(text):
    node, report = read(text)

    assert node is None
    assert [found.code for found in report.diagnostics] == ["PG104"]


def test_a_duplicate_key_keeps_the_first_value_and_reading_goes_on():
    node, report = read("a: 1\nb: {c: 1, c: {d: [2]}, c: 3}\na: {x: [1]}\nz: 9\n")

    assert plain(node) == {"a": "1", "b": {"c": "1"}, "z": "9"}
    assert [(found.line, found.column) for found in report.diagnostics] == [(2, 11), (2, 24), (3, 1)]


def test_aliases_never_multiply():
    bomb = "a: &a [x, x]\n" + "".join(f"k{n}: &n{n} [*a, *a]\n" for n in range(50))
    node, report = read(bomb)

    assert {found.code for found in report.diagnostics} == {"PG103"}
    assert all(isinstance(item, Refused) for _, value in node.entries[1:] for item in value.items)


def test_merge_keys_are_refused_with_their_alias():
    _, report = read("a: &a {x: 1}\nb: {<<: *a}\n")

    assert [found.code for found in report.diagnostics] == ["PG103", "PG103"]


@pytest.mark.parametrize("text", ["a: " + "[" * 100 + "]" * 100, "a: " + "{b: " * 100 + "}" * 100])
def test_nesting_is_bounded(text):
    node, report = read(text)

    assert node is not None
    assert [found.code for found in report.diagnostics] == ["PG113"]
