"""All records of one person as files: the same in both forms, and harmless in a spreadsheet."""

import csv
import io
import json

import pytest
from people import handle_of
from receipts import DIGEST, S, decided, event

from gateway.audit.operator_log import OperatorLog
from gateway.audit.reading import Entry
from gateway.model.words import Assurance
from gateway.runtime.operators import operator_log
from gateway.runtime.person_records import COLUMNS, MOST, Records, records_csv, records_json, records_of
from gateway.runtime.record_reader import Found, RecordReader
from gateway.stores.keyfile import create_keys

ANN = "s1." + "a" * 21 + "A"
NOW = "2026-11-24T01:00:00.000000Z"
FIELD = {"action": "keep", "address": "$.email", "basis": "contract", "class": "user.contact.email", "count": 1,
         "purpose": "service", "reason": "listed"}  # fmt: skip
RECORD = {
    "kind": "collect", "time": "2026-11-23T13:00:00.000000Z", "subject": ANN, "recipient": "shop", "route": "sign-up",
    "direction": "request", "request": "01KAS7R1K0G4T2Q9W8E7R6T5Y4", "consent": ["01KAS7R1K0G4T2Q9W8E7R6T5Y5"],
    "fields": [FIELD, {**FIELD, "class": "user.name", "count": 2}],
}  # fmt: skip


def found(*records, **more):
    entries = [Entry("example.org/log/w0", "w0", n, f"{n:064x}", each) for n, each in enumerate(records)]
    return Found(entries, NOW, **more)


def given(*records, events=(), served=(), **more):
    return Records([ANN], NOW, events, served, found(*records, **more))


def rows(records):
    text = records_csv(records).decode()
    assert text.endswith("\r\n")
    header, *cells = csv.reader(io.StringIO(text, newline=""))
    assert tuple(header) == COLUMNS
    return [{name: cell for name, cell in zip(header, line, strict=True) if cell} for line in cells]


def test_both_forms_hold_decisions_notices_and_records(tmp_path):
    create_keys(tmp_path)
    subject = handle_of(tmp_path, "ann@shop.example")
    decisions = decided(tmp_path)
    records = Records([subject], NOW, decisions.events, decisions.served, found(RECORD))
    value, table = json.loads(records_json(records)), rows(records)

    assert [row["what"] for row in table] == ["decision"] * 8 + ["notice", "collect", "collect"]
    assert [row["event"] for row in table[:8]] == [each["event"] for each in value["decisions"]]
    assert [row["status"] for row in table[:8]] == [each["status"] for each in value["decisions"]]
    assert value["decisions"][0]["notice_digest"] == table[0]["notice_digest"] == DIGEST
    assert value["notices"][0]["language"] == table[8]["language"] == "de"
    assert [row["class"] for row in table[9:]] == [each["class"] for each in value["records"][0]["record"]["fields"]]
    assert (table[9]["origin"], table[9]["leaf"]) == ("example.org/log/w0", "0" * 64)
    assert (value["subjects"], value["created"], value["as_of"], value["complete"]) == ([subject], NOW, NOW, True)


def test_a_row_for_each_field_says_all_of_it():
    assert rows(given(RECORD))[1] == {
        "what": "collect", "time": RECORD["time"], "subject": ANN, "recipient": "shop", "route": "sign-up",
        "direction": "request", "request": RECORD["request"], "consent": '["01KAS7R1K0G4T2Q9W8E7R6T5Y5"]',
        "purpose": "service", "address": "$.email", "class": "user.name", "basis": "contract", "action": "keep",
        "reason": "listed", "count": "2", "origin": "example.org/log/w0", "index": "0", "leaf": "0" * 64,
    }  # fmt: skip


def test_a_refusal_without_fields_has_a_row():
    [row] = rows(given({"kind": "refuse", "time": NOW, "subject": ANN, "reason": "over_size"}))

    assert (row["what"], row["reason"]) == ("refuse", "over_size")


def test_consent_records_of_the_ledger_do_not_come_twice():
    records = given({"kind": "consent", "event": "x", "subject": ANN})

    assert rows(records) == json.loads(records_json(records))["records"] == []


def test_what_was_left_out_is_said():
    assert json.loads(records_json(given(complete=False)))["complete"] is False


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\tx"])
def test_no_cell_is_a_formula(text):
    events = [event(ANN, S.GIVEN, method=text, assurance=Assurance.LOW)]
    [row] = rows(given(events=events))

    assert row["method"] == "'" + text
    assert json.loads(records_json(given(events=events)))["decisions"][0]["method"] == text


async def test_a_reader_is_asked_for_as_many_as_a_file_holds(tmp_path):
    create_keys(tmp_path)
    operator_log(tmp_path).append([{"kind": "collect", "subject": ANN}] * 3)
    reader = RecordReader(tmp_path, most_records=2)
    records = await records_of(reader, [ANN], [], [], created=NOW)
    reader.close()

    assert len(records.traffic) == 3
    assert MOST > 3
    assert isinstance(operator_log(tmp_path), OperatorLog)
