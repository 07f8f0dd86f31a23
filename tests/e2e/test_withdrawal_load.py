"""P4 under load: once a withdrawal has returned, no worker lets go of another byte, and no record says that one did."""

import json
import os
import random
import re
import time
from bisect import bisect
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from load import Load
from people import handle_of
from processes import Client, GatewayProcess, request
from rulebook import rules

from gateway.audit.reading import newest_first, slots_of
from gateway.model.words import ConsentStatus
from gateway.stores.consent import SqliteConsentStore
from gateway.stores.event import ConsentEvent, new_event_id, now_microseconds

ROUNDS = 200
WORKERS = 4
CONNECTIONS = 64
ROUTES = """
routes:
  - name: profile
    match: {method: POST, path: /profile}
    to: shop
    subject: identity
    request:
      fields:
        $.email: {is: contact.email, for: service}
        $.born: {is: demographic.date_of_birth, for: ads, otherwise: drop}
    response: {rest: pass}
"""
SETTINGS = f"""
version: 1
listeners: [{{address: "127.0.0.1:0"}}]
admin: 127.0.0.1:0
rules: rules
state: state
workers: {WORKERS}
identity: {{visitor: {{days: 1}}}}
portal: {{rate: {{person: 100000, peer: 100000}}}}
"""
PROFILE = b'{"email":"ann@example.com","born":"1990-01-02"}'
API = "/privacy/api/consent"
JSON = "Content-Type: application/json"


class PortalGateway(GatewayProcess):
    def __init__(self, directory, rules_text):
        super().__init__(directory, rules_text)
        file = directory / "gateway.yaml"
        file.write_text(SETTINGS)
        self._arguments = ["serve", "--json", "-c", file]


class Visitor:
    """Somebody with a browser of their own, who decides in an application's banner, on whichever worker."""

    def __init__(self, gateway):
        self._port = gateway.port
        client = Client(gateway.port)
        head = client.send(request("GET", "/privacy"))[1]
        client.close()
        self.cookie = "Cookie: " + re.search(rb"Set-Cookie: ([^;]+)", head)[1].decode()
        self.handle = handle_of(gateway.state, "visitor:" + self.cookie.partition("=")[2].partition(".")[0])

    def withdraw(self):
        client = Client(self._port)
        body = b'{"withdraw":"all"}'
        status, _, said = client.send(request("POST", API, body, JSON, self.cookie, "Sec-Fetch-Site: same-origin"))
        client.close()
        assert (status, json.loads(said)["changed"]) == (200, True)


@contextmanager
def fast_disk(otherwise):
    """The faster a commit is, the less time it leaves to whoever read just before it."""
    if not os.access("/dev/shm", os.W_OK):
        yield otherwise
        return
    with TemporaryDirectory(dir="/dev/shm") as directory:
        yield Path(directory)


def decide(store, person, status):
    at = now_microseconds()
    store.append(ConsentEvent(id=new_event_id(at), subject=person, purpose="ads", status=status, at=at, method="test"))


def moments_recorded(state):
    """When each record that a birth date went to the shop was made, in microseconds."""
    for entry in newest_first(slots_of(state), lambda line: b'"$.born"' in line):
        if any(field["address"] == "$.born" and field["action"] == "keep" for field in entry.record["fields"]):
            yield microseconds(entry.record["time"])


def microseconds(text):
    return int(datetime.fromisoformat(text).timestamp()) * 10**6 + int(text[20:26])


def within(moments, spans):
    """Those of the sorted moments that lie inside one of the spans, as their distance from its beginning."""
    found = []
    for begin, end in spans:
        found += [moment - begin for moment in moments[bisect(moments, begin) : bisect(moments, end)]]
    return found


@pytest.mark.slow
def test_p4_nothing_leaves_or_is_recorded_after_a_withdrawal_two_hundred_times(tmp_path):
    chance = random.Random(4)
    given, withdrawn = [], []
    with fast_disk(tmp_path) as home, Load(marker=b"1990", connections=CONNECTIONS) as load:
        with PortalGateway(home, rules(ROUTES, load.url)) as gateway:
            store = SqliteConsentStore(gateway.state / "consent.sqlite")
            visitor = Visitor(gateway)
            load.begin(gateway.port, request("POST", "/profile", PROFILE, JSON, visitor.cookie))
            for turn in range(ROUNDS):
                begun = time.time_ns()
                decide(store, visitor.handle, ConsentStatus.GIVEN)
                time.sleep(chance.uniform(0.02, 0.06))
                given.append((begun, time.time_ns()))
                if turn % 2:
                    visitor.withdraw()
                else:
                    decide(store, visitor.handle, ConsentStatus.WITHDRAWN)
                committed = time.time_ns()
                time.sleep(0.03)
                withdrawn.append((committed, time.time_ns()))
            store.close()
            seen = load.end()
        recorded = sorted(moments_recorded(gateway.state))

    released = sorted(seen.marked)
    assert within(released, withdrawn) == []
    assert within(recorded, [(begin // 1000 + 1, end // 1000) for begin, end in withdrawn]) == []
    # The load was there: before withdrawals it carried what is forbidden after them.
    assert len(within(released, given)) > ROUNDS
    assert len(within(sorted(seen.plain), withdrawn)) > ROUNDS
    assert len(recorded) >= len(released)
    assert set(seen.statuses) <= {200, 503}
    assert seen.statuses[200] > 0.99 * sum(seen.statuses.values())
