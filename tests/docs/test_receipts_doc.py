"""docs/receipts.md against the code: what a receipt holds, columns, numbers and commands."""

import json
import re
from pathlib import Path

from receipts import decided, receipt

from gateway.audit.verify_report import Verdict
from gateway.model.limits import MIB
from gateway.portal.receipt import MOST_EVENTS
from gateway.portal.receipt_check import WORDS
from gateway.runtime.person_records import COLUMNS, MOST
from gateway.runtime.record_reader import MOST_BYTES, MOST_RECORDS
from gateway.stores.keyfile import create_keys

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "receipts.md").read_text()


def table(heading):
    return PAGE.partition(f"| {heading} |")[2].partition("\n\n")[0]


def first_cells(heading):
    return [
        name
        for row in table(heading).split("\n")
        for name in re.findall(r"`([^`]+)`", row.split("|")[1] if "|" in row else "")
    ]


def test_every_key_of_a_receipt_is_explained_where_it_stands(tmp_path):
    create_keys(tmp_path)
    made = json.loads(receipt(tmp_path, decided(tmp_path)))
    records = made["dpv:hasRecordOfActivity"]
    decisions = [
        each
        for record in records
        for key in ("dpv:hasConsentStatus", "receipt:hasRightExercise")
        for each in record[key]
    ]
    ours = {"@context", "@id", "@type"}

    assert set(made) - ours <= set(first_cells("in the receipt"))
    assert {key for record in records for key in record} - ours == set(first_cells("in a consent record"))
    assert {key for decision in decisions for key in decision} - {"@id"} == set(first_cells("in a decision"))


def test_every_column_is_explained_in_its_order():
    assert tuple(re.findall(r"^\| `([a-z_]+)` \|", PAGE.split("## All records")[1], re.MULTILINE)) == COLUMNS


def test_verdicts_and_their_exit_codes():
    rows = re.findall(r"^\| (\d+) \| ([A-Z]+) \|", PAGE, re.MULTILINE)

    assert {word: int(code) for code, word in rows} == {word: int(verdict) for verdict, word in WORDS.items()}
    assert Verdict.VERIFIED == 0


def test_numbers_are_those_of_the_code():
    for number, unit in (
        (MOST_BYTES // MIB, " MiB"),
        (MOST_RECORDS, " records"),
        (MOST, " records"),
        (MOST_EVENTS, ""),
    ):
        assert f"{number:,}{unit}" in PAGE


def test_commands_exist():
    from gateway.cli.consent import command as consent
    from gateway.cli.keys import command as keys

    assert {"receipt", "check-receipt"} <= set(consent.commands)
    assert "show" in keys.commands
    assert "keys show" in PAGE
