"""Row 26 of the faults to survive, key files included: a rotation that dies comes to its end with either key."""

import contextlib
import os

import pytest
from faults import Faults
from ledgers import raw_lines

from gateway.audit import segment
from gateway.audit.ledger import Ledger
from gateway.audit.operator_log import operator_records
from gateway.audit.verify import verify_directory
from gateway.model.errors import StoreDown
from gateway.model.words import Kind, Posture
from gateway.runtime import rotation
from gateway.runtime.open_ledger import open_ledger
from gateway.runtime.operators import operator_log
from gateway.runtime.rotation import rotate_key
from gateway.runtime.settings_ledger import LedgerSettings
from gateway.stores.keyfile import create_keys, load_signing_key, next_signing_key

SETTINGS = LedgerSettings(ballast_mib=0, segment_mib=1)


def opened(state) -> Ledger:
    return open_ledger(state, "w0", origin="test/w0", settings=SETTINGS, timeout=5.0)


async def commit(state, request):
    ledger = opened(state)
    index = await ledger.commit(
        b"{", b'"kind":"count","request":"%b","time":"2026-11-23T13:07:25.123456Z","version":1}' % request.encode()
    )
    await ledger.close()
    return index


@pytest.mark.parametrize("again", ["the gateway", "the command"])
async def test_row_26_death_at_every_step_of_the_command(tmp_path, monkeypatch, again):
    monkeypatch.setattr(segment, "FILL", 2048)
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    monkeypatch.setattr(os, "O_DSYNC", 0)
    faults = Faults(monkeypatch)
    operation, kept = 0, set()
    while True:
        operation += 1
        state = tmp_path / str(operation)
        create_keys(state)
        await commit(state, "before")
        old = load_signing_key(state, "w0").vkey
        faults.arm(operation, for_good=True)
        with contextlib.suppress(StoreDown, OSError):
            rotate_key(state, "w0", SETTINGS)
        reached = faults.count >= operation
        faults.arm(-1)
        if again == "the command":
            vkey = rotate_key(state, "w0", SETTINGS)
            assert vkey == load_signing_key(state, "w0").vkey != old
            assert next_signing_key(state, "w0") is None
        index = await commit(state, "after")
        slot = state / "audit" / "w0"
        assert b'"after"' in raw_lines(slot)[index]
        kept.add(load_signing_key(state, "w0").vkey == old)
        lines = (slot / "log.vkey").read_text().splitlines()
        assert lines[0] == old
        assert lines[-1] == load_signing_key(state, "w0").vkey
        if not reached:
            break
    assert operation > 30
    assert kept == ({True, False} if again == "the gateway" else {False})


def test_row_26_the_operators_log_goes_on_after_a_rotation_that_was_cut_off(tmp_path, monkeypatch):
    create_keys(tmp_path)
    operator_log(tmp_path).append([{"kind": "erase", "by": "dpo", "key": "00" * 32}])

    def killed(*_):
        raise StoreDown(Posture.KEY_PROVIDER_DOWN, "killed here")

    with monkeypatch.context() as patch:
        patch.setattr(rotation, "adopt_next_signing_key", killed)
        with pytest.raises(StoreDown, match="killed"):
            rotate_key(tmp_path, "operator", SETTINGS)
    operator_log(tmp_path).append([{"kind": "erase", "by": "dpo", "key": "01" * 32}])
    assert rotate_key(tmp_path, "operator", SETTINGS) == load_signing_key(tmp_path, "operator").vkey
    operator_log(tmp_path).append([{"kind": "erase", "by": "dpo", "key": "02" * 32}])

    assert [record["key"] for _, record in operator_records(tmp_path / "audit", Kind.ERASE)] == [
        "00" * 32,
        "01" * 32,
        "02" * 32,
    ]
    assert verify_directory(tmp_path, allow_unanchored=True).words == "VERIFIED"


async def test_a_second_directory_takes_part(tmp_path):
    create_keys(tmp_path)
    settings = LedgerSettings(
        ballast_mib=0, segment_mib=1, durability="all_sinks", second_directory=str(tmp_path / "other")
    )
    ledger = open_ledger(tmp_path, "w0", origin="test/w0", settings=settings, timeout=5.0)
    ledger.commit(b"{", b'"kind":"count","time":"2026-11-23T13:07:25.123456Z","version":1}')
    await ledger.close()
    vkey = rotate_key(tmp_path, "w0", settings)
    assert raw_lines(tmp_path / "other/w0") == raw_lines(tmp_path / "audit/w0")
    assert (tmp_path / "other/w0/log.vkey").read_text().splitlines()[1] == vkey
    again = rotate_key(tmp_path, "w0", SETTINGS)  # without those settings the slot itself names its second directory
    assert (tmp_path / "other/w0/log.vkey").read_text().splitlines()[2] == again


@pytest.mark.parametrize(
    ("settings", "declared"),
    [
        (LedgerSettings(), {"durability": "group", "loss_bound_ms": 0}),
        (LedgerSettings(durability="interval", interval_ms=20), {"durability": "interval", "loss_bound_ms": 20}),
    ],
)
def test_what_is_promised_is_declared(settings, declared):
    assert settings.declared() == declared


async def test_the_ledger_has_the_terms_of_its_settings(tmp_path):
    create_keys(tmp_path)
    settings = LedgerSettings(durability="interval", interval_ms=20, ballast_mib=1)
    ledger = open_ledger(tmp_path, "w0", origin="test/w0", settings=settings, timeout=5.0)
    assert (tmp_path / "audit/w0/ballast").stat().st_size == 1 << 20
    await ledger.close()
    assert b'"durability":"interval:20ms"' in raw_lines(tmp_path / "audit/w0")[0]
