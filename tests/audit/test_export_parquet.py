"""Parquet, read back by pyarrow, in row groups and with flat memory."""

import io
import json
from datetime import UTC, datetime

import pyarrow.parquet as pq

from gateway.audit import export_parquet
from gateway.audit.export_parquet import SCHEMA, write_parquet
from gateway.audit.reading import Entry

FIELDS = [{"action": "keep", "address": "$.email", "class": "user.contact.email", "count": 2, "reason": "listed"}]


def entry(index, **record):
    values = {"index": index, "kind": "disclose", "time": "2026-11-23T13:07:25.123456Z", "version": 1} | record
    return Entry("example.org/log/w0", "w0", index, f"{index:064x}", values)


def read(entries):
    file = io.BytesIO()
    write_parquet(entries, file)
    return pq.ParquetFile(io.BytesIO(file.getvalue()))


def test_a_row_keeps_the_record_and_its_trace():
    one = entry(7, subject="s1.a", fields=FIELDS, consent=["c1"], status=200, recipient="shop")
    [row] = read([one]).read().to_pylist()
    assert (row["origin"], row["index"], row["leaf"]) == ("example.org/log/w0", 7, f"{7:064x}")
    assert row["time"] == datetime(2026, 11, 23, 13, 7, 25, 123456, tzinfo=UTC)
    assert (row["subject"], row["recipient"], row["status"], row["consent"]) == ("s1.a", "shop", 200, ["c1"])
    assert row["fields"] == [FIELDS[0] | {"purpose": None, "basis": None}]
    assert json.loads(row["record"]) == one.record


def test_what_has_another_type_is_kept_as_text_or_in_the_record():
    odd = entry(
        1, kind="heads", recipient={"a": 1}, status="up", fields=None, consent="c", time="2026-06-30T23:59:60.000000Z"
    )
    [row] = read([odd]).read().to_pylist()
    assert row["recipient"] == '{"a":1}'
    assert (row["status"], row["fields"], row["consent"], row["time"]) == (None, None, None, None)
    assert json.loads(row["record"]) == odd.record


def test_rows_are_written_group_by_group(monkeypatch):
    monkeypatch.setattr(export_parquet, "ROW_GROUP", 4)
    ahead = most = 0

    def entries():
        nonlocal ahead
        for index in range(10):
            ahead = index + 1
            yield entry(index)

    written = export_parquet.pq.ParquetWriter.write_table

    def write_table(self, table, **options):
        nonlocal most
        most = max(most, ahead - write_table.done)
        write_table.done += table.num_rows
        written(self, table, **options)

    write_table.done = 0
    monkeypatch.setattr(export_parquet.pq.ParquetWriter, "write_table", write_table)
    file = read(entries())
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [4, 4, 2]
    assert most <= 4
    assert file.read().column("index").to_pylist() == list(range(10))


def test_nothing_is_an_empty_file_with_all_columns():
    assert read([]).schema_arrow.names == SCHEMA.names
