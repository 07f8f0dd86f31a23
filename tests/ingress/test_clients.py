"""Caps and counts over all connections."""

import pytest

from gateway.ingress.clients import Clients
from gateway.model.limits import Limits


class Connection:
    counted = trusted = False

    def __init__(self, peer="192.0.2.1"):
        self.peer = peer
        self.checked = 0
        self.clients = None

    def check_deadlines(self, now):
        self.checked += 1

    def abort(self):
        self.clients.forget(self)


def clients(**limits):
    return Clients(None, Limits(**limits), lambda peer: peer == "192.0.2.9")


async def test_connections_are_counted_in_all_and_by_peer():
    under = clients(connections=4, connections_per_client=2)
    first, second = Connection(), Connection()
    assert under.admit(first) is None
    assert under.admit(second) is None
    assert under.admit(Connection()) == "too_many_connections"
    assert under.admit(Connection("")) is None
    assert under.admit(Connection("192.0.2.2")) is None
    assert under.admit(Connection("192.0.2.3")) == "overloaded"
    under.forget(first)
    under.forget(first)
    assert under.admit(Connection()) is None
    under.draining = True
    assert under.admit(Connection("192.0.2.4")) == "draining"
    under._timer.cancel()


async def test_trusted_peers_and_unix_sockets_have_no_cap_of_their_own():
    under = clients(connections_per_client=1)
    for peer in ("192.0.2.9", ""):
        for _ in range(3):
            connection = Connection(peer)
            assert under.admit(connection) is None
            assert connection.trusted == bool(peer)
    under._timer.cancel()


async def test_the_sweep_looks_at_every_connection_and_stops_when_none_is_left():
    under = clients(header_timeout=60.0)
    connection = Connection()
    under.admit(connection)
    under._timer.cancel()
    under._sweep()
    assert connection.checked == 1
    under._timer.cancel()
    under.forget(connection)
    under._sweep()
    assert (connection.checked, under._timer) == (1, None)


@pytest.mark.parametrize("count", [0, 3])
async def test_abort_waits_until_all_are_gone(count):
    under = clients()
    for _ in range(count):
        connection = Connection()
        connection.clients = under
        under.admit(connection)
    await under.abort()
    assert (under.connections, under._timer) == (set(), None)
