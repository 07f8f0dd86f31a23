"""Syncing without a thread: what the kernel says counts, and what it does not say holds nobody up."""

import asyncio
import errno
import os

import pytest
from ledgers import open_ledger, until_healthy

from gateway.audit.kernel_sync import KernelSync
from gateway.model.errors import StoreDown

pytestmark = pytest.mark.skipif(
    (probe := KernelSync.open()) is None, reason="this kernel offers no asynchronous fdatasync"
)
if probe is not None:
    probe.close()


@pytest.fixture
def sync():
    kernel = KernelSync.open()
    yield kernel
    kernel.close()


def wait_for(kernel: KernelSync) -> None:
    os.set_blocking(kernel.descriptor, True)
    kernel.result()


def start_and_wait(kernel: KernelSync, descriptor: int) -> None:
    kernel.start(descriptor)
    wait_for(kernel)


def test_a_file_is_synced_as_often_as_asked(sync, tmp_path):
    with (tmp_path / "file").open("wb") as file:
        for _ in range(3):
            file.write(b"x" * 10_000)
            file.flush()
            sync.start(file.fileno())
            wait_for(sync)


def test_what_cannot_be_synced_is_said_at_once(sync):
    with pytest.raises(OSError) as caught:
        sync.start(1 << 20)

    assert caught.value.errno == errno.EBADF


def test_a_sync_that_fails_is_an_error_and_no_result(sync):
    reader, writer = os.pipe()
    try:
        with pytest.raises(OSError):
            start_and_wait(sync, writer)
    finally:
        os.close(reader)
        os.close(writer)


async def test_no_thread_writes_where_the_kernel_does(logs, monkeypatch):
    ledger = open_ledger(logs)
    await ledger.commit(*logs.record("fills the file ahead"))
    syncs = []
    real = KernelSync.start
    monkeypatch.setattr(KernelSync, "start", lambda self, fd: (syncs.append(fd), real(self, fd))[1])
    for name in ("a", "b"):
        await ledger.commit(*logs.record(name))
    await ledger.close()

    assert len(syncs) == 2
    assert logs.verdict() == "VERIFIED"


async def test_the_future_waits_for_the_sync(logs, monkeypatch):
    ledger = open_ledger(logs)
    await ledger.commit(*logs.record("first"))
    held = []
    real = KernelSync.start
    monkeypatch.setattr(KernelSync, "start", lambda self, fd: held.append((self, fd)))
    future = ledger.commit(*logs.record("a"))
    done, _ = await asyncio.wait([future], timeout=0.1)
    assert not done
    real(*held[0])
    await future
    monkeypatch.undo()
    await ledger.close()
    assert logs.verdict() == "VERIFIED"


async def test_a_sync_that_never_ends_holds_nobody_longer_than_the_timeout(logs, monkeypatch):
    ledger = open_ledger(logs, timeout=0.2)
    await ledger.commit(*logs.record("first"))
    held = []
    real = KernelSync.start
    monkeypatch.setattr(KernelSync, "start", lambda self, fd: held.append((self, fd)))
    hanging = ledger.commit(*logs.record("hanging"))
    with pytest.raises(StoreDown):
        await hanging
    assert not ledger.healthy()
    assert ledger.commit(*logs.record("at once")).exception() is not None
    real(*held[0])
    await until_healthy(ledger)
    monkeypatch.undo()
    await ledger.commit(*logs.record("after"))
    await ledger.close()
    assert logs.verdict() == "VERIFIED"


async def test_a_failed_sync_is_never_tried_again_on_its_file(logs, monkeypatch):
    ledger = open_ledger(logs)
    await ledger.commit(*logs.record("first"))
    real = KernelSync.result

    def failing(self):
        real(self)
        raise OSError(errno.EIO, "planted")

    monkeypatch.setattr(KernelSync, "result", failing)
    with pytest.raises(StoreDown):
        await ledger.commit(*logs.record("lost"))
    monkeypatch.undo()
    index = await ledger.commit(*logs.record("after"))
    await ledger.close()

    assert len(list((logs.slot / "sealed").glob("*.jsonl")) + list(logs.slot.glob("*.jsonl"))) == 2
    assert logs.lines()[index]["request"] == "after"
    assert logs.verdict() == "VERIFIED"
