import socket
import stat
from pathlib import Path

import pytest

from gateway.runtime.settings import Listener, Tls
from gateway.workers.reservation import Reservation


@pytest.fixture
def front(tmp_path):
    return Listener("", path=str(tmp_path / "front.sock"))


def test_port_0_becomes_a_port_that_workers_can_share_and_nobody_else():
    reservation = Reservation.take([Listener("127.0.0.1", 0)])
    (listener,) = reservation.listeners
    assert listener.port > 0
    with socket.socket() as worker, socket.socket() as stranger:
        worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        worker.bind(("127.0.0.1", listener.port))
        with pytest.raises(OSError, match="in use"):
            stranger.bind(("127.0.0.1", listener.port))
    reservation.close()


def test_nobody_is_accepted_before_a_worker_listens():
    reservation = Reservation.take([Listener("127.0.0.1", 0)])
    with socket.socket() as client, pytest.raises(ConnectionRefusedError):
        client.connect(("127.0.0.1", reservation.listeners[0].port))
    reservation.close()


def test_an_address_on_which_another_gateway_listens_is_refused_by_name():
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(OSError, match="in use") as caught:
            Reservation.take([Listener("127.0.0.1", 0), Listener("127.0.0.1", other.getsockname()[1])])
        assert caught.value.filename == address


def test_a_unix_socket_listens_for_owner_and_group(front):
    reservation = Reservation.take([front])
    mode = Path(front.path).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o660
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(front.path)
    assert reservation.descriptors == (reservation.listeners[0].descriptor,)
    reservation.close()
    assert not Path(front.path).exists()


def test_a_unix_socket_that_a_dead_process_left_is_replaced(front):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(front.path)
    Reservation.take([front]).close()


def test_a_unix_socket_on_which_somebody_listens_is_not_taken_away(front):
    first = Reservation.take([front])
    with pytest.raises(OSError, match="in use"):
        Reservation.take([front])
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(front.path)
    first.close()


def test_a_file_that_is_no_socket_is_never_removed(front):
    Path(front.path).write_text("data")
    with pytest.raises(OSError, match="in use"):
        Reservation.take([front])
    assert Path(front.path).read_text() == "data"


def test_a_move_shares_what_stays_and_lets_go_of_the_rest(front, tmp_path):
    tcp = Listener("127.0.0.1", 0)
    old = Reservation.take([tcp, front])
    added = Listener("", path=str(tmp_path / "more.sock"))
    secured = Listener("127.0.0.1", 0, tls=Tls("c", "k"))
    new = old.moved_to([secured, added])
    assert new.listeners[0].port == old.listeners[0].port
    assert new.listeners[0].tls == Tls("c", "k")
    old.close(keeping=new)
    assert not Path(front.path).exists()
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", new.listeners[0].port))
    new.close()


def test_a_move_that_fails_leaves_everything_as_it_was(front, tmp_path):
    old = Reservation.take([front])
    taken = tmp_path / "taken"
    taken.write_text("data")
    with pytest.raises(OSError, match="in use"):
        old.moved_to([front, Listener("", path=str(tmp_path / "new.sock")), Listener("", path=str(taken))])
    assert not (tmp_path / "new.sock").exists()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(front.path)
    old.close()
