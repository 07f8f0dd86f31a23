"""A look at one's own data is a disclosure: recorded before it is shown, or not shown."""

import pytest
import structlog

from gateway.audit.verify import verify_directory
from gateway.model.errors import StoreDown
from gateway.model.identity import ANONYMOUS
from gateway.model.limits import DEFAULT_LIMITS
from gateway.policy.observe import observe_policy
from gateway.portal.disclosures import SUBJECT, summarise
from gateway.runtime.gateway import Gateway
from gateway.runtime.own_access import record_access
from gateway.runtime.record_reader import RecordReader
from gateway.runtime.services import Services
from gateway.stores.keyfile import create_keys

ANN = "s1." + "a" * 21 + "A"


@pytest.fixture
def state(tmp_path):
    create_keys(tmp_path)
    return tmp_path


@pytest.fixture
async def gateway(state):
    services = Services.open(state, "w0", origin="test/w0", limits=DEFAULT_LIMITS, log=structlog.get_logger())
    yield Gateway(observe_policy("http://127.0.0.1:1"), services)
    await services.close()


async def look(gateway, what="records", caller=f"visitor:{ANN}", count=3):
    await record_access(
        gateway, what=what, subject=ANN, caller=caller, request_id=gateway.moments.request_id(), count=count
    )


async def test_a_look_is_in_the_log_when_it_may_be_shown(state, gateway):
    await look(gateway)
    reader = RecordReader(state)
    found = await reader.find([ANN])
    reader.close()
    [entry] = found.entries
    record = entry.record

    assert {name: record[name] for name in ("kind", "recipient", "subject", "caller", "direction", "route")} == {
        "kind": "disclose", "recipient": "subject", "subject": ANN, "caller": f"visitor:{ANN}",
        "direction": "response", "route": "own/records",
    }  # fmt: skip
    assert record["policy"] == gateway.policy.digest
    assert len(record["request"]) == 26
    assert verify_directory(state / "audit" / "w0", allow_unanchored=True).words == "VERIFIED"


async def test_the_person_sees_it_among_the_disclosures(state, gateway):
    await look(gateway, count=7)
    reader = RecordReader(state)
    [use] = summarise(await reader.find([ANN]), {ANN}, {}).uses
    reader.close()

    assert (use.recipient, use.purpose, use.passed) == (SUBJECT, "rights", {"user.privacy_preferences": 7})


async def test_without_its_record_nothing_may_be_shown(gateway):
    await look(gateway, caller=ANONYMOUS)
    await gateway.services.ledger.close()
    with pytest.raises(StoreDown):
        await look(gateway)
