"""Segments that other processes read: the same verdicts, findings and counts as one after the other."""

import pickle
from concurrent.futures import Future

import msgspec
import pytest
from written import Written

from gateway.audit import verify_pool
from gateway.audit.verify import verify_directory
from gateway.audit.verify_pins import Pins, Receipt


class Inline:
    """Runs at once what a pool of processes would run, and passes everything through pickle as that does."""

    def __init__(self, _workers, _context, begin, arguments):
        begin(*arguments)
        self.work = 0

    def submit(self, function, *arguments):
        future = Future()
        try:
            result = function(*pickle.loads(pickle.dumps(arguments)))
            future.set_result(pickle.loads(pickle.dumps(result)))
        except OSError as error:
            future.set_exception(error)
        Inline.calls += 1
        return future

    def shutdown(self, **_):
        pass


@pytest.fixture
def inline(monkeypatch):
    Inline.calls = 0
    monkeypatch.setattr(verify_pool, "WORTH_BYTES", 0)
    monkeypatch.setattr(verify_pool, "ProcessPoolExecutor", Inline)


@pytest.fixture
def log(tmp_path):
    log = Written(tmp_path / "audit" / "w0")
    log.open().checkpoint().group().rotate(1).group().seal()
    log.open().checkpoint().group(3).seal(leaves=False)
    log.open().checkpoint().group(1).seal()
    log.open().checkpoint().add("close", records=1).checkpoint().leave_open()
    return log


def both(directory, **options):
    one, many = (
        msgspec.to_builtins(verify_directory(directory, jobs=jobs, allow_unanchored=True, **options)) for jobs in (1, 2)
    )
    assert one == many
    return one


def test_real_processes_say_the_same(log, monkeypatch):
    monkeypatch.setattr(verify_pool, "WORTH_BYTES", 0)
    told = []
    one = both(log.slot, progress=lambda done, total: told.append((done, total)))
    assert one["words"] == "VERIFIED"
    assert told[-1][0] == told[-1][1] > 0


def test_all_segments_are_read_elsewhere(log, inline):
    assert both(log.slot)["words"] == "VERIFIED"
    assert Inline.calls == 4


def test_p5_one_bit_flipped_is_found_alike(log, inline):
    for path in sorted(path for path in log.slot.rglob("seg-*") if path.is_file()):
        data = path.read_bytes()
        for position in range(0, len(data), 5):
            path.write_bytes(data[:position] + bytes([data[position] ^ 1 << position % 8]) + data[position + 1 :])
            assert both(log.slot)["words"] == "TAMPERED", (path.name, position)
        path.write_bytes(data)
    assert both(log.slot)["words"] == "VERIFIED"


def test_memory_is_compared_alike(log, inline):
    receipts = [Receipt(log.origin, index, bytes(32)) for index in (0, 5, 12, 10**9)]
    assert both(log.slot, pins=Pins((), receipts))["words"] == "FORK"


def test_segments_of_several_histories_are_not_joined(log, inline, tmp_path):
    other = Written(tmp_path / "other" / "w0")
    other.open().checkpoint().group(3).group().rotate(1).seal()
    names = sorted(path.name for path in (log.slot / "sealed").glob("*.jsonl"))
    for suffix in (".jsonl", ".note", ".leaves"):
        first = (log.slot / "sealed" / names[0]).with_suffix(suffix)
        first.write_bytes((other.slot / "sealed" / names[0]).with_suffix(suffix).read_bytes())
    assert both(log.slot)["words"] in ("TAMPERED", "INCOMPLETE")
    (log.slot / "sealed" / names[0]).unlink()
    assert both(log.slot)["words"] != "VERIFIED"


def test_a_repeated_group_is_joined_alike(logs, inline, monkeypatch):
    from gateway.audit import segment as module

    writer = logs.start()
    writer.append([logs.record("a")])
    real = module.os.pwrite

    def torn(fd, data, offset):
        real(fd, bytes(data)[: len(data) // 2], offset)
        raise OSError(5, "injected")

    for request in ("b", "c"):
        monkeypatch.setattr(module.os, "pwrite", torn)
        with pytest.raises(OSError, match="injected"):
            writer.append([logs.record(request)])
        monkeypatch.setattr(module.os, "pwrite", real)
        writer.append([logs.record(request + " again")])
    writer.close()
    report = both(logs.slot)
    assert (report["words"], report["kinds"]["collect"]) == ("VERIFIED", 5)


def test_a_segment_that_cannot_be_read_elsewhere_is_read_here(log, inline, monkeypatch):
    def fails(_job, _state):
        raise OSError(5, "injected")

    monkeypatch.setattr(verify_pool, "_work", fails)
    monkeypatch.setattr(pickle, "dumps", lambda value: value)
    monkeypatch.setattr(pickle, "loads", lambda value: value)
    assert both(log.slot)["words"] == "VERIFIED"
