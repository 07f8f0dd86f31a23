"""Rows 4 to 8 of the faults to survive: disks that are full, that fail, that hang, and files that others touch."""

import asyncio
import errno
import os
import shutil
import threading
from types import SimpleNamespace

import pytest
from faults import check_log, run
from ledgers import open_ledger, open_writer, refused, until_healthy

from gateway.audit import ledger as module
from gateway.audit import segment as segment_module
from gateway.audit import space as space_module
from gateway.audit.kernel_sync import KernelSync
from gateway.audit.terms import Terms
from gateway.model.errors import StoreDown

BALLAST = 256 * 1024


@pytest.fixture
def by_thread(monkeypatch):
    """As on a system whose kernel offers no asynchronous sync: the device is waited for in a thread."""
    monkeypatch.setattr(KernelSync, "open", lambda: None)


@pytest.fixture
def disk(monkeypatch):
    """A disk whose free bytes the test sets; a write meets the end when nothing is free and no ballast is left."""
    state = SimpleNamespace(free=10**9, size=10**9)
    answer = SimpleNamespace(f_frsize=1)
    monkeypatch.setattr(
        space_module.os,
        "statvfs",
        lambda path: SimpleNamespace(f_bavail=state.free, f_blocks=state.size, **vars(answer)),
    )
    return state


def disk_records(logs):
    return [(line["state"], line["free"]) for line in logs.lines() if line["kind"] == "disk"]


@pytest.mark.parametrize("only", [("pwrite",), ("fsync",), ("open",), ("rename",), ("ftruncate",)])
def test_row_04_no_space_at_every_operation_of_a_commit_a_rotation_and_a_seal(logs, no_sync, faults, only):
    base = logs.slot
    operation = 0
    while True:
        operation += 1
        logs.slot = base.parent / f"w{operation}"
        lock, writer = open_writer(logs, Terms(ballast=BALLAST), segment_bytes=1500)
        faults.arm(operation, code=errno.ENOSPC, only=only, short=True)
        acknowledged = run(logs, writer)
        reached = faults.count >= operation
        faults.arm(-1)
        if reached:
            assert len(acknowledged) >= 8
        acknowledged["last"] = writer.append([logs.record("last")])
        writer.close()
        os.close(lock)
        logs.start().close()
        check_log(logs, acknowledged)
        if not reached:
            break


def test_row_04_a_full_disk_is_recorded_by_means_of_the_ballast_and_left_by_itself(logs, disk, monkeypatch):
    lock, writer = open_writer(logs, Terms(ballast=BALLAST))
    ballast = logs.slot / "ballast"
    assert ballast.stat().st_blocks * 512 >= BALLAST
    acknowledged = run(logs, writer, 2)
    real = os.pwrite

    def pwrite(*args):
        if disk.free == 0 and ballast.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args)

    monkeypatch.setattr(os, "pwrite", pwrite)
    disk.free = 0
    with pytest.raises(OSError, match="No space"):
        writer.append([logs.record("lost")])
    assert not ballast.exists()
    for _ in range(3):
        with pytest.raises(OSError, match="less room"):
            writer.append([logs.record("refused")])
    assert not writer.ready()
    assert disk_records(logs) == [("full", 0)]
    disk.free = (1 << 20) + BALLAST - 1
    with pytest.raises(OSError, match="less room"):
        writer.append([])
    disk.free += 1
    acknowledged["after"] = writer.append([logs.record("after")])
    assert ballast.stat().st_size == BALLAST
    writer.close()
    os.close(lock)
    assert disk_records(logs) == [("full", 0), ("ok", (1 << 20) + BALLAST)]
    requests = [line.get("request") for line in logs.lines()]
    assert requests.count("lost") == 1  # signed before the write failed: it overstates
    assert "refused" not in requests
    check_log(logs, acknowledged)


async def test_row_04_a_disk_that_fills_is_recorded_without_traffic_and_refuses_below_one_segment(
    logs, disk, monkeypatch
):
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.01)
    disk.free = disk.size // 2
    ledger = open_ledger(logs, segment_bytes=1 << 20, terms=Terms(warn_percent=10))
    await ledger.commit(*logs.record("a"))

    async def until(count):
        async with asyncio.timeout(10):
            while len(disk_records(logs)) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    disk.free = disk.size // 10 - 1
    await until(1)
    assert ledger.healthy()
    await ledger.commit(*logs.record("b"))
    disk.free = (1 << 20) - 1
    await until(2)
    async with asyncio.timeout(10):
        while ledger.healthy():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert "could not be made durable" in await refused(ledger.commit(*logs.record("refused")))
    disk.free = disk.size // 2
    await until_healthy(ledger)
    await ledger.commit(*logs.record("c"))
    await ledger.close()
    assert [state for state, _ in disk_records(logs)] == ["low", "full", "ok"]
    assert logs.verdict() == "VERIFIED"


def test_row_04_a_start_on_a_full_disk_takes_the_ballast_to_say_so(logs, disk):
    lock, writer = open_writer(logs, Terms(ballast=BALLAST))
    writer.close()
    os.close(lock)
    disk.free = 4096
    lock, writer = open_writer(logs, Terms(ballast=BALLAST))
    assert not (logs.slot / "ballast").exists()
    assert disk_records(logs) == [("full", 4096)]
    with pytest.raises(OSError, match="less room"):
        writer.append([logs.record("refused")])
    writer.close()
    os.close(lock)
    assert logs.verdict() == "VERIFIED"


