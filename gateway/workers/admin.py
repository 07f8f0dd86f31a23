"""The admin listener: /healthz, /readyz and /metrics for those who run the gateway, read-only.

It shows digests, slots and counts, never anything of a message. It asks nobody who they are, so it
listens on loopback unless told otherwise.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator

import msgspec
from aiohttp import web
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from gateway.runtime.anchoring import AnchoringStatus
from gateway.runtime.metrics import CONTENT_TYPE, PREFIX, render
from gateway.runtime.settings import Listener
from gateway.workers.condition import Condition

Look = Callable[[], Awaitable[Condition]]
Declare = Callable[[], dict[str, object]]
"""What the ledger promises: its durability, and the loss bound."""
Further = Callable[[], Iterable[Metric]]
"""Metrics of one kind of gateway only."""

_NO_STORE = {"Cache-Control": "no-store"}


class Admin:
    """Serves the condition that `look` gives at the time of each request."""

    def __init__(self, listener: Listener, look: Look, declare: Declare, further: Further = tuple) -> None:
        self._listener = listener
        self._runner = web.AppRunner(make_app(look, declare, further), access_log=None, handle_signals=False)

    async def start(self) -> Listener:
        """Listen; returns the listener with the port that it really has.

        Raises:
            OSError: the address cannot be bound.
        """
        await self._runner.setup()
        if self._listener.path:
            await web.UnixSite(self._runner, self._listener.path).start()
            return self._listener
        await web.TCPSite(self._runner, self._listener.host, self._listener.port).start()
        return msgspec.structs.replace(self._listener, port=self._runner.addresses[0][1])

    async def close(self) -> None:
        await self._runner.cleanup()


def make_app(look: Look, declare: Declare, further: Further = tuple) -> web.Application:
    """The application; GET and HEAD only."""

    async def healthz(_request: web.Request) -> web.Response:
        return _json({"ledger": declare(), "status": "alive"})

    async def readyz(_request: web.Request) -> web.Response:
        condition = await look()
        return _json(_readiness(condition), status=200 if condition.ready else 503)

    async def metrics(_request: web.Request) -> web.Response:
        condition = await look()
        text = render(condition.metrics, [*_process_metrics(condition), *further()])
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE, **_NO_STORE})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    return app


def _json(value: object, *, status: int = 200) -> web.Response:
    body = msgspec.json.encode(value, order="sorted") + b"\n"
    return web.Response(body=body, status=status, content_type="application/json", headers=_NO_STORE)


def _readiness(condition: Condition) -> dict[str, object]:
    workers = {
        slot: {"answers": False}
        if status is None
        else {"answers": True, "consent": status.consent, "ledger": status.ledger, "policy": status.policy}
        for slot, status in condition.workers.items()
    }
    anchors = {
        each.name: {"contradicts": each.contradicts, "current": each.current, "why": each.why}
        for each in condition.anchoring.anchors
    }
    return {"anchors": anchors, "policy": condition.policy, "ready": condition.ready, "workers": workers}


def _process_metrics(condition: Condition) -> Iterator[Metric]:
    ready = GaugeMetricFamily(PREFIX + "worker_ready", "Whether the worker answers", labels=["worker"])
    healthy = GaugeMetricFamily(PREFIX + "ledger_healthy", "Whether records can be written", labels=["worker"])
    consent = GaugeMetricFamily(PREFIX + "consent_store_up", "Whether consent can be read", labels=["worker"])
    records = CounterMetricFamily(PREFIX + "ledger_records", "Records made durable by a worker", labels=["worker"])
    for slot, status in sorted(condition.workers.items()):
        ready.add_metric([slot], status is not None)
        if status is not None:
            healthy.add_metric([slot], status.ledger)
            consent.add_metric([slot], status.consent)
            records.add_metric([slot], status.records)
    yield from (ready, healthy, consent, records)
    yield CounterMetricFamily(PREFIX + "worker_restarts", "Workers started after a crash", value=condition.restarts)
    reloads = CounterMetricFamily(PREFIX + "reloads", "Reloads of rules and settings", labels=["outcome"])
    for outcome, count in sorted(condition.reloads.items()):
        reloads.add_metric([outcome], count)
    yield reloads
    yield InfoMetricFamily(PREFIX + "policy", "The policy in force", value={"digest": condition.policy})
    contracts = GaugeMetricFamily(PREFIX + "contract_days_left", _DAYS, labels=["recipient"])
    for name, days in sorted(condition.contracts.items()):
        contracts.add_metric([name], days)
    yield contracts
    yield from _anchor_metrics(condition.anchoring)


def _anchor_metrics(anchoring: AnchoringStatus) -> Iterator[Metric]:
    age = "Seconds since the heads of all logs were last made durable"
    yield GaugeMetricFamily(PREFIX + "heads_age_seconds", age, value=anchoring.heads_age)
    kept = GaugeMetricFamily(PREFIX + "anchor_kept_timestamp_seconds", "When the anchor last kept a head", labels=_BY)
    failed = GaugeMetricFamily(PREFIX + "anchor_failed_timestamp_seconds", "When it last failed to", labels=_BY)
    failures = CounterMetricFamily(PREFIX + "anchor_failures", "Heads that the anchor did not keep", labels=_BY)
    known = "Whether the anchor knows another history than this ledger's"
    contradicts = GaugeMetricFamily(PREFIX + "anchor_contradicts", known, labels=_BY)
    for each in anchoring.anchors:
        kept.add_metric([each.name], each.kept)
        failed.add_metric([each.name], each.failed)
        failures.add_metric([each.name], each.failures)
        contradicts.add_metric([each.name], each.contradicts)
    yield from (kept, failed, failures, contradicts)


_BY = ["anchor"]
_DAYS = "Days to the last one of the contract with a recipient, negative once it has ended"
