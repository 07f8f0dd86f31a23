"""The key of receipts: one for all workers of a root key, and published with those of the logs."""

import pytest

from gateway.crypto.sign import SigningKey, parse_vkey
from gateway.model.errors import StoreDown
from gateway.runtime.operators import operator_log
from gateway.runtime.receipt_key import public_keys, receipt_key
from gateway.stores.keyfile import create_keys, load_signing_key


@pytest.fixture
def state(tmp_path):
    create_keys(tmp_path)
    return tmp_path


def test_it_follows_from_the_root_key_and_nothing_else(state, tmp_path_factory):
    replica, other = tmp_path_factory.mktemp("replica"), tmp_path_factory.mktemp("other")
    (replica / "keys").mkdir(mode=0o700)
    (replica / "keys" / "root.key").write_bytes((state / "keys" / "root.key").read_bytes())
    (replica / "keys" / "root.key").chmod(0o600)
    create_keys(other)

    assert receipt_key(replica).seed == receipt_key(state).seed != receipt_key(other).seed
    assert receipt_key(replica).vkey == receipt_key(state).vkey


@pytest.mark.parametrize("slot", ["w0", "operator"])
def test_it_is_named_after_the_deployment(state, slot):
    load_signing_key(state, slot, name=f"shop.example/host-7/{slot}")

    assert parse_vkey(receipt_key(state).vkey).name == "shop.example/receipts"


def test_no_log_has_it(state):
    load_signing_key(state, "w0")
    log = load_signing_key(state, "w0")

    assert SigningKey(log.name, receipt_key(state).seed).vkey != log.vkey
    assert repr(receipt_key(state)) == f"ReceiptKey({receipt_key(state).vkey})"


def test_public_keys_are_those_of_receipts_and_of_every_log(state):
    operator_log(state).append([{"kind": "policy"}])
    keys = public_keys(state)

    assert [key.name.rpartition("/")[2] for key in keys] == ["receipts", "operator"]
    assert keys[1].vkey == load_signing_key(state, "operator").vkey
    assert all(parse_vkey(key.vkey).name == key.name for key in keys)


def test_without_a_root_key_there_is_none(tmp_path):
    with pytest.raises(StoreDown, match="keys init"):
        receipt_key(tmp_path)
