import csv
import io
import json

import pytest

from gateway.audit.export import COLUMNS, to_csv, to_jsonl
from gateway.audit.reading import Entry

FIELDS = [
    {"action": "keep", "address": "$.email", "class": "user.contact.email", "count": 1, "reason": "listed"},
    {"action": "drop", "address": "body:*", "count": 3, "reason": "unlisted_field"},
]


def entry(**record):
    return Entry("example.org/log/w0", "w0", 7, "ab" * 32, {"index": 7, "kind": "collect", **record})


def rows(*entries):
    return list(csv.DictReader(io.StringIO("".join(to_csv(entries)), newline="")))


def test_jsonl_keeps_the_record_and_its_trace():
    [line] = to_jsonl([entry(fields=FIELDS)])
    assert line.endswith("\n")
    assert json.loads(line) == {
        "origin": "example.org/log/w0",
        "index": 7,
        "leaf": "ab" * 32,
        "record": {"index": 7, "kind": "collect", "fields": FIELDS},
    }


def test_csv_has_a_row_for_each_field_and_one_for_a_record_without():
    found = rows(entry(fields=FIELDS, route="sign-up"), entry(kind="refuse", reason="over_size"))
    assert [row["field_address"] for row in found] == ["$.email", "body:*", ""]
    assert [row["field_count"] for row in found] == ["1", "3", ""]
    assert [row["reason"] for row in found] == ["", "", "over_size"]
    assert {(row["origin"], row["index"], row["leaf"]) for row in found} == {("example.org/log/w0", "7", "ab" * 32)}
    assert next(to_csv([])).rstrip("\r\n").split(",") == list(COLUMNS)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_what_a_spreadsheet_would_run_is_quoted(start):
    text = start + 'HYPERLINK("http://evil.example","x")'
    [row] = rows(entry(caller=text, route='a,"b"\nc'))
    assert row["caller"] == "'" + text
    assert row["route"] == 'a,"b"\nc'


def test_numbers_stay_numbers_and_lists_are_json():
    [row] = rows(entry(status=-1, consent=["e1", "e2"]))
    assert row["status"] == "-1"
    assert json.loads(row["consent"]) == ["e1", "e2"]
