import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from gateway.runtime.metrics import BUCKETS, Metrics, Snapshot, ended, merge, render


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def busy() -> Metrics:
    metrics = Metrics()
    metrics.route("sign-up").message("request", recorded=True)
    metrics.route("sign-up").message("request", recorded=True)
    metrics.route("sign-up").message("response", recorded=False)
    metrics.refusal("unknown_route")
    metrics.route("sign-up").exchange(200, 0.004)
    metrics.route("sign-up").exchange(502, 61.0)
    metrics.applications["verified"] = 5
    metrics.in_flight = 3
    return metrics


def test_render_gives_every_count_under_its_labels():
    values = samples(render(busy().snapshot()))

    def message(direction, recorded):
        return values[
            "privacy_gateway_messages_total", (("direction", direction), ("recorded", recorded), ("route", "sign-up"))
        ]

    assert message("request", "true") == 2
    assert message("response", "false") == 1
    assert values["privacy_gateway_refusals_total", (("code", "unknown_route"),)] == 1
    assert values["privacy_gateway_exchanges_total", (("route", "sign-up"), ("status", "200"))] == 1
    assert values["privacy_gateway_exchanges_total", (("route", "sign-up"), ("status", "502"))] == 1
    assert values["privacy_gateway_applications_total", (("outcome", "verified"),)] == 5
    assert values["privacy_gateway_in_flight", ()] == 3


@pytest.mark.parametrize(
    ("seconds", "first_bucket"),
    [
        (0.0, "0.001"),
        (0.001, "0.001"),
        (0.0011, "0.0025"),
        (60.0, "60.0"),
        (60.1, "+Inf"),
    ],
)
def test_a_duration_falls_into_the_bucket_whose_bound_it_does_not_exceed(seconds, first_bucket):
    metrics = Metrics()
    metrics.route("r").exchange(200, seconds)
    values = samples(render(metrics.snapshot()))
    bounds = [*(repr(bound) for bound in BUCKETS), "+Inf"]
    counts = [
        values["privacy_gateway_exchange_seconds_bucket", tuple(sorted({"route": "r", "le": bound}.items()))]
        for bound in bounds
    ]
    expected = [0.0 if position < bounds.index(first_bucket) else 1.0 for position in range(len(bounds))]
    assert counts == expected
    assert values["privacy_gateway_exchange_seconds_sum", (("route", "r"),)] == seconds


def test_snapshot_survives_json():
    snapshot = busy().snapshot()
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot) == snapshot


def test_snapshot_does_not_change_with_later_counts():
    metrics = busy()
    before = metrics.snapshot()
    kept = msgspec.json.encode(before)
    metrics.route("sign-up").exchange(200, 0.004)
    metrics.refusal("unknown_route")
    assert msgspec.json.encode(before) == kept


def test_merge_of_nothing_is_empty():
    assert merge([]) == Snapshot()


def test_a_worker_that_is_gone_keeps_its_counts_and_has_nothing_in_flight():
    gone = ended(busy().snapshot())
    assert gone.in_flight == 0
    assert merge([gone]).refusals == {"unknown_route": 1}


def test_further_metrics_follow():
    values = samples(render(Snapshot(), [GaugeMetricFamily("privacy_gateway_workers", "Workers", value=4)]))
    assert values["privacy_gateway_workers", ()] == 4


CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("message"), st.sampled_from("ab"), st.sampled_from(["request", "response"]), st.booleans()),
        st.tuples(st.just("refusal"), st.sampled_from("xyz")),
        st.tuples(st.just("application"), st.sampled_from(["verified", "refused"])),
        st.tuples(st.just("exchange"), st.sampled_from("ab"), st.sampled_from([200, 404]), st.integers(0, 90)),
    )
)


def apply(metrics: Metrics, calls) -> Metrics:
    for name, *arguments in calls:
        match name, *arguments:
            case "message", route, direction, recorded:
                metrics.route(route).message(direction, recorded=recorded)
            case "exchange", route, status, seconds:
                metrics.route(route).exchange(status, seconds)
            case "refusal", code:
                metrics.refusal(code)
            case "application", outcome:
                metrics.applications[outcome] = metrics.applications.get(outcome, 0) + 1
    return metrics


@given(CALLS, CALLS)
def test_two_workers_merged_equal_one_that_did_all(first, second):
    merged = merge([apply(Metrics(), first).snapshot(), apply(Metrics(), second).snapshot()])
    assert samples(render(merged)) == samples(render(apply(Metrics(), first + second).snapshot()))
