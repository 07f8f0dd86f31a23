import msgspec
import pytest
import structlog
from structlog.testing import capture_logs

from gateway.audit.operator_log import OperatorLog, operator_records
from gateway.model.errors import StoreDown
from gateway.model.limits import DEFAULT_LIMITS
from gateway.model.words import ConsentStatus, Kind, Posture
from gateway.policy.observe import observe_policy
from gateway.runtime.services import Services
from gateway.stores.consent import SqliteConsentStore
from gateway.stores.event import ConsentEvent, new_event_id, now_microseconds
from gateway.stores.keyfile import create_keys, load_keyring

POLICY = observe_policy("http://127.0.0.1:1")


def opened(state, slot="w0") -> Services:
    return Services.open(state, slot, origin=f"test/{slot}", limits=DEFAULT_LIMITS, log=structlog.get_logger())


def records(state, slot="w0") -> list[dict]:
    folder = state / "audit" / slot
    files = sorted([*folder.glob("seg-*.jsonl"), *folder.glob("sealed/seg-*.jsonl")])
    return [msgspec.json.decode(line) for file in files for line in file.read_bytes().rstrip(b"\0").splitlines()]


async def test_without_keys_nothing_opens_and_the_way_out_is_named(tmp_path):
    with pytest.raises(StoreDown) as caught:
        opened(tmp_path)
    assert caught.value.posture is Posture.KEY_PROVIDER_DOWN
    assert "keys init" in caught.value.why
    assert not (tmp_path / "audit").exists()


async def test_a_slot_is_opened_named_and_closed(tmp_path):
    create_keys(tmp_path)
    services = opened(tmp_path)
    assert services.ledger_healthy()
    assert services.consent_answers()
    await services.record_policy(POLICY)
    await services.close()
    assert not services.ledger_healthy()
    assert not services.consent_answers()
    kinds = [record["kind"] for record in records(tmp_path)]
    assert kinds[0] == "open"
    assert kinds[-2:] == ["close", "checkpoint"]


async def test_the_policy_in_force_is_recorded_by_its_digest(tmp_path):
    create_keys(tmp_path)
    services = opened(tmp_path)
    await services.record_policy(POLICY)
    (found,) = [record for record in records(tmp_path) if record["kind"] == "policy"]
    assert found["policy"] == POLICY.digest
    assert list(found) == sorted(found)
    await services.close()


async def test_a_slot_that_is_taken_opens_nothing(tmp_path):
    create_keys(tmp_path)
    first = opened(tmp_path)
    with pytest.raises(StoreDown) as caught:
        opened(tmp_path)
    assert caught.value.posture is Posture.AUDIT_UNAVAILABLE
    second = opened(tmp_path, "w1")
    await first.close()
    await second.close()


async def test_a_consent_store_that_goes_away_is_noticed(tmp_path):
    create_keys(tmp_path)
    services = opened(tmp_path)
    (tmp_path / "consent.sqlite").rename(tmp_path / "elsewhere")
    assert not services.consent_answers()
    await services.close()


async def test_a_store_of_people_that_goes_away_is_noticed(tmp_path):
    create_keys(tmp_path)
    services = opened(tmp_path)
    (tmp_path / "subjects.generation").unlink()
    assert not services.consent_answers()
    await services.close()


async def test_consents_that_match_nobody_are_pointed_out(tmp_path):
    create_keys(tmp_path)
    at = now_microseconds()
    store = SqliteConsentStore(tmp_path / "consent.sqlite")
    store.append(
        ConsentEvent(
            id=new_event_id(at),
            subject=load_keyring(tmp_path).subject_handle("ann"),
            purpose="ads",
            status=ConsentStatus.WITHDRAWN,
            at=at,
            method="test",
        )
    )
    store.close()
    for warnings in (1, 0):
        with capture_logs() as logged:
            services = Services.open(
                tmp_path, "w0", origin="test/w0", limits=DEFAULT_LIMITS, log=structlog.get_logger()
            )
            await services.close()
        assert [entry["log_level"] for entry in logged if "matches nobody" in entry["event"]] == ["warning"] * warnings


async def test_what_is_owed_to_the_ledger_is_recorded_at_the_start(tmp_path):
    create_keys(tmp_path)
    at = now_microseconds()
    person = load_keyring(tmp_path).subject_handle("ann")
    fields = {"subject": person, "purpose": "ads", "at": at, "method": "test"}
    store = SqliteConsentStore(tmp_path / "consent.sqlite")
    store.append(ConsentEvent(id=new_event_id(at), status=ConsentStatus.WITHDRAWN, **fields))
    store.prepare([ConsentEvent(id=new_event_id(at), status=ConsentStatus.RESTRICTED, **fields)])
    for completed in (1, 0):
        with capture_logs() as logged:
            services = opened(tmp_path)
            assert services.consent.state(person).consents["ads", "*"].status is ConsentStatus.RESTRICTED
            await services.close()
        assert [entry.get("count") for entry in logged if "owed" in entry["event"]] == [2] * completed
    assert {record["status"] for _, record in operator_records(tmp_path / "audit", Kind.CONSENT)} == {
        "withdrawn",
        "restricted",
    }
    store.close()


async def test_a_log_that_cannot_be_written_keeps_no_worker_from_starting(tmp_path, monkeypatch):
    create_keys(tmp_path)
    at = now_microseconds()
    store = SqliteConsentStore(tmp_path / "consent.sqlite")
    person = load_keyring(tmp_path).subject_handle("ann")
    store.append(
        ConsentEvent(
            id=new_event_id(at), subject=person, purpose="ads", status=ConsentStatus.WITHDRAWN, at=at, method="test"
        )
    )

    def refuse(*_):
        raise StoreDown(Posture.AUDIT_UNAVAILABLE, "no room")

    monkeypatch.setattr(OperatorLog, "append", refuse)
    with capture_logs() as logged:
        services = opened(tmp_path)
        assert services.consent.state(person).consents["ads", "*"].status is ConsentStatus.WITHDRAWN
        await services.close()
    assert ["wait for their records" in entry["event"] for entry in logged].count(True) == 1
    assert len(store.owed()) == 1
    store.close()


async def test_a_policy_that_cannot_be_recorded_is_an_error(tmp_path):
    create_keys(tmp_path)
    services = opened(tmp_path)
    await services.ledger.close()
    with pytest.raises(StoreDown):
        await services.record_policy(POLICY)
    services.consent.close()


async def test_without_a_ledger_there_is_nothing_to_record(tmp_path):
    create_keys(tmp_path)
    services = opened(tmp_path)
    await services.ledger.close()
    services.ledger = None
    await services.record_policy(POLICY)
    assert services.ledger_healthy()
    await services.close()
