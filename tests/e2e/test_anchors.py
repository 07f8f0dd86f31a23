"""Rows of the fault table that anchors answer for, on real gateways, and the anchors of a running one."""

import json
import shutil
import signal
import time

import boto3
import pytest
from anchored import AnchoredGateway, Log, heads_in, lines_in, until
from moto.server import ThreadedMotoServer
from processes import cli
from stamping import authority
from witness import running

from gateway.audit.heads import newest_head
from gateway.stores.keyfile import create_keys, load_signing_key


def keys_of(state) -> str:
    """A state directory whose anchor log has its key already, so that a witness can know it."""
    create_keys(state)
    return load_signing_key(state, "anchor", name="example.org/log/anchor").vkey


def kept(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def file_anchor(tmp_path):
    path = tmp_path / "heads.jsonl"
    return path, f"file: {path}"


def test_the_heads_of_all_workers_are_in_the_anchor_log_and_in_every_anchor(tmp_path, file_anchor):
    path, anchor = file_anchor
    one = AnchoredGateway(tmp_path, "stdout: true", anchor, workers=2)
    with one:
        one.until_heads(3)
        until(lambda: len(kept(path)) >= 3)
        ready = one.ready()
        assert ready["ready"]
        assert ready["anchors"] == {
            name: {"contradicts": False, "current": True, "why": ""} for name in ("stdout", f"file:{path}")
        }
        assert 0 <= one.metric("heads_age_seconds")[""] < 10
        assert time.time() - one.metric("anchor_kept_timestamp_seconds")['anchor="stdout"'] < 10
        assert set(one.metric("anchor_failures_total").values()) == {0.0}
        one.process.send_signal(signal.SIGTERM)
        printed = one.process.stdout.read().splitlines()
        assert one.process.wait(30) == 0
    lines = kept(path)
    origins = [head["origin"].rpartition("/")[2] for head in lines[-1]["heads"]]
    assert origins == ["w0", "w1"]
    assert heads_in(one.audit / "anchor")[-1] == lines[-1]["heads"]
    # A clean end: the last heads are those of the closed logs.
    for slot in ("w0", "w1"):
        head = newest_head(one.audit / slot).head
        assert {"origin": head.origin, "root": head.root, "size": head.size} in lines[-1]["heads"]
        assert lines_in(one.audit / slot)[-2]["kind"] == "close"
    assert [json.loads(line) for line in printed][-1] == lines[-1]
    assert lines_in(one.audit / "anchor")[-2]["kind"] == "close"
    one.run()


def test_every_kind_of_anchor_keeps_the_same_head(tmp_path, file_anchor, monkeypatch):
    path, file = file_anchor
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    endpoint = "http://{}:{}".format(*moto.get_host_and_port())
    client = boto3.Session().client("s3", endpoint_url=endpoint, region_name="us-east-1")
    client.create_bucket(Bucket="our-heads", ObjectLockEnabledForBucket=True)
    s3 = f"s3: {{bucket: our-heads, prefix: shop/, endpoint: '{endpoint}', region: us-east-1, retain_days: 1}}"
    try:
        with running(tmp_path) as witness, authority(tmp_path / "tsa") as tsa:
            witness.trust(keys_of(tmp_path / "state"))
            cosigned = f"witness: {{url: '{witness.url}', vkey: '{witness.vkey}'}}"
            stamped = f"rfc3161: {{url: '{tsa.url}', ca: '{tsa.ca}', every_seconds: 1}}"
            one = AnchoredGateway(tmp_path, file, s3, cosigned, stamped)
            one.run()
            one.run()
            [last, *_] = reversed(kept(path))
            size = int(last["note"].split("\n")[1])
            newest = max(each["Key"] for each in client.list_objects_v2(Bucket="our-heads")["Contents"])
            assert newest == f"shop/example.org/log/anchor/{size:016d}.json"
            assert json.loads(client.get_object(Bucket="our-heads", Key=newest)["Body"].read()) == last
            assert witness.seen("example.org/log/anchor")[0] == size
            stamps = sorted((one.audit / "anchor" / "stamps").glob("*.note"))
            assert all(tsa.verifies(note, note.with_suffix(".tsr")) for note in stamps)
            assert stamps
            assert cli("audit", "verify", one.audit, "--allow-unanchored", check=False).returncode == 0
            path.unlink()
            (tmp_path / "old").mkdir()
            shutil.move(one.audit / "anchor", tmp_path / "old")
            assert "s3:our-heads/shop/ kept its head with" in one.refused() or "the witness saw" in one.refused()
    finally:
        moto.stop()


def test_heads_are_written_while_nothing_happens(tmp_path):
    one = AnchoredGateway(tmp_path)
    with one:
        one.until_heads(2)
        before = heads_in(one.audit / "anchor")[-1]
        one.until_heads(2)
        assert heads_in(one.audit / "anchor")[-1] == before


def test_a_killed_gateway_goes_on_with_its_heads(tmp_path, file_anchor):
    path, anchor = file_anchor
    one = AnchoredGateway(tmp_path, anchor)
    for _ in range(2):
        with one:
            one.until_heads(1)
            one.kill()
    one.run()
    sizes = [int(line["note"].split("\n")[1]) for line in kept(path)]
    assert sizes == sorted(set(sizes))
    assert cli("audit", "verify", one.audit, "--allow-unanchored", check=False).returncode == 0


def test_row_13_a_log_cut_back_to_an_older_copy_is_refused(tmp_path):
    """Tail cut exactly at an older checkpoint: the anchor log in the same directory remembers more."""
    one = AnchoredGateway(tmp_path)
    one.run()
    older = one.copy("older")
    one.run()
    one.restore(older, "w0")
    said = one.refused()
    assert "/w0 has " in said
    assert "the anchor log kept its head with" in said
    assert "audit verify" in said


def test_row_15_a_directory_restored_and_written_on_is_refused(tmp_path, file_anchor):
    path, anchor = file_anchor
    one = AnchoredGateway(tmp_path, anchor)
    one.run()
    older = one.copy("older")
    one.run()
    one.restore(older)
    said = one.refused()
    assert f"file:{path} kept its head with" in said
    assert "restored from an older copy" in said
    for slot in ("w0", "anchor"):
        log = Log(one.state, slot)
        log.write(40)
        log.close()
    said = one.refused()
    assert "/w0 has another history than" in said
    assert "/anchor has another history than" in said


def test_row_16_an_anchor_log_rolled_back_with_the_logs_is_found_only_from_outside(tmp_path, file_anchor):
    path, anchor = file_anchor
    one = AnchoredGateway(tmp_path, anchor)
    one.run()
    older = one.copy("older")
    one.run()
    one.restore(older)
    assert "has" in one.refused()
    # The documented limit: with what was kept outside gone as well, nothing here can tell.
    path.unlink()
    one.run()


def test_row_16_a_witness_finds_an_anchor_log_that_was_rolled_back(tmp_path):
    with running(tmp_path) as witness:
        witness.trust(keys_of(tmp_path / "state"))
        one = AnchoredGateway(tmp_path, f"witness: {{url: '{witness.url}', vkey: '{witness.vkey}'}}")
        one.run()
        note = (one.audit / "anchor" / "witness" / "witness.example-w1.note").read_text()
        assert witness.accepts(note)
        older = one.copy("older")
        one.run()
        one.restore(older)
        said = one.refused()
        assert "the witness saw " in said
        assert "leaves of the anchor log, which has" in said
        # Out of reach at the start, the witness says so at the first heartbeat that reaches it.
        witness.answer = 503, b""
        with one:
            assert one.ready()["ready"]
            witness.answer = None
            until(lambda: one.metric("anchor_contradicts")['anchor="witness:witness.example/w1"'] == 1.0)
            assert one.ready()["ready"]
            assert one.ready()["anchors"]["witness:witness.example/w1"]["contradicts"]
        loud = [event for event in one.events() if event["event"] == "anchor contradicts this ledger"]
        assert loud
        assert {event["level"] for event in loud} == {"error"}
        assert "the witness saw " in loud[-1]["cause"]


def test_row_17_a_log_that_is_gone_is_refused(tmp_path):
    one = AnchoredGateway(tmp_path, workers=2)
    one.run()
    whole = one.copy("whole")
    shutil.rmtree(one.audit / "w1")
    assert "/w1 is missing, and the anchor log kept its head with" in one.refused()
    assert not (one.audit / "w1").exists()
    shutil.copytree(whole / "w1", one.audit / "w1")
    one.run()


def test_row_18_a_clone_with_the_same_keys_is_told_by_the_witness(tmp_path):
    with running(tmp_path) as witness:
        first, second = tmp_path / "one", tmp_path / "two"
        witness.trust(keys_of(first / "state"))
        anchor = f"witness: {{url: '{witness.url}', vkey: '{witness.vkey}'}}"
        one = AnchoredGateway(first, anchor)
        one.run()
        shutil.copytree(first / "state", second / "state")
        two = AnchoredGateway(second, anchor)
        witness.answer = 503, b""
        with one, two:
            witness.answer = None
            until(lambda: sum(contradicted(one)) + sum(contradicted(two)) == 1)
            winner, clone = (two, one) if sum(contradicted(one)) else (one, two)
            until(lambda: winner.ready()["anchors"]["witness:witness.example/w1"]["current"])
            assert clone.ready()["ready"]
        assert "anchor contradicts this ledger" in {event["event"] for event in clone.events()}


def contradicted(gateway: AnchoredGateway) -> list[float]:
    return list(gateway.metric("anchor_contradicts").values())


def test_without_an_anchor_the_start_gives_one_line_of_advice(tmp_path):
    one = AnchoredGateway(tmp_path)
    one.file.write_text(one.file.read_text().partition("anchors:")[0])
    one.run()
    assert [event["event"] for event in one.events()].count("no anchor outside this machine") == 1
