import os

import pytest

from gateway.audit import slot as module
from gateway.audit.slot import claim
from gateway.audit.verify_files import is_live


def test_a_slot_is_claimed_once_and_again_after_release(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LOCK_PATIENCE", 0.05)
    lock = claim(tmp_path)
    assert is_live(tmp_path)
    with pytest.raises(BlockingIOError):
        claim(tmp_path)
    os.close(lock)
    assert not is_live(tmp_path)
    os.close(claim(tmp_path))
