"""Tables are read as Python's own writers write them, and nothing breaks the readers."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stores.cells import Problems, read_csv, read_json

COLUMNS = ("id", "subject", "at")
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
ROWS = st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS, TEXT)), max_size=6)


def texts(rows):
    return [{name: cell.text for name, cell in row.cells.items()} for row in rows]


@given(ROWS, st.sampled_from(["\n", "\r\n"]), st.sampled_from([csv.QUOTE_NONNUMERIC, csv.QUOTE_ALL]))
def test_csv_is_read_as_it_was_written(rows, end, quoting):
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator=end, quoting=quoting)
    writer.writeheader()
    writer.writerows(rows)
    problems = Problems("a.csv")

    assert texts(read_csv(out.getvalue(), COLUMNS, problems)) == rows
    assert problems.found == []


@given(ROWS, st.booleans(), st.sampled_from([None, 1]), st.booleans())
def test_json_is_read_as_it_was_written(rows, lines, indent, ascii_only):
    dump = lambda value: json.dumps(value, indent=indent, ensure_ascii=ascii_only)  # noqa: E731
    text = "".join(dump(row) + "\n" for row in rows) if lines else dump(rows)
    problems = Problems("a.json")

    assert texts(read_json(text, COLUMNS, problems)) == rows
    assert problems.found == []


def test_places_are_right_below_a_cell_of_several_lines():
    problems = Problems("a.csv")
    rows = list(read_csv('id,subject,at\n1,"a\nb\n""c",x\n2,,y\n', COLUMNS, problems))

    assert [cell[1:] for row in rows for cell in row.cells.values()] == [(2, 1), (2, 3), (4, 6), (5, 1), (5, 3), (5, 4)]
    assert rows[0].cells["subject"].text == 'a\nb\n"c'


@pytest.mark.parametrize("read", [read_csv, read_json])
@given(text=st.text(st.sampled_from('[]{}:,"\\ \n\rat0null'), max_size=40))
def test_whatever_is_read_places_lie_in_the_text(read, text):
    problems = Problems("a")
    rows = list(read(text, COLUMNS, problems))
    lines = text.split("\n")

    for place in [*problems.found, *(cell for row in rows for cell in row.cells.values())]:
        assert 1 <= place.line <= len(lines)
        assert 1 <= place.column <= len(lines[place.line - 1]) + 1


@pytest.mark.parametrize("read", [read_csv, read_json])
@given(text=st.text(st.sampled_from('[]{}:,"\\ \nsecret'), max_size=40))
def test_no_problem_quotes_the_text(read, text):
    problems = Problems("a")
    list(read(text.replace("s", "s3cr3t"), COLUMNS, problems))

    assert "s3cr3t" not in " ".join(found.message + found.hint for found in problems.found)
