import asyncio
import contextlib
import io
import json
import socket
import threading

import pytest
import uvloop
from anchored import Log, heads_in
from witness import running

from gateway.audit.anchor_file import File
from gateway.audit.anchors import FileAnchor, S3Anchor, StdoutAnchor, WitnessAnchor
from gateway.audit.ledger import Ledger
from gateway.model.errors import StoreDown
from gateway.runtime import anchoring as anchoring_module
from gateway.runtime.anchoring import Anchoring
from gateway.runtime.settings import Settings
from gateway.runtime.telemetry import configure
from gateway.stores.keyfile import create_keys


class Scene:
    """A state directory with one worker's log, and what anchors it."""

    def __init__(self, folder) -> None:
        self.state = folder / "state"
        create_keys(self.state)
        self.worker = Log(self.state, "w0")
        self.worker.write(2)
        self.output = io.StringIO()
        self.path = folder / "heads.jsonl"
        self.file = FileAnchor(str(self.path))

    def anchoring(self, *anchors, **more) -> Anchoring:
        settings = Settings(listeners=(), state=str(self.state), rules="rules", anchors=anchors, **more)
        return Anchoring(settings, configure("info", stream=self.output))

    @contextlib.asynccontextmanager
    async def running(self, *anchors, **more):
        one = self.anchoring(*anchors, **more)
        await one.start()
        one.run()
        try:
            yield one
        finally:
            assert await one.stop()

    def kept(self) -> list[dict]:
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def events(self) -> list[dict]:
        return [json.loads(line) for line in self.output.getvalue().splitlines()]

    def records(self) -> list[list[dict]]:
        return heads_in(self.state / "audit" / "anchor")


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


async def until(condition) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for is a file or a number
            await asyncio.sleep(0.01)


async def test_heads_are_written_at_the_start_and_at_the_end(scene):
    async with scene.running(scene.file):
        await until(lambda: len(scene.kept()) == 1)
        before = scene.kept()[0]["heads"]
        scene.worker.write(1)
    after = scene.kept()[-1]["heads"]
    assert len(scene.records()) == 2
    assert [heads[0]["origin"] for heads in (before, after)] == ["example.org/log/w0"] * 2
    assert after[0]["size"] == before[0]["size"] + 2


def test_it_works_on_uvloop_as_on_asyncio(scene):
    async def once() -> None:
        async with scene.running(scene.file):
            await until(lambda: len(scene.kept()) % 2 == 1)

    uvloop.run(once())
    asyncio.run(once())
    assert len(scene.records()) == 4


async def test_an_anchor_that_hangs_stops_neither_the_others_nor_the_heads(scene, monkeypatch, tmp_path):
    monkeypatch.setattr(anchoring_module, "RECALL_SECONDS", 0.1)
    monkeypatch.setattr(anchoring_module, "LAST_SECONDS", 0.1)
    with running(tmp_path) as witness:
        vkey = witness.vkey
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hung = WitnessAnchor(f"http://127.0.0.1:{silent.getsockname()[1]}", vkey)
        async with scene.running(hung, scene.file, heads_seconds=1) as one:
            await until(lambda: len(scene.kept()) >= 2)
            slow, kept = one.status().anchors
            assert (slow.kept, slow.current, slow.failures) == (0.0, False, 1)
            assert (kept.current, kept.failures, kept.why) == (True, 0, "")
    failed = [event for event in scene.events() if event["event"] == "anchor failed"]
    assert {event["anchor"] for event in failed} == {"witness:witness.example/w1"}
    assert [event["cause"] for event in failed] == ["no answer within 0 seconds", "no answer at the end"]


async def test_an_anchor_that_is_busy_for_too_long_has_failed(scene, monkeypatch):
    monkeypatch.setattr(anchoring_module, "BUSY_SECONDS", 0.1)
    release = threading.Event()
    write = File._write

    def slow(self, line):
        release.wait(30)
        write(self, line)

    monkeypatch.setattr(File, "_write", slow)
    async with scene.running(scene.file, heads_seconds=1) as one:
        await until(lambda: one.status().anchors[0].failures >= 1)
        assert "busy with one head" in one.status().anchors[0].why
        release.set()
        await until(lambda: one.status().anchors[0].current)


