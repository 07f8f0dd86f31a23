"""The documents that the upstream serves, and what must be left of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

STRIPPED = ("email", "phone", "birth_date")
SIZES = {"1 KB": 900, "10 KB": 10_000, "1 MB": 1_000_000}
BLOB_BYTES = 100 * 1024 * 1024
FIELDS = tuple(f"detail_{number:03d}" for number in range(100))
"""Members of the document that has many of them."""


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


def small_document() -> dict[str, Any]:
    """Less than the others have without any event: some 200 bytes."""
    whole = document(0)
    return {key: whole[key] for key in ("id", "name", *STRIPPED, "language", "newsletter")}


def wide_document() -> dict[str, Any]:
    """10 KB, half of it in `FIELDS`, so that the number of rules can grow while the document stays the same."""
    return document(5_000) | {name: f"what is known of {name}, and more" for name in FIELDS}


def stripped(record: dict[str, Any], fields: Sequence[str] = STRIPPED) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in fields}


def write_documents(root: Path, *, blob: bool = True) -> dict[str, dict[str, Any]]:
    """Write all documents, and the blob, below `root`; returns the documents by size name."""
    root.mkdir(parents=True)
    documents = {name: document(size) for name, size in SIZES.items()}
    for name, record in documents.items():
        (root / file_of(name)).write_text(json.dumps(record))
    if blob:
        write_blob(root / "blob.bin", BLOB_BYTES)
    return documents


def write_blob(file: Path, size: int) -> None:
    block = bytes(range(256)) * 4096
    with file.open("wb") as blob:
        for _ in range(size // len(block)):
            blob.write(block)
