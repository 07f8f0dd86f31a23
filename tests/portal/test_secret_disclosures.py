"""What an authority was given, and the person: no surface tells of it while it is secret, and all of them do after."""

import csv
import io
import json

import jinja2
import pytest
import structlog
from legal import ANN, approved, field, policy, produced, traffic
from people import handle_of
from receipts import WHERE, decided

from gateway.audit.index import Index
from gateway.audit.search import Query
from gateway.model.errors import StoreDown
from gateway.model.limits import DEFAULT_LIMITS
from gateway.portal.access import Access
from gateway.portal.access_texts import LANGUAGES
from gateway.runtime import secrecy
from gateway.runtime.gateway import Gateway
from gateway.runtime.legal_requests import Register
from gateway.runtime.record_reader import RecordReader
from gateway.runtime.services import Services
from gateway.stores.disclosures import REGISTER, SqliteDisclosureStore
from gateway.stores.keyfile import create_keys
from gateway.stores.legal_request import Scope

TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("gateway.portal"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
)
END = "2027-04-01T00:00:00.000000Z"
BEFORE, AFTER = "2027-03-31T23:59:59.999999Z", END
SURFACES = ("page", "json", "csv", "receipt")
TELLING = (b"police", b"State Police", b"warrant", b"StPO 94", b"Gs 12/26", b"authority", b'instrument":')


@pytest.fixture
def state(tmp_path):
    path = tmp_path / "state"
    create_keys(path)
    decided(path)
    traffic(path, ANN, field("user.contact.email"), field("user.name"))
    return path


@pytest.fixture
async def access(state):
    services = Services.open(state, "w0", origin="shop/host/w0", limits=DEFAULT_LIMITS, log=structlog.get_logger())
    opened = Access(Gateway(policy(), services), state)
    yield opened
    opened.close()
    await services.close()


async def context(access, state, language="en"):
    handle = handle_of(state, ANN)
    return await access.disclosures(
        [handle], caller=f"session:{handle}", language=language, days=0, link=lambda days: f"/d?days={days}"
    )


async def surface(access, state, name):
    handle = handle_of(state, ANN)
    match name:
        case "page":
            return TEMPLATES.get_template("disclosures.html").render(await context(access, state)).encode()
        case "receipt":
            return await access.receipt([handle], caller=f"session:{handle}", where=WHERE)
    return await access.records([handle], caller=f"session:{handle}", form=name)


def secret(state, tmp_path, **more):
    """The id of a request upon which data was given, secret until `END` unless said otherwise."""
    request = approved(state, ANN, **({"secret_until": END} | more))
    produced(state, request, tmp_path / f"out-{request}")
    return request


def lift(state, request):
    with Register(state) as register:
        register.lift_secrecy(request, by="ina", because="the order ended")


async def plain(access, state, name):
    """A surface without what differs each time."""
    content = (await surface(access, state, name)).decode()
    if name == "json":
        value = json.loads(content)
        kept = [each["record"]["kind"] for each in value["records"] if each["record"].get("recipient") != "subject"]
        return sorted(value), value["complete"], kept, value["decisions"], value["notices"]
    if name == "csv":
        return [row["what"] for row in csv.DictReader(io.StringIO(content)) if row["recipient"] != "subject"]
    return None


@pytest.mark.parametrize("name", SURFACES)
async def test_no_surface_tells_of_it_while_it_is_secret(access, state, tmp_path, name):
    before = await plain(access, state, name)
    secret(state, tmp_path)
    content = await surface(access, state, name)

    assert [text for text in TELLING if text in content] == []
    assert await plain(access, state, name) == before


async def test_neither_counts_nor_plot_tell_of_it(access, state, tmp_path):
    reader = RecordReader(state)
    before = await reader.find([handle_of(state, ANN)])
    secret(state, tmp_path)
    after = await reader.find([handle_of(state, ANN)])
    one = await reader.find([handle_of(state, ANN)], most=len(before.entries))
    reader.close()

    assert [entry.record for entry in after.entries] == [entry.record for entry in before.entries]
    assert (one.complete, len(one.entries)) == (before.complete, len(before.entries))
    shown = await context(access, state)
    assert shown["authorities"] == []
    # Two values were collected; what was given to the authority would be among those disclosed to others.
    assert [period.counts for period in shown["periods"]] == [(2, 0, 0, 0)]


