"""The bench's own judgement: what counts as a wrong answer, when all is as before, how a curve is drawn."""

import asyncio
import json
import shutil
import subprocess
import threading
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
OTHER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"
REFUSED = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n"
    b'Content-Length: 21\r\n\r\n{"code":"overloaded"}'
)


@pytest.fixture(autouse=True)
def bench_on_path(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))


@pytest.fixture
def answering():
    """Start a server that gives the same answer to every request, or ends the connection where that is empty."""
    ready, port = threading.Event(), []

    def start(answer):
        async def reply(reader, writer):
            while await reader.readuntil(b"\r\n\r\n"):
                if not answer:
                    break
                writer.write(answer)
                if b"connection: close" in answer.lower():
                    break
            writer.close()

        async def serve():
            server = await asyncio.start_server(reply, "127.0.0.1", 0)
            port.append(server.sockets[0].getsockname()[1])
            ready.set()
            await asyncio.sleep(3600)

        threading.Thread(target=asyncio.run, args=(serve(),), daemon=True).start()
        assert ready.wait(5)
        return port[0]

    return start


@pytest.mark.parametrize(
    ("answer", "good", "refused", "wrong"),
    [
        (GOOD, True, set(), set()),
        (GOOD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), True, set(), set()),
        (OTHER, False, set(), {"200 with another body"}),
        (REFUSED, False, {"overloaded"}, set()),
        (REFUSED.replace(b"retry-after: 1\r\n", b""), False, set(), {"503 overloaded"}),
        (REFUSED.replace(b"503", b"502"), False, set(), {"502 overloaded"}),
        (b"", False, set(), {"cut off"}),
    ],
    ids=["good", "closing", "other body", "refused", "no retry-after", "other status", "cut off"],
)
def test_every_answer_is_judged(answering, answer, good, refused, wrong):
    from flood import Flood

    port = answering(answer)
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    tally = Flood(port, request, b"ok", rate=200, connections=4, sources=2).run(0.3)

    assert tally.arrivals >= 40
    assert tally.sent == tally.good + sum(tally.refused.values()) + sum(tally.wrong.values())
    assert tally.sent + tally.no_connection == tally.arrivals
    assert (bool(tally.good), set(tally.refused), set(tally.wrong)) == (good, refused, wrong)


@pytest.mark.parametrize(
    ("windows", "seconds"),
    [
        ([1.0] * 8, 0.5),
        ([9.0, None, 1.0, 1.0, 1.0, 1.0], 1.0),
        ([1.0, 1.0, 1.0, None, 2.4, 2.4, 2.4, 2.4, 9.0], 1.5),
        ([9.0] * 8, float("inf")),
    ],
)
def test_all_is_as_before_after_a_whole_good_second(windows, seconds):
    from flood import Tally
    from overload_report import Probes, recovery

    assert recovery(Tally(settled=0.5), Probes(1.0, []), Probes(1.0, windows)) == seconds


def test_a_curve_becomes_well_formed_svg_with_every_name_and_unit():
    import plot

    panels = [
        plot.Panel("µs", (0, 10, 1000), {"a & b": [1.0, 2.0, 3.0], "c": [30.0, 20.0, 10.0]}, log_y=True),
        plot.Panel("ratio", list(range(1, 41)), {"c": [0.5] * 40}, level=1.0),
    ]
    text = plot.svg("Cost < before", "people", panels, log_x=True, order=["a & b", "c"])
    words = [element.text for element in ET.fromstring(text).iter() if element.tag.endswith("text")]

    assert {"Cost < before", "people", "µs", "ratio", "a & b", "c", "1k"} <= set(words)
    assert "nan" not in text
    assert "prefers-color-scheme: dark" in text


def test_people_agree_and_are_found_by_the_gateways_own_store(tmp_path):
    import population

    from gateway.runtime.erasure import open_subjects
    from gateway.stores.consent import SqliteConsentStore
    from gateway.stores.keyfile import load_keyring

    for size, state in population.growing(tmp_path, (0, 3)):
        subjects = open_subjects(state, load_keyring(state))
        found = [subjects.find(population.name_of(person)) for person in range(4)]
        subjects.close()
        assert [each is not None for each in found] == [person < size for person in range(4)]
    consent = SqliteConsentStore(state / "consent.sqlite")
    assert consent.history(found[2].handle)[0].purpose == "offers"
    consent.close()


@pytest.mark.parametrize("options", [{"strip": ("detail_000", "email")}, {"by_consent": True}, {"whole": ("/a", "/b")}])
def test_the_rules_of_the_curves_have_no_finding(tmp_path, options):
    import gateway_rules

    from gateway.runtime.reload import load_directory

    gateway_rules.write_rules(tmp_path / "rules", upstream_port=8000, routes=2, **options)
    policy, warnings = load_directory(tmp_path / "rules")

    assert warnings == []
    assert len(policy.routes) == 3 + len(options.get("whole", ("/blob.bin",)))


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
@pytest.mark.parametrize("many", [False, True])
def test_nginx_accepts_what_the_curves_ask_of_it(tmp_path, many):
    import nginx_conf

    if many and nginx_conf.lua_missing():
        pytest.skip(f"not installed: {nginx_conf.lua_missing()}")
    if many:
        command = nginx_conf.lua_proxy(
            tmp_path / "nginx", port=8, upstream_port=1, strip=("a", "b"), paths=("/x", "/y"), workers=2
        )
    else:
        command = nginx_conf.plain_proxy(tmp_path / "nginx", port=8, upstream_port=1, large_buffers=True)
    done = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_documents_of_the_curves_hold_the_fields_that_are_dropped():
    import bodies

    wide = bodies.wide_document()
    assert len(json.dumps(bodies.small_document())) < 256
    assert set(bodies.FIELDS) < set(wide)
    assert abs(len(json.dumps(wide)) - 10_000) < 1_500
    assert set(bodies.stripped(wide, bodies.FIELDS[:10])) == set(wide) - set(bodies.FIELDS[:10])
