"""Records as OCSF and CloudEvents, read back by what others made or by their schema."""

import json
from datetime import UTC, datetime

import jsonschema
import pytest
from cloudevents.core.formats.json import JSONFormat

from gateway.audit.export_events import BATCH, to_cloudevents, to_ocsf
from gateway.audit.reading import Entry, newest_first

ORIGIN = "example.org/log/w0"
# What schema.ocsf.io 1.6.0 requires of class api_activity and of the objects in it; "minProperties" stands for
# its "at_least_one".
ENDPOINT = {"properties": {"svc_name": {"type": "string"}}, "minProperties": 1, "additionalProperties": False}
OCSF = {
    "type": "object",
    "required": [
        "activity_id", "actor", "api", "category_uid", "class_uid", "metadata", "severity_id", "src_endpoint", "time",
        "type_uid",
    ],
    "properties": {
        "activity_id": {"enum": [0, 1, 2, 3, 4, 99]},
        "activity_name": {"type": "string"},
        "actor": {"properties": {"app_name": {"type": "string"}}, "minProperties": 1, "additionalProperties": False},
        "api": {
            "required": ["operation"],
            "properties": {
                "operation": {"type": "string", "minLength": 1},
                "request": {
                    "required": ["uid"], "properties": {"uid": {"type": "string"}}, "additionalProperties": False,
                },
                "response": {"properties": {"code": {"type": "integer"}}, "additionalProperties": False},
            },
            "additionalProperties": False,
        },
        "category_uid": {"const": 6},
        "class_uid": {"const": 6003},
        "dst_endpoint": ENDPOINT,
        "http_request": {"properties": {"http_method": {"type": "string"}}, "additionalProperties": False},
        "metadata": {
            "required": ["product", "version"],
            "properties": {
                "correlation_uid": {"type": "string"},
                "event_code": {"type": "string"},
                "log_name": {"type": "string"},
                "original_time": {"type": "string"},
                "product": {
                    "required": ["vendor_name"],
                    "properties": {key: {"type": "string"} for key in ("name", "vendor_name", "version")},
                    "additionalProperties": False,
                },
                "sequence": {"type": "integer"},
                "uid": {"type": "string"},
                "version": {"pattern": r"^1\.\d+\.\d+$"},
            },
            "additionalProperties": False,
        },
        "severity_id": {"enum": [0, 1, 2, 3, 4, 5, 6, 99]},
        "src_endpoint": ENDPOINT,
        "status_id": {"enum": [0, 1, 2, 99]},
        "time": {"type": "integer", "minimum": 10**12, "maximum": 10**13},
        "type_uid": {"type": "integer"},
        "unmapped": {"type": "object", "required": ["leaf"]},
    },
    "additionalProperties": False,
}  # fmt: skip


def entry(index=7, **record):
    values = {"index": index, "kind": "disclose", "time": "2026-11-23T13:07:25.123456Z", "version": 1} | record
    return Entry(ORIGIN, "w0", index, f"{index:064x}", values)


TRAFFIC = {
    "caller": "crm",
    "consent": ["c1"],
    "direction": "request",
    "fields": [{"action": "keep", "class": "user.name", "purpose": "service"}],
    "method": "POST",
    "reason": None,
    "recipient": "shop",
    "request": "01KAS",
    "route": "sign-up",
    "salt": "q83v",
    "status": 200,
    "subject": "s1.h8LmUqZyT0a3Wn5cXvE2Rw",
}


def ocsf(*entries):
    events = [json.loads(line) for line in to_ocsf(entries)]
    for event in events:
        jsonschema.validate(event, OCSF)
        assert event["type_uid"] == 100 * event["class_uid"] + event["activity_id"]
    return events


def test_ocsf_traces_back_and_leaves_nothing_out():
    [event] = ocsf(entry(**TRAFFIC))
    assert event["metadata"]["uid"] == f"{ORIGIN}:7"
    assert (event["metadata"]["log_name"], event["metadata"]["sequence"]) == (ORIGIN, 7)
    assert event["metadata"]["correlation_uid"] == "01KAS"
    assert (event["actor"], event["src_endpoint"]) == ({"app_name": "crm"}, {"svc_name": "crm"})
    assert event["dst_endpoint"] == {"svc_name": "shop"}
    assert event["api"] == {"operation": "sign-up", "request": {"uid": "01KAS"}, "response": {"code": 200}}
    assert event["time"] == 1795439245123
    assert (event["activity_name"], event["status_id"], event["severity_id"]) == ("Create", 1, 1)
    assert event["unmapped"] == {
        "leaf": f"{7:064x}",
        "consent": ["c1"],
        "direction": "request",
        "fields": TRAFFIC["fields"],
        "salt": "q83v",
        "subject": TRAFFIC["subject"],
        "version": 1,
    }


@pytest.mark.parametrize(
    ("record", "activity", "name", "status"),
    [
        ({"kind": "refuse", "method": "DELETE", "reason": "over_size"}, 4, "Delete", 2),
        ({"kind": "disclose", "method": "GET"}, 2, "Read", 1),
        ({"kind": "collect", "method": "PATCH"}, 3, "Update", 1),
        ({"kind": "collect", "method": "PROPFIND"}, 99, "collect", 1),
        ({"kind": "open", "origin": ORIGIN}, 99, "open", 1),
    ],
)
def test_every_kind_of_record_is_an_event(record, activity, name, status):
    [event] = ocsf(entry(**record))
    assert (event["activity_id"], event["activity_name"], event["status_id"]) == (activity, name, status)


def test_cloudevents_are_read_back_by_another_library():
    entries = [entry(index, **TRAFFIC) for index in range(BATCH + 3)]
    lines = list(to_cloudevents(entries))
    batches = [json.loads(line) for line in lines]
    assert [len(batch) for batch in batches] == [BATCH, 3]
    for index, one in enumerate(batches[0] + batches[1]):
        event = JSONFormat().read(None, json.dumps(one))
        assert event.get_specversion() == "1.0"
        assert (event.get_id(), event.get_source()) == (f"{ORIGIN}:{index}", ORIGIN)
        assert event.get_extension("leaf") == f"{index:064x}"
        assert event.get_type() == "privacy-gateway.disclose"
        assert event.get_time() == datetime(2026, 11, 23, 13, 7, 25, 123456, tzinfo=UTC)
        assert event.get_data() == entries[index].record


def test_a_log_of_the_writer_is_exported_whole(logs):
    logs.write()
    entries = list(newest_first([logs.slot]))
    events = ocsf(*entries)
    assert [event["metadata"]["uid"] for event in events] == [f"{ORIGIN}:{each.index}" for each in entries]
    assert {event["metadata"]["event_code"] for event in events} == {"open", "collect", "close"}
    batches = [json.loads(line) for line in to_cloudevents(entries)]
    assert [event["leaf"] for batch in batches for event in batch] == [each.leaf for each in entries]


def test_nothing_gives_nothing():
    assert [*to_ocsf([]), *to_cloudevents([])] == []


@pytest.mark.parametrize("kind", ["consent", "outcome"])
def test_a_status_in_words_is_no_code_of_an_answer(kind):
    [event] = ocsf(entry(kind=kind, status="given"))

    assert "response" not in event["api"]
    assert event["unmapped"]["status"] == "given"