@pytest.mark.parametrize("name", SURFACES[:-1])
@pytest.mark.parametrize("how", ["lifted", "over", "never"])
async def test_every_surface_tells_of_it_afterwards(access, state, tmp_path, monkeypatch, name, how):
    request = secret(state, tmp_path, secret_until="none" if how == "never" else END)
    if how == "lifted":
        lift(state, request)
    if how == "over":
        monkeypatch.setattr(secrecy, "timestamp", lambda: AFTER)
    content = (await surface(access, state, name)).decode()

    assert "StPO 94, 98" in content
    assert "warrant" in content
    assert ("State Police" if name == "page" else "police") in content
    assert ("name" if name == "page" else "user.name") in content


async def test_a_person_reads_by_which_instrument_and_law_and_which_data(access, state, tmp_path):
    secret(state, tmp_path, secret_until="none")
    [row] = (await context(access, state, "de"))["authorities"]

    assert (row.authority, row.authority_tag, row.instrument, row.law) == (
        "Landespolizei", "", "richterliche Anordnung", "StPO 94, 98",
    )  # fmt: skip
    assert dict(row.data)["E-Mail-Adresse"] == 1
    assert row.time


@pytest.mark.parametrize("language", LANGUAGES)
async def test_that_nothing_was_given_is_said_too(access, state, tmp_path, language):
    secret(state, tmp_path, secret_until="none", scope=Scope(what=("disclosures",), classes=("user.health",)))
    shown = await context(access, state, language)
    page = TEMPLATES.get_template("disclosures.html").render(shown)

    assert [row.data for row in shown["authorities"]] == [()]
    assert shown["access"]("disclosures.nothing_given") in page


@pytest.mark.parametrize(("now", "seen"), [(BEFORE, 0), (AFTER, 1)])
async def test_it_is_secret_through_the_last_moment_before_its_end(access, state, tmp_path, monkeypatch, now, seen):
    secret(state, tmp_path)
    monkeypatch.setattr(secrecy, "timestamp", lambda: now)

    assert len((await context(access, state))["authorities"]) == seen


async def test_secrecy_is_that_of_each_request(access, state, tmp_path):
    secret(state, tmp_path)
    lift(state, secret(state, tmp_path, authority="tax-office"))

    assert [row.authority for row in (await context(access, state))["authorities"]] == ["tax-office"]


async def test_what_is_extended_is_secret_again_before_its_record_is_there(access, state, tmp_path, monkeypatch):
    request = secret(state, tmp_path, secret_until="none")
    monkeypatch.setattr(SqliteDisclosureStore, "settle", lambda *_: None)
    with Register(state) as register:
        register.extend_secrecy(request, "lifted", by="ina", because="a new order")

    assert (await context(access, state))["authorities"] == []


async def test_where_the_register_is_gone_it_stays_hidden(access, state, tmp_path):
    secret(state, tmp_path, secret_until="none")
    for path in state.glob(REGISTER + "*"):
        path.unlink()

    assert (await context(access, state))["authorities"] == []


@pytest.mark.parametrize("person", [ANN, "somebody of whom nobody asked"])
async def test_a_register_that_cannot_be_read_is_down_for_everybody_alike(access, state, tmp_path, person):
    secret(state, tmp_path)
    (state / REGISTER).write_bytes(b"no database" * 200)
    reader = RecordReader(state)
    with pytest.raises(StoreDown, match="register"):
        await reader.find([handle_of(state, person)])
    reader.close()


async def test_auditors_find_it_all_the_while(state, tmp_path):
    request = secret(state, tmp_path)
    with Index.open(state / "audit") as index:
        by_person = [entry.record for entry in index.search(Query(subject=handle_of(state, ANN), kind="disclose"))]
        by_request = [entry.record["kind"] for entry in index.search(Query(request=request))]

    assert [record["recipient"] for record in by_person] == ["police"]
    assert by_request == ["outcome", "disclose", "outcome", "outcome"]
