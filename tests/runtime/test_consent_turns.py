"""Workers record together, a command alone, and neither waits for ever."""

import asyncio
import fcntl
import os
import threading

import pytest

from gateway.model.errors import StoreDown
from gateway.runtime.consent_turns import LOCK, TURN, alone, together


@pytest.fixture
def state(tmp_path):
    return tmp_path


async def test_workers_record_together_and_commands_alone(state):
    async with together(state, 0), together(state, 0):
        with pytest.raises(StoreDown), alone(state, 0):
            pass
    with alone(state, 0):
        with pytest.raises(StoreDown, match="another command"):
            async with together(state, 0.05):
                pass
        with pytest.raises(StoreDown, match="another command"), alone(state, 0.05):
            pass
    async with together(state, 0):
        pass


async def test_a_command_that_waits_lets_no_further_worker_in(state):
    """Else a stream of decisions would keep it out for ever."""
    inside = threading.Event()

    def command():
        with alone(state, 20):
            inside.set()

    async with together(state, 0):
        waiting = threading.Thread(target=command)
        waiting.start()
        descriptor = os.open(state / TURN, os.O_RDWR | os.O_CREAT)
        async with asyncio.timeout(10):
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    break
                fcntl.flock(descriptor, fcntl.LOCK_UN)
                await asyncio.sleep(0.005)
        os.close(descriptor)
        with pytest.raises(StoreDown):
            async with together(state, 0):
                pass
        assert not inside.is_set()
    await asyncio.to_thread(waiting.join, 20)
    assert inside.is_set()
    assert (state / LOCK).stat().st_mode & 0o077 == 0
