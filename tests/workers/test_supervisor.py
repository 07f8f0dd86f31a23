import asyncio
import io
import os
import signal
import sys
from pathlib import Path

import msgspec
import pytest
from rulebook import SIGN_UP_RULES

from gateway.audit.heads import ANCHOR_SLOT
from gateway.runtime import contracts
from gateway.runtime.reload import load_directory
from gateway.runtime.settings import Settings
from gateway.runtime.settings_file import load_settings
from gateway.runtime.telemetry import configure
from gateway.stores.keyfile import create_keys
from gateway.workers import anchor_duty
from gateway.workers import seat as seat_module
from gateway.workers import supervisor as supervisor_module
from gateway.workers.member import Crew
from gateway.workers.reservation import StartupError
from gateway.workers.supervisor import Supervisor

STUB = Crew("supervisor", "w", (sys.executable, str(Path(__file__).with_name("stub_worker.py"))))
OUTGOING_STUB = msgspec.structs.replace(STUB, name="egress", slots="e")


@pytest.fixture(autouse=True)
def brisk(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setattr(supervisor_module, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(seat_module, "FIRST_BACKOFF", 0.01)
    monkeypatch.setattr(seat_module, "CLOSING_PATIENCE", 30.0)
    monkeypatch.setattr(seat_module, "REPORT_PATIENCE", 10.0)


class Deployment:
    """A supervisor with stub workers, its files, and its log."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.rules, self.state, self.file = folder / "rules", folder / "state", folder / "gateway.yaml"
        self.rules.mkdir()
        create_keys(self.state)
        (self.rules / "shop.yaml").write_text(SIGN_UP_RULES)
        self.write(workers=workers)
        self.output = io.StringIO()
        self.supervisor: Supervisor | None = None
        self.running: asyncio.Task[bool] | None = None

    def write(self, *, workers: int = 2, more: str = "") -> None:
        self.file.write_text(
            "version: 1\nlisteners: [{address: 127.0.0.1:0}]\nrules: rules\nstate: state\nadmin: 127.0.0.1:0\n"
            f"workers: {workers}\nlimits: {{drain_timeout: 0.2}}\n{more}"
        )

    async def start(self) -> Supervisor:
        settings, _ = load_settings(self.file)
        policy, _ = load_directory(self.rules)
        log = configure("info", stream=self.output)
        self.supervisor = Supervisor(settings, policy, log, settings_file=self.file, crew=STUB)
        await self.supervisor.start()
        self.running = asyncio.create_task(self.supervisor.run())
        await asyncio.sleep(0)
        return self.supervisor

    async def stop(self) -> bool:
        self.supervisor.stop()
        return await self.running

    def seen(self) -> list[list[str]]:
        """Slot, process id, policy and log level of every worker that was ever started."""
        return [line.split() for line in (self.state / "seen").read_text().splitlines()]

    def events(self) -> list[dict]:
        return [msgspec.json.decode(line) for line in self.output.getvalue().splitlines()]

    def diagnostics(self) -> list[str]:
        return [line["code"] for line in self.events() if line["event"] == "diagnostic" and line["level"] == "error"]


@pytest.fixture
async def deployment(tmp_path, monkeypatch):
    made: list[Deployment] = []

    async def make(workers: int = 2) -> Deployment:
        made.append(Deployment(tmp_path, workers))
        await made[-1].start()
        return made[-1]

    yield make
    for one in made:
        if one.running is not None and not one.running.done():
            await one.stop()


async def until(condition) -> None:
    async with asyncio.timeout(20):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.02)


def alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    return True


async def test_all_workers_are_ready_when_start_returns_and_gone_after_the_stop(deployment):
    one = await deployment(3)
    supervisor = one.supervisor
    condition = await supervisor.condition()
    assert condition.ready
    assert sorted(condition.workers) == ["w0", "w1", "w2"]
    assert {row[2] for row in one.seen()} == {supervisor.policy}
    assert supervisor.listeners[0].port > 0
    assert await one.stop()
    assert not any(alive(row[1]) for row in one.seen())
    assert (one.state / "policies" / f"{supervisor.policy}.json").exists()
    assert not (await supervisor.condition()).ready


async def test_a_contract_that_ends_is_warned_of_while_the_gateway_runs(deployment, monkeypatch):
    one = await deployment(1)
    recipient = "  mailer: {role: partner, hosts: [m.example], contract: {ref: A, expires: 2099-03-31}}\n"
    (one.rules / "shop.yaml").write_text(SIGN_UP_RULES.replace("routes:", recipient + "routes:"))
    assert await one.supervisor.reload()
    monkeypatch.setattr(contracts, "today", lambda: "2099-03-30")

    await until(lambda: any(line["event"] == "contract ends" for line in one.events()))

    assert [line["days"] for line in one.events() if line["event"] == "contract ends"] == [1]
    assert (await one.supervisor.condition()).contracts == {"mailer": 1}


async def test_counts_are_summed_and_stay_after_a_worker_is_gone(deployment):
    one = await deployment(2)
    assert (await one.supervisor.condition()).metrics.refusals == {"unknown_route": 2}
    await one.stop()
    assert (await one.supervisor.condition()).metrics.refusals == {"unknown_route": 2, "draining": 2}


async def test_one_state_directory_has_one_supervisor(deployment):
    one = await deployment(1)
    second = Supervisor(one.supervisor.settings, load_directory(one.rules)[0], configure(stream=io.StringIO()))
    with pytest.raises(StartupError, match="another gateway"):
        await second.start()


async def test_of_two_kinds_of_gateway_on_one_state_one_keeps_the_heads_until_it_ends(deployment, monkeypatch):
    monkeypatch.setattr(anchor_duty, "LOOK_SECONDS", 0.02)
    one = await deployment(1)
    output = io.StringIO()
    settings = msgspec.structs.replace(one.supervisor.settings, heads_seconds=1)
    second = Supervisor(settings, load_directory(one.rules)[0], configure("info", stream=output), crew=OUTGOING_STUB)
    await second.start()
    running = asyncio.create_task(second.run())
    assert [row[0] for row in one.seen()] == ["w0", "e0"]
    assert "another gateway of this state directory keeps the heads" in output.getvalue()
    assert (await second.condition()).anchoring == anchor_duty.NOT_ON_DUTY
    assert await one.stop()
    await until(lambda: "keeps the heads from now on" in output.getvalue())
    second.stop()
    assert await running
    kept = [file.read_text() for file in (one.state / "audit" / ANCHOR_SLOT).rglob("seg-*.jsonl")]
    assert sum(text.count('"kind":"open"') for text in kept) == 2


@pytest.mark.parametrize(("fault", "why"), [("refuse", "this slot is refused"), ("die", "ended before it was ready")])
async def test_a_worker_that_cannot_start_stops_the_start_and_leaves_no_process(tmp_path, fault, why):
    one = Deployment(tmp_path, 2)
    (one.state / f"{fault}-w1").touch()
    with pytest.raises(StartupError, match=why):
        await one.start()
    await until(lambda: not any(alive(row[1]) for row in one.seen()))


async def test_a_worker_that_dies_comes_back_in_its_slot(deployment):
    one = await deployment(2)
    (victim,) = [row[1] for row in one.seen() if row[0] == "w1"]
    os.kill(int(victim), signal.SIGKILL)
    await until(lambda: len(one.seen()) == 3)
    assert one.seen()[-1][0] == "w1"

    async def recovered():
        return (await one.supervisor.condition()).ready

    await until(recovered)
    assert (await one.supervisor.condition()).restarts == 1
    assert any(line["event"] == "worker ended" and line["exit_status"] == -9 for line in one.events())


async def test_a_worker_that_somebody_else_stops_leaves_its_last_counts(deployment):
    one = await deployment(1)
    (one.state / "leave-w0").touch()
    await one.supervisor.condition()
    await until(lambda: len(one.seen()) == 2)

    async def counted():
        return (await one.supervisor.condition()).metrics.refusals == {"unknown_route": 2, "draining": 1}

    await until(counted)


async def test_a_worker_that_cannot_come_back_is_tried_again(deployment):
    one = await deployment(1)
    (one.state / "refuse-w0").touch()
    os.kill(int(one.seen()[0][1]), signal.SIGKILL)
    await until(lambda: len(one.seen()) >= 3)
    assert not (await one.supervisor.condition()).ready
    (one.state / "refuse-w0").unlink()

    async def recovered():
        return (await one.supervisor.condition()).ready

    await until(recovered)


@pytest.mark.parametrize("fault", ["deaf", "ill"])
async def test_a_worker_without_answer_or_ledger_is_not_ready(deployment, fault, monkeypatch):
    one = await deployment(2)
    if fault == "deaf":
        monkeypatch.setattr(seat_module, "REPORT_PATIENCE", 0.5)
    (one.state / f"{fault}-w0").touch()
    condition = await one.supervisor.condition()
    assert not condition.ready
    assert (condition.workers["w0"] is None) is (fault == "deaf")


async def test_a_change_of_the_rules_reaches_every_worker_without_a_restart(deployment):
    one = await deployment(2)
    before = one.supervisor.policy
    (one.rules / "shop.yaml").write_text(SIGN_UP_RULES + "# changed\n")

    async def adopted():
        condition = await one.supervisor.condition()
        return condition.policy != before and condition.ready

    await until(adopted)
    assert len(one.seen()) == 2
    assert (one.state / "policies" / f"{one.supervisor.policy}.json").exists()
    assert (await one.supervisor.condition()).reloads == {"accepted": 1, "refused": 0}


async def test_bad_rules_are_refused_with_their_diagnostics_and_the_last_good_ones_stay(deployment):
    one = await deployment(1)
    before = one.supervisor.policy
    (one.rules / "shop.yaml").write_text(SIGN_UP_RULES.replace("for: service", "for: servise"))
    await until(one.diagnostics)
    assert one.diagnostics() == ["PG201"]
    condition = await one.supervisor.condition()
    assert (condition.policy, condition.ready) == (before, True)
    assert condition.reloads == {"accepted": 0, "refused": 1}
    (one.rules / "shop.yaml").write_text(SIGN_UP_RULES + "# mended\n")
    await until(lambda: one.supervisor.policy != before)


async def test_a_worker_that_does_not_adopt_is_not_ready_and_asked_again(deployment):
    one = await deployment(2)
    (one.state / "refuse-w1").touch()
    before = one.supervisor.policy
    (one.rules / "shop.yaml").write_text(SIGN_UP_RULES + "# changed\n")
    await until(lambda: one.supervisor.policy != before)
    condition = await one.supervisor.condition()
    assert not condition.ready
    assert condition.workers["w1"].policy == before
    (one.state / "refuse-w1").unlink()

    async def recovered():
        return (await one.supervisor.condition()).ready

    await until(recovered)


async def test_hang_up_reloads_rules_and_certificates(deployment, monkeypatch):
    one = await deployment(2)
    monkeypatch.setattr(Settings, "certificate_paths", lambda _self: [one.file])
    monkeypatch.setattr(supervisor_module, "WATCH_SECONDS", 3600)
    os.kill(os.getpid(), signal.SIGHUP)
    await until((one.state / "certificates").exists)
    await until(lambda: sorted((one.state / "certificates").read_text().split()) == ["w0", "w1"])


async def test_new_settings_bring_new_workers_before_the_old_ones_go(deployment):
    one = await deployment(2)
    port = one.supervisor.listeners[0].port
    one.write(workers=3, more="log_level: debug\n")
    await until(lambda: one.supervisor.settings.workers == 3)
    condition = await one.supervisor.condition()
    assert sorted(condition.workers) == ["w2", "w3", "w4"]
    assert [row[3] for row in one.seen()] == ["info"] * 2 + ["debug"] * 3
    assert one.supervisor.listeners[0].port == port
    await until(lambda: not any(alive(row[1]) for row in one.seen()[:2]))
    await until(lambda: not one.supervisor._leaving)
    assert (await one.supervisor.condition()).metrics.refusals == {"unknown_route": 5, "draining": 2}


async def test_settings_with_which_a_worker_cannot_start_change_nothing(deployment):
    one = await deployment(1)
    (one.state / "refuse-w1").touch()
    one.write(workers=1, more="log_level: debug\n")
    await until(lambda: one.supervisor._reloads["refused"])
    condition = await one.supervisor.condition()
    assert sorted(condition.workers) == ["w0"]
    assert condition.ready
    assert one.supervisor.settings.log_level == "info"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("deployment: other\n", "PG917"),
        ("log_level: loud\n", "PG913"),
        ("upstream_tls: {shop: {}}\n", "PG920"),
    ],
)
async def test_bad_settings_are_refused(deployment, text, code):
    one = await deployment(1)
    one.write(workers=1, more=text)
    await until(one.diagnostics)
    assert one.diagnostics() == [code]
    assert (await one.supervisor.condition()).ready
    assert len(one.seen()) == 1


async def test_a_signal_drains(deployment):
    one = await deployment(2)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await one.running
    assert not any(alive(row[1]) for row in one.seen())


async def test_a_second_signal_cuts_off(deployment, monkeypatch):
    one = await deployment(1)
    monkeypatch.setattr(seat_module, "CLOSING_PATIENCE", 3600)
    (one.state / "stuck").touch()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0.1)
    assert not one.running.done()
    os.kill(os.getpid(), signal.SIGTERM)
    await one.running
    assert not alive(one.seen()[0][1])


async def test_a_worker_that_does_not_drain_in_time_is_killed_and_told(deployment, monkeypatch):
    one = await deployment(1)
    monkeypatch.setattr(seat_module, "CLOSING_PATIENCE", 0.2)
    (one.state / "stuck").touch()
    assert not await one.stop()
    assert not alive(one.seen()[0][1])
    assert any(line["event"] == "worker had to be stopped" for line in one.events())
