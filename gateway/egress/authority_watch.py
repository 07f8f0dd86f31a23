"""How long the authority of a running egress goes on: said at the start, and shown in /metrics."""

import datetime as dt
from pathlib import Path

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from gateway.egress.authority import ROTATE, WARNING_DAYS, load_authority, read_authority
from gateway.model.errors import Diagnostic, Severity, StoreDown
from gateway.runtime.metrics import PREFIX
from gateway.runtime.settings import Settings


def check_authority(settings: Settings, file: str, now: dt.datetime | None = None) -> list[Diagnostic]:
    """What to say of the authority by which the proxies of `file` read TLS; nothing where there is no proxy.

    Raises:
        StoreDown: KEY_PROVIDER_DOWN; it cannot be used, with what to do.
    """
    egress = settings.egress
    if egress is None or not egress.proxies:
        return []
    at = now or dt.datetime.now(dt.UTC)
    authority = load_authority(Path(egress.ca), at)
    left = authority.days_left(at)
    if left >= WARNING_DAYS:
        return []
    return [
        Diagnostic(file, 1, 1, "PG961", Severity.WARNING, f"the authority for interception ends in {left} days", ROTATE)
    ]


def days_left_metric(settings: Settings) -> list[Metric]:
    """The days that are left of the authority, as the file says now; nothing where there is none to read."""
    egress = settings.egress
    if egress is None or not egress.proxies:
        return []
    try:
        days = read_authority(Path(egress.ca)).days_left(dt.datetime.now(dt.UTC))
    except StoreDown:
        return []
    what = "Days to the end of the authority for interception, negative once it has ended"
    return [GaugeMetricFamily(PREFIX + "authority_days_left", what, value=days)]