@pytest.mark.parametrize("kernel", [True, False])
async def test_row_05_any_operation_of_the_running_ledger_fails_once(logs, no_sync, faults, monkeypatch, kernel):
    """The kernel's sync among them: its file is not synced again, its group is written elsewhere, byte for byte."""
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.001)
    if not kernel:
        monkeypatch.setattr(KernelSync, "open", lambda: None)
    base = logs.slot
    operation = 0
    while True:
        operation += 1
        logs.slot = base.parent / f"w{operation}"
        ledger = open_ledger(logs, segment_bytes=2500)
        faults.arm(operation)
        acknowledged = {}
        for name in "abcdefgh":
            try:
                acknowledged[name] = await ledger.commit(*logs.record(name))
            except StoreDown:
                await until_healthy(ledger)
        reached = faults.count >= operation
        faults.arm(-1)
        assert len(acknowledged) >= 7
        await ledger.close()
        logs.start().close()
        check_log(logs, acknowledged)
        if not reached:
            break
    assert operation > 20


def test_row_05_a_failed_descriptor_is_never_written_or_synced_again(logs, monkeypatch):
    writer = logs.start()
    run(logs, writer, 2)
    dead, used = set(), []
    real = os.pwrite

    def pwrite(fd, *args):
        inode = os.fstat(fd).st_ino
        used.append(inode)
        if not dead:
            dead.add(inode)
            raise OSError(errno.EIO, "planted")
        return real(fd, *args)

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(OSError, match="planted"):
        writer.append([logs.record("a")])
    used.clear()
    writer.append([logs.record("b")])
    writer.close()
    assert used
    assert not dead & set(used)
    assert logs.verdict() == "VERIFIED"


@pytest.mark.parametrize("most", [1, 2, 3, 17, 250])
def test_row_06_short_writes_are_completed(logs, no_sync, monkeypatch, most):
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: real(fd, bytes(data[:most]), offset))
    writer = logs.start(segment_bytes=1500)
    acknowledged = run(logs, writer, 3)
    writer.close()
    assert len(acknowledged) == 6
    check_log(logs, acknowledged)


async def test_row_07_a_device_that_hangs_holds_nobody_longer_than_the_timeout(logs, monkeypatch, by_thread):
    ledger = open_ledger(logs, timeout=0.2)
    gate = threading.Event()
    real = os.pwrite

    def pwrite(fd, data, offset):
        gate.wait(20)
        return real(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    loop = asyncio.get_running_loop()
    started = loop.time()
    hanging = ledger.commit(*logs.record("hanging"))
    await asyncio.sleep(0.05)
    queued = ledger.commit(*logs.record("queued"))
    assert "in time" in await refused(hanging)
    assert "in time" in await refused(queued)
    assert loop.time() - started < 10
    assert not ledger.healthy()
    # While one is overdue nobody else has to wait for the timeout again.
    at_once = ledger.commit(*logs.record("at once"))
    assert at_once.done()
    await refused(at_once)
    gate.set()
    await until_healthy(ledger)
    index = await ledger.commit(*logs.record("after"))
    await ledger.close()
    requests = [line["request"] for line in logs.lines() if "request" in line]
    # The group that was on its way is in the log; what still waited in the queue is not.
    assert requests == ["hanging", "after"]
    assert logs.lines()[index]["request"] == "after"
    assert logs.verdict() == "VERIFIED"


def replaced(path):
    copy = path.with_suffix(".copy")
    shutil.copyfile(path, copy)
    copy.rename(path)


def cut_short(path):
    os.truncate(path, 10)


def renamed_directory(path):
    path.parent.rename(path.parent.with_name("moved"))


def other_directory(path):
    renamed_directory(path)
    path.parent.mkdir()


@pytest.mark.parametrize("change", [os.unlink, cut_short, replaced, renamed_directory, other_directory])
def test_row_08_a_file_or_directory_that_others_touch_is_noticed(logs, monkeypatch, change):
    monkeypatch.setattr(segment_module, "PATH_CHECK_SECONDS", 0)
    lock, writer = open_writer(logs)
    writer.append([logs.record("a")])
    change(logs.only_segment())
    with pytest.raises(OSError, match=r"unlinked|replaced|No such file"):
        writer.append([logs.record("b")])
    if change in (renamed_directory, other_directory):
        # Another writer may be at work in a directory without our lock: nothing is written there.
        with pytest.raises(OSError, match=r"No such file|replaced"):
            writer.append([logs.record("c")])
        if change is other_directory:
            shutil.rmtree(logs.slot)
        logs.slot.with_name("moved").rename(logs.slot)
    writer.append([logs.record("d")])
    writer.close()
    os.close(lock)
    lost = change is os.unlink or change.__name__ == "cut_short"
    assert (logs.verdict() == "VERIFIED") is not lost


def test_row_08_a_directory_made_read_only_is_noticed_within_a_second(logs, monkeypatch):
    writer = logs.start()
    writer.append([logs.record("a")])
    real, moment = os.access, segment_module.time.monotonic()
    monkeypatch.setattr(segment_module.time, "monotonic", lambda: moment + 1)
    # The mode of a directory does not bind root, who may run these tests; a file system that is read-only does.
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and real(path, mode))
    with pytest.raises(OSError, match="read-only"):
        writer.append([logs.record("b")])
    monkeypatch.undo()
    acknowledged = {"c": writer.append([logs.record("c")])}
    writer.close()
    check_log(logs, acknowledged)
