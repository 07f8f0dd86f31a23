"""What one worker's pages tell a person, over a real ledger: each look is recorded before it is answered."""

import csv
import io
import json

import jinja2
import pytest
import structlog
from people import handle_of
from receipts import WHERE, S, policy

from gateway.audit.verify_note import VerifierKey
from gateway.engine.record import bare_entry
from gateway.model.errors import StoreDown
from gateway.model.limits import DEFAULT_LIMITS
from gateway.model.words import Assurance, Kind
from gateway.portal.access import FORMS, SPANS, Access
from gateway.portal.access_texts import LANGUAGES
from gateway.portal.receipt_check import check_receipt
from gateway.runtime.decisions import Choice
from gateway.runtime.gateway import Gateway
from gateway.runtime.record_reader import RecordReader
from gateway.runtime.services import Services
from gateway.stores.keyfile import create_keys

TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("gateway.portal"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
)


@pytest.fixture
def state(tmp_path):
    create_keys(tmp_path)
    return tmp_path


@pytest.fixture
def ann(state):
    return handle_of(state, "ann@shop.example")


@pytest.fixture
def visitor(state):
    return handle_of(state, "visitor")


@pytest.fixture
async def gateway(state):
    services = Services.open(state, "w0", origin="shop/host/w0", limits=DEFAULT_LIMITS, log=structlog.get_logger())
    yield Gateway(policy(), services)
    await services.close()


@pytest.fixture
async def access(gateway, state):
    opened = Access(gateway, state)
    yield opened
    opened.close()


async def decide(gateway, subject, *choices):
    for purpose, status in choices:
        choice = [Choice(purpose, status)]
        await gateway.services.decisions.decide(subject, choice, method="portal", assurance=Assurance.LOW)


async def collected(gateway, subject):
    """A record of traffic, as that of a request is."""
    field = {"action": "keep", "address": "$.email", "basis": "contract", "class": "user.contact.email", "count": 1,
             "purpose": "service", "reason": "listed"}  # fmt: skip
    moment = gateway.moments.now(gateway.moments.request_id())
    await gateway.services.ledger.commit(
        *bare_entry(moment, kind=Kind.COLLECT, subject=subject, recipient="shop", direction="request", fields=[field])
    )


async def looks(state, subject):
    reader = RecordReader(state)
    found = await reader.find([subject])
    reader.close()
    return [
        (entry.record["route"], entry.record["fields"][0]["count"])
        for entry in found.entries if entry.record["kind"] == "disclose"
    ]  # fmt: skip


async def disclosures(access, *handles, days=0, language="en"):
    return await access.disclosures(
        handles, caller=f"session:{handles[0]}", language=language, days=days, link=lambda days: f"/d?days={days}"
    )


async def test_a_look_at_disclosures_is_the_next_ones_disclosure(access, state, ann):
    first = await disclosures(access, ann)
    second = await disclosures(access, ann, days=30)

    assert (first["passed"], first["plot"]) == ([], "")
    assert [(row.recipient, row.purpose) for row in second["passed"]] == [("You", "Your right of access")]
    assert second["spans"] == [
        ("Last 30 days", "/d?days=30", True),
        ("Last 12 months", "/d?days=365", False),
        ("All time", "/d?days=0", False),
    ]
    assert await looks(state, ann) == [("own/disclosures", 1), ("own/disclosures", 0)]


@pytest.mark.parametrize(("days", "current"), [(30, 30), (365, 365), (0, 0), (-1, 0), (10**9, 0)])
async def test_spans_are_those_that_the_page_offers(access, ann, days, current):
    shown = await disclosures(access, ann, days=days)

    assert [span[2] for span in shown["spans"]] == [each == current for each in SPANS]
    assert len(shown["notes"]) == (3 if current else 2)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_templates_take_what_is_given(gateway, access, ann, language):
    await decide(gateway, ann, ("ads", S.GIVEN))
    await collected(gateway, ann)
    page = await access.receipt_page([ann], language=language, link=lambda name: f"/p/{name}")
    shown = TEMPLATES.get_template("disclosures.html").render(await disclosures(access, ann, language=language))
    offered = TEMPLATES.get_template("receipt.html").render(page)

    assert "<svg" in shown
    assert all(f'href="/p/{name}"' in offered for name in ("receipt", *FORMS))
    assert all(key in offered.replace("&#43;", "+") for key in page["keys"])
    assert [key.partition("+")[0] for key in page["keys"]] == ["shop/receipts", "shop/host/w0"]


async def test_a_receipt_is_recorded_and_valid(gateway, access, state, ann):
    await decide(gateway, ann, ("ads", S.GIVEN), ("ads", S.WITHDRAWN))
    made = await access.receipt([ann], caller=f"session:{ann}", where=WHERE)
    keys = (await access.receipt_page([ann], language="en", link=str))["keys"]
    report = check_receipt(made, [VerifierKey(key) for key in keys])

    assert (report.verdict, report.events, report.proven) == ("VALID", 2, 2)
    assert WHERE.encode() in made
    assert await looks(state, ann) == [("own/receipt", 2)]


async def test_who_decided_nothing_gets_no_receipt(access, state, ann):
    page = await access.receipt_page([ann], language="en", link=str)

    assert await access.receipt([ann], caller="anonymous", where="") is None
    assert page["decided"] is False
    assert "not decided anything" in TEMPLATES.get_template("receipt.html").render(page)


async def test_what_a_visitor_and_a_person_decided_come_together(gateway, access, state, ann, visitor):
    await decide(gateway, visitor, ("ads", S.GIVEN))
    await decide(gateway, ann, ("analytics", S.REFUSED))
    both = json.loads(await access.records([ann, visitor, ann], caller="anonymous", form="json"))
    receipt = json.loads(await access.receipt([ann, visitor], caller="anonymous", where=""))

    assert [(each["subject"], each["purpose"]) for each in both["decisions"]] == [(visitor, "ads"), (ann, "analytics")]
    assert len(receipt["dpv:hasRecordOfActivity"]) == 2
    assert await looks(state, ann) == [("own/receipt", 2), ("own/records", 2)]
    assert await looks(state, visitor) == []


async def test_records_come_in_both_forms(gateway, access, ann):
    await decide(gateway, ann, ("ads", S.GIVEN))
    table = await access.records([ann], caller="anonymous", form="csv")
    rows = list(csv.DictReader(io.StringIO(table.decode(), newline="")))
    value = json.loads(await access.records([ann], caller="anonymous", form="json"))

    assert [row["what"] for row in rows] == ["decision"]
    assert len(value["records"]) == 1  # the look before


async def test_nothing_is_shown_that_cannot_be_recorded(gateway, access, ann):
    await decide(gateway, ann, ("ads", S.GIVEN))
    await gateway.services.ledger.close()
    for ask in (
        lambda: disclosures(access, ann),
        lambda: access.receipt([ann], caller="anonymous", where=""),
        lambda: access.records([ann], caller="anonymous", form="csv"),
    ):
        with pytest.raises(StoreDown):
            await ask()
