"""Records as events of two public schemas, for systems that collect events. Views, never the evidence.

OCSF 1.6.0 (https://schema.ocsf.io), class API Activity: what has no attribute there stands in `unmapped`
under the ledger's own names. CloudEvents 1.0.2 (https://github.com/cloudevents/spec), JSON batch format:
the record as it is, in an envelope.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import msgspec

from gateway import __version__
from gateway.audit.index_lines import micros
from gateway.audit.reading import Entry

PRODUCT = "privacy-gateway"
OCSF_VERSION = "1.6.0"
API_ACTIVITY = 6003
_APPLICATION = 6
_INFORMATIONAL, _LOW = 1, 2
_SUCCESS, _FAILURE = 1, 2
_OTHER = 99
_ACTIVITIES = {"POST": (1, "Create"), "GET": (2, "Read"), "HEAD": (2, "Read"), "PUT": (3, "Update"),
               "PATCH": (3, "Update"), "DELETE": (4, "Delete")}  # fmt: skip
_MAPPED = frozenset({"index", "kind", "time", "caller", "method", "recipient", "request", "route", "status"})
_REFUSE = "refuse"
BATCH = 100
"""Events of one CloudEvents batch, which is one line."""


def to_ocsf(entries: Iterable[Entry]) -> Iterator[str]:
    """One API Activity event a line. `metadata.uid` is `origin:index`; the leaf hash is in `unmapped`.

    Raises:
        StoreDown: AUDIT_UNAVAILABLE; a record has no time.
    """
    for entry in entries:
        yield msgspec.json.encode(_ocsf(entry)).decode() + "\n"


def to_cloudevents(entries: Iterable[Entry]) -> Iterator[str]:
    """One batch (a JSON array of events) a line. The event's id is `origin:index`, its `leaf` the leaf hash."""
    rest = iter(entries)
    while batch := [_cloudevent(entry) for entry in islice(rest, BATCH)]:
        yield msgspec.json.encode(batch).decode() + "\n"


def _ocsf(entry: Entry) -> dict[str, Any]:
    record = entry.record
    kind, method = str(record.get("kind")), record.get("method")
    activity, name = _ACTIVITIES.get(str(method), (_OTHER, kind))
    caller, recipient = record.get("caller"), record.get("recipient")
    event: dict[str, Any] = {
        "activity_id": activity,
        "activity_name": name,
        "actor": {"app_name": str(caller or PRODUCT)},
        "api": _api(record, kind),
        "category_uid": _APPLICATION,
        "class_uid": API_ACTIVITY,
        "metadata": _metadata(entry, kind),
        "severity_id": _LOW if kind == _REFUSE else _INFORMATIONAL,
        "src_endpoint": {"svc_name": str(caller or entry.origin)},
        "status_id": _FAILURE if kind == _REFUSE else _SUCCESS,
        "time": micros(str(record.get("time"))) // 1000,
        "type_uid": API_ACTIVITY * 100 + activity,
        "unmapped": {"leaf": entry.leaf}
        | {key: value for key, value in record.items() if not _is_mapped(key, value) and value is not None},
    }
    if recipient is not None:
        event["dst_endpoint"] = {"svc_name": str(recipient)}
    if method is not None:
        event["http_request"] = {"http_method": str(method)}
    return event


def _is_mapped(key: str, value: object) -> bool:
    """Whether an attribute of the event says it; of decisions and legal requests `status` is a word, and no code."""
    return key in _MAPPED and (key != "status" or isinstance(value, int))


def _metadata(entry: Entry, kind: str) -> dict[str, Any]:
    """Whence the event comes, so that it can be traced back to its leaf."""
    metadata = {
        "event_code": kind,
        "log_name": entry.origin,
        "original_time": entry.record.get("time"),
        "product": {"name": PRODUCT, "vendor_name": PRODUCT, "version": __version__},
        "sequence": entry.index,
        "uid": f"{entry.origin}:{entry.index}",
        "version": OCSF_VERSION,
    }
    request = entry.record.get("request")
    return metadata | ({"correlation_uid": str(request)} if request is not None else {})


def _api(record: dict[str, Any], kind: str) -> dict[str, Any]:
    api: dict[str, Any] = {"operation": str(record.get("route") or kind)}
    if record.get("request") is not None:
        api["request"] = {"uid": str(record["request"])}
    if _is_mapped("status", record.get("status")):
        api["response"] = {"code": record["status"]}
    return api


def _cloudevent(entry: Entry) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"{entry.origin}:{entry.index}",
        "source": entry.origin or entry.slot,
        "type": f"{PRODUCT}.{entry.record.get('kind')}",
        "time": entry.record.get("time"),
        "datacontenttype": "application/json",
        "leaf": entry.leaf,
        "data": entry.record,
    }
