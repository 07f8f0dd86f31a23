import base64
import os
import re
import stat
import threading
import time

import pytest

from gateway.crypto.keyring import is_subject_handle
from gateway.crypto.sign import verify_signature
from gateway.model.errors import StoreDown
from gateway.model.words import Posture
from gateway.stores.keyfile import ROOT_KEY, create_keys, load_keyring, load_signing_key


@pytest.fixture
def state(tmp_path):
    directory = tmp_path / "state"
    create_keys(directory)
    return directory


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_keys_are_private_and_whole(state):
    assert (mode(state), mode(state / "keys"), mode(state / ROOT_KEY)) == (0o700, 0o700, 0o600)
    assert [path.name for path in (state / "keys").iterdir()] == ["root.key"]
    assert re.fullmatch(r"pgw-root-key/v1 \d\dq[1-4]a [A-Za-z0-9+/]{43}=\n", (state / ROOT_KEY).read_text())


@pytest.mark.parametrize(("month", "quarter"), [(1, 1), (3, 1), (4, 2), (9, 3), (10, 4), (12, 4)])
def test_the_key_id_names_the_quarter(tmp_path, monkeypatch, month, quarter):
    moment = time.strptime(f"2026-{month:02}-15", "%Y-%m-%d")
    monkeypatch.setattr("gateway.stores.keyfile.time.gmtime", lambda: moment)

    assert create_keys(tmp_path) == f"26q{quarter}a"


def test_two_gateways_have_two_roots(state, tmp_path):
    create_keys(tmp_path / "other")

    assert load_keyring(state).subject_handle("ann") != load_keyring(tmp_path / "other").subject_handle("ann")


def test_a_key_ring_is_loaded_the_same_each_time(state):
    handle = load_keyring(state).subject_handle("ann")

    assert is_subject_handle(handle)
    assert load_keyring(state).subject_handle("ann") == handle


def test_a_root_key_is_never_overwritten(state):
    before = (state / ROOT_KEY).read_bytes()
    with pytest.raises(FileExistsError, match="never overwritten"):
        create_keys(state)

    assert (state / ROOT_KEY).read_bytes() == before
    assert [path.name for path in (state / "keys").iterdir()] == ["root.key"]


def missing(path):
    path.unlink()


def group_readable(path):
    path.chmod(0o640)


def world_readable(path):
    path.chmod(0o604)


def directory_writable(path):
    path.parent.chmod(0o720)


def empty(path):
    path.write_bytes(b"")


def shortened(path):
    path.write_bytes(path.read_bytes()[:-3])


def other_format(path):
    path.write_text(path.read_text().replace("v1", "v2"))


def other_kid(path):
    path.write_text(re.sub(r"q[1-4]a", "q9a", path.read_text()))


def other_size(path):
    path.write_text(f"pgw-root-key/v1 26q4a {base64.b64encode(bytes(16)).decode()}\n")


def binary(path):
    path.write_bytes(b"\xff" * 60)


def second_line(path):
    path.write_text(path.read_text() * 2)


def directory(path):
    path.unlink()
    path.mkdir(mode=0o700)


DAMAGES = {
    missing: "keys init",
    group_readable: "chmod",
    world_readable: "chmod",
    directory_writable: "chmod",
    empty: "backup",
    shortened: "backup",
    other_format: "backup",
    other_kid: "backup",
    other_size: "backup",
    binary: "backup",
    second_line: "backup",
    directory: "cannot be read",
}


@pytest.mark.parametrize(("damage", "advice"), DAMAGES.items())
def test_a_root_key_that_cannot_be_used_is_refused_with_advice(state, damage, advice):
    secret = (state / ROOT_KEY).read_text().split()[2]
    damage(state / ROOT_KEY)

    with pytest.raises(StoreDown) as caught:
        load_keyring(state)
    assert caught.value.posture is Posture.KEY_PROVIDER_DOWN
    assert advice in caught.value.why
    assert secret[:8] not in str(caught.value)


def test_no_signing_key_is_made_before_there_is_a_root_key(tmp_path):
    with pytest.raises(StoreDown, match="keys init"):
        load_signing_key(tmp_path, "w0")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_an_unreadable_file_is_a_provider_that_is_down(state):
    (state / ROOT_KEY).chmod(0)

    with pytest.raises(StoreDown):
        load_keyring(state)


def test_a_signing_key_is_made_on_first_use_and_kept(state):
    first = load_signing_key(state, "w0")
    again = load_signing_key(state, "w0")

    assert first.vkey == again.vkey
    assert verify_signature(first.vkey, b"note\n", again.sign(b"note\n"))
    assert mode(state / "keys" / "w0.log.key") == 0o600
    assert load_signing_key(state, "w1").key_id != first.key_id


def test_its_name_is_the_one_it_was_made_with(state):
    assert load_signing_key(state, "w0", name="shop/gate-1/w0").name == "shop/gate-1/w0"
    assert load_signing_key(state, "w0").name == "shop/gate-1/w0"
    assert load_signing_key(state, "w0", name="shop/gate-2/w0").name == "shop/gate-1/w0"
    assert re.fullmatch(r"privacy-gateway/[^\s/+]+/w1", load_signing_key(state, "w1").name)


@pytest.mark.parametrize("host", ["", "two words", "a+b/c"])
def test_any_host_name_gives_a_name_that_a_note_can_carry(state, monkeypatch, host):
    monkeypatch.setattr("gateway.stores.keyfile.socket.gethostname", lambda: host)

    assert load_signing_key(state, "w0").name.count("/") == 2


@pytest.mark.parametrize("slot", ["", "../w0", "W0", "w0/x", "-w0", "w" * 33, "w0\n"])
def test_slots_are_plain_names(state, slot):
    with pytest.raises(ValueError, match="slot"):
        load_signing_key(state, slot)


@pytest.mark.parametrize("damage", [group_readable, empty, shortened, binary])
def test_a_signing_key_that_cannot_be_used_is_refused_and_not_replaced(state, damage):
    load_signing_key(state, "w0")
    path = state / "keys" / "w0.log.key"
    damage(path)
    before = path.read_bytes()

    with pytest.raises(StoreDown) as caught:
        load_signing_key(state, "w0")
    assert caught.value.posture is Posture.KEY_PROVIDER_DOWN
    assert path.read_bytes() == before


def test_a_directory_that_cannot_be_written_is_a_provider_that_is_down(state, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gateway.stores.private_file.os.fsync", full)
    with pytest.raises(StoreDown) as caught:
        load_signing_key(state, "w0")

    assert caught.value.posture is Posture.KEY_PROVIDER_DOWN
    assert [path.name for path in (state / "keys").iterdir()] == ["root.key"]


def test_whoever_comes_at_the_same_time_gets_the_same_key(state):
    found = []
    barrier = threading.Barrier(8)

    def load():
        barrier.wait()
        found.append(load_signing_key(state, "w0").vkey)

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert len(found) == 8
    assert len(set(found)) == 1
    assert sorted(path.name for path in (state / "keys").iterdir()) == ["root.key", "w0.log.key"]