async def test_starting_over_keeps_the_old_logs_and_signs_no_second_history(scene, tmp_path):
    async with scene.running(scene.file):
        await until(scene.kept)
    old = scene.kept()[-1]["note"].partition("\n")[0]
    (tmp_path / "evidence").mkdir()
    (scene.state / "audit").rename(tmp_path / "evidence" / "audit")
    with pytest.raises(StoreDown, match="is missing"):
        await scene.anchoring(scene.file).start()
    for key in (scene.state / "keys").glob("*.log.key"):
        key.rename(tmp_path / "evidence" / key.name)
    with pytest.raises(StoreDown, match="did not sign"):
        await scene.anchoring(scene.file, deployment="shop-2").start()
    assert not list((scene.state / "keys").glob("*.log.key"))
    fresh = FileAnchor(str(tmp_path / "heads-2.jsonl"))
    async with scene.running(fresh, deployment="shop-2"):
        await until((tmp_path / "heads-2.jsonl").exists)
    new = json.loads((tmp_path / "heads-2.jsonl").read_text().splitlines()[-1])["note"].partition("\n")[0]
    assert (old.partition("/")[0], new.partition("/")[0]) == ("privacy-gateway", "shop-2")


async def test_heads_that_cannot_be_written_are_told_and_grow_old(scene, monkeypatch):
    async with scene.running(scene.file, heads_seconds=1) as one:
        await until(lambda: len(scene.kept()) == 1)
        commit = Ledger.commit

        def down(self, before, after):
            del self, before, after
            raise StoreDown("audit_unavailable", "the record could not be made durable")

        monkeypatch.setattr(Ledger, "commit", down)
        await until(lambda: "heads not written" in {event["event"] for event in scene.events()})
        assert one.status().heads_age > 0.5
        monkeypatch.setattr(Ledger, "commit", commit)
        await until(lambda: len(scene.kept()) == 2)
        assert one.status().heads_age < 30


async def test_what_an_anchor_missed_is_covered_by_the_next(scene):
    scene.path.mkdir()
    async with scene.running(scene.file, heads_seconds=1) as one:
        await until(lambda: one.status().anchors[0].failures >= 2)
        scene.path.rmdir()
        await until(lambda: one.status().anchors[0].current)
        assert scene.kept()[-1]["heads"] == scene.records()[0]


async def test_an_anchor_that_cannot_be_what_it_says_refuses_the_start(scene):
    scene.path.write_text("something else\n")
    with pytest.raises(StoreDown, match="name a file of its own"):
        await scene.anchoring(scene.file).start()
    assert not (scene.state / "audit" / "anchor").exists()


async def test_an_anchor_out_of_reach_does_not(scene, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    bucket = S3Anchor("any-bucket", "heads/", 1, "http://127.0.0.1:9", "us-east-1")
    async with scene.running(bucket, scene.file):
        await until(lambda: len(scene.kept()) == 1)
    [why] = {event["cause"] for event in scene.events() if event["event"] == "anchor failed"}
    assert why == "S3 answers EndpointConnectionError"


async def test_a_slot_that_another_process_holds_refuses_the_start(scene):
    async with scene.running(scene.file):
        with pytest.raises(StoreDown, match="cannot be claimed"):
            await scene.anchoring().start()


async def test_an_anchor_log_that_was_changed_refuses_the_start(scene):
    async with scene.running(scene.file):
        await until(scene.kept)
    [body] = (scene.state / "audit" / "anchor" / "sealed").glob("*.jsonl")
    body.write_bytes(body.read_bytes().replace(b'"heads":[{', b'"heads":[[{', 1))
    with pytest.raises(StoreDown, match="audit verify"):
        await scene.anchoring(scene.file).start()


@pytest.mark.parametrize(
    ("anchors", "upstream", "told"),
    [((), None, True), ((StdoutAnchor(),), None, False), ((), "http://127.0.0.1:9", False)],
)
async def test_advice_is_given_once_where_rules_are_enforced_without_an_anchor(scene, anchors, upstream, told):
    one = scene.anchoring(*anchors, upstream=upstream)
    await one.start()
    assert await one.stop()
    advice = [event for event in scene.events() if event["event"] == "no anchor outside this machine"]
    assert [event["level"] for event in advice] == ["warning"] * told
