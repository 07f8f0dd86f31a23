import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from gateway.runtime.anchoring import AnchoringStatus, AnchorStatus
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings import Listener
from gateway.runtime.settings_ledger import LedgerSettings
from gateway.workers.admin import Admin, make_app
from gateway.workers.condition import Condition
from gateway.workers.control import Status

DIGEST = "0123456789abcdef"
DECLARED = LedgerSettings(durability="interval", interval_ms=50).declared


def status(*, policy: str = DIGEST, ledger: bool = True, consent: bool = True) -> Status:
    return Status(policy, ledger, consent, 7, Metrics().snapshot())


def condition(**workers: Status | None) -> Condition:
    metrics = Metrics()
    metrics.refusal("unknown_route")
    contracts = {"mailer": 12, "counter": -1}
    return Condition(DIGEST, workers, 3, {"accepted": 2, "refused": 1}, metrics.snapshot(), contracts=contracts)


async def client_of(current: Condition, *further: Metric):
    async def look() -> Condition:
        return current

    client = TestClient(TestServer(make_app(look, DECLARED, lambda: further)))
    await client.start_server()
    return client


@pytest.mark.parametrize(
    ("workers", "expected"),
    [
        ({"w0": status(), "w1": status()}, 200),
        ({"w0": status(), "w1": None}, 503),
        ({"w0": status(ledger=False)}, 503),
        ({"w0": status(consent=False)}, 503),
        ({"w0": status(policy="fedcba9876543210")}, 503),
        ({}, 503),
    ],
)
async def test_ready_only_if_every_worker_is(workers, expected):
    client = await client_of(condition(**workers))
    answer = await client.get("/readyz")
    body = await answer.json()
    assert answer.status == expected
    assert body["ready"] is (expected == 200)
    assert sorted(body["workers"]) == sorted(workers)
    alive = await client.get("/healthz")
    assert (alive.status, await alive.json()) == (200, {"ledger": DECLARED(), "status": "alive"})
    await client.close()


async def test_readiness_names_the_policy_of_each_worker():
    client = await client_of(condition(w0=status(policy="fedcba9876543210"), w1=None))
    assert await (await client.get("/readyz")).json() == {
        "anchors": {},
        "policy": DIGEST,
        "ready": False,
        "workers": {
            "w0": {"answers": True, "consent": True, "ledger": True, "policy": "fedcba9876543210"},
            "w1": {"answers": False},
        },
    }
    await client.close()


async def test_metrics_of_one_kind_of_gateway_follow_the_others():
    client = await client_of(condition(w0=status()), GaugeMetricFamily("privacy_gateway_days", "Days", value=9))
    text = await (await client.get("/metrics")).text()
    assert "privacy_gateway_days 9.0" in text
    assert "privacy_gateway_worker_ready" in text
    await client.close()


async def test_anchors_are_shown_and_have_no_say_in_readiness():
    kept = AnchorStatus("stdout", kept=1000.0)
    lost = AnchorStatus("witness:w.example", 1000.0, 2000.0, 3, contradicts=True, why="the witness saw 9 leaves")
    current = msgspec.structs.replace(condition(w0=status()), anchoring=AnchoringStatus(12.5, (kept, lost)))
    client = await client_of(current)
    answer = await client.get("/readyz")
    assert answer.status == 200
    assert (await answer.json())["anchors"] == {
        "stdout": {"contradicts": False, "current": True, "why": ""},
        "witness:w.example": {"contradicts": True, "current": False, "why": "the witness saw 9 leaves"},
    }
    values = {
        (sample.name.removeprefix("privacy_gateway_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(await (await client.get("/metrics")).text())
        for sample in family.samples
    }
    assert values["heads_age_seconds",] == 12.5
    assert values["anchor_kept_timestamp_seconds", "stdout"] == 1000
    assert values["anchor_failed_timestamp_seconds", "witness:w.example"] == 2000
    assert values["anchor_failures_total", "witness:w.example"] == 3
    assert values["anchor_contradicts", "witness:w.example"] == 1
    assert values["anchor_contradicts", "stdout"] == 0
    await client.close()


async def test_metrics_show_counts_and_the_condition_of_processes():
    client = await client_of(condition(w0=status(ledger=False), w1=None))
    answer = await client.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(await answer.text())
        for sample in family.samples
    }
    assert values["privacy_gateway_refusals_total", "unknown_route"] == 1
    assert values["privacy_gateway_worker_ready", "w0"] == 1
    assert values["privacy_gateway_worker_ready", "w1"] == 0
    assert values["privacy_gateway_ledger_healthy", "w0"] == 0
    assert values["privacy_gateway_consent_store_up", "w0"] == 1
    assert values["privacy_gateway_ledger_records_total", "w0"] == 7
    assert values["privacy_gateway_worker_restarts_total",] == 3
    assert values["privacy_gateway_reloads_total", "refused"] == 1
    assert values["privacy_gateway_policy_info", DIGEST] == 1
    assert values["privacy_gateway_contract_days_left", "mailer"] == 12
    assert values["privacy_gateway_contract_days_left", "counter"] == -1
    await client.close()


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_head_is_get_without_the_body(path):
    client = await client_of(condition(w0=status()))
    answer = await client.head(path)
    assert (answer.status, await answer.read()) == (200, b"")
    await client.close()


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/healthz", 405),
        ("PUT", "/readyz", 405),
        ("DELETE", "/metrics", 405),
        ("OPTIONS", "/healthz", 405),
        ("GET", "/", 404),
        ("GET", "/reload", 404),
        ("GET", "/healthz/ada@example.org", 404),
    ],
)
async def test_there_is_nothing_else(method, path, expected):
    client = await client_of(condition(w0=status()))
    answer = await client.request(method, path)
    assert answer.status == expected
    assert "ada" not in await answer.text()
    await client.close()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_it_listens_where_it_is_told(tmp_path, kind):
    async def look() -> Condition:
        return condition(w0=status())

    listener = Listener("127.0.0.1", 0) if kind == "tcp" else Listener("", path=str(tmp_path / "admin.sock"))
    admin = Admin(listener, look, DECLARED)
    address = await admin.start()
    import aiohttp

    connector = aiohttp.UnixConnector(address.path) if kind == "unix" else None
    async with aiohttp.ClientSession(connector=connector) as session:
        host = address.address if kind == "tcp" else "admin"
        async with session.get(f"http://{host}/healthz") as answer:
            assert answer.status == 200
    await admin.close()
