"""The documents that the upstream serves, and what must be left of them."""

import json
from pathlib import Path
from typing import Any

STRIPPED = ("email", "phone", "birth_date")
SIZES = {"1 KB": 900, "10 KB": 10_000, "1 MB": 1_000_000}
BLOB_BYTES = 100 * 1024 * 1024


def file_of(size: str) -> str:
    return size.replace(" ", "").lower() + ".json"


def document(size: int) -> dict[str, Any]:
    """A customer's record with the three fields among others, grown to about `size` bytes by its events."""
    record: dict[str, Any] = {
        "id": "c-58f1a0c2",
        "name": "Ada Lovelace",
        "email": "ada.lovelace@example.org",
        "phone": "+44 20 7946 0000",
        "birth_date": "1815-12-10",
        "language": "en-GB",
        "newsletter": True,
        "balance": 1204.5,
        "address": {"street": "12 Example Row", "city": "London", "postal_code": "EC1A 1BB", "country": "GB"},
        "events": [],
    }
    number = 0
    base = len(json.dumps(record))
    while base < size - 60:
        event = {"n": number, "kind": "viewed", "product": f"p-{number % 97:04d}", "seconds": number % 61, "ok": True}
        record["events"].append(event)
        base += len(json.dumps(event)) + 2
        number += 1
    return record


def stripped(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in STRIPPED}


def write_documents(root: Path) -> dict[str, dict[str, Any]]:
    """Write all documents and the blob below `root`; returns the documents by size name."""
    root.mkdir(parents=True)
    documents = {name: document(size) for name, size in SIZES.items()}
    for name, record in documents.items():
        (root / file_of(name)).write_text(json.dumps(record))
    block = bytes(range(256)) * 4096
    with (root / "blob.bin").open("wb") as blob:
        for _ in range(BLOB_BYTES // len(block)):
            blob.write(block)
    return documents
