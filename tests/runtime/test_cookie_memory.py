import asyncio

import pytest
import structlog
from rulebook import compiled

from gateway.documents.cookie_names import CookieNames
from gateway.model.field_template import FieldTemplate, FilledFields
from gateway.model.message import RequestHead
from gateway.runtime.cookie_memory import CookieMemory, listed_cookies, without_port
from gateway.runtime.metrics import Metrics, merge, render
from gateway.stores.cookies import PLACES_AT_MOST, SqliteCookieStore

LISTED = CookieNames([("_ga", "_ga"), ("_ga_*", "_ga_*")])


class Log:
    def __init__(self):
        self.errors = []

    def error(self, event, **more):
        self.errors.append(event)


class Memories:
    """Memories of several workers over one file."""

    def __init__(self, path):
        self.path = path
        self.log = Log()
        self.metrics = Metrics()
        self.opened = []

    def open(self):
        self.opened.append(CookieMemory(self.path, self.metrics, self.log))
        return self.opened[-1]


@pytest.fixture
def memories(tmp_path):
    found = Memories(tmp_path / "cookies.sqlite")
    yield found
    for each in found.opened:
        each.close()


def paths(lines, host="shop.example"):
    """Domain and Path of what is deleted, beyond what is always deleted."""
    cut = [line.decode().partition("; Path=")[2].split("; ") for line in lines]
    found = {(each[1].removeprefix("Domain=") if len(each) > 1 else "", each[0]) for each in cut}
    assert ("", "/") in found
    return found - {("", "/"), (host, "/")}


async def written(memory):
    while memory._writing is not None:
        await memory._writing


async def test_what_was_seen_is_deleted_where_it_lies(memories):
    memory = memories.open()
    memory.seen("shop.example", "_ga", "", "/cart")
    memory.seen("shop.example", "_ga_*", "shop.example", "/x")

    assert paths(memory.deletions("shop.example:8080", ["_ga"])) == {("", "/cart")}
    assert paths(memory.deletions("shop.example", ["_ga_ABC"])) == {("shop.example", "/x")}
    assert paths(memory.deletions("shop.example", ["other"])) == set()
    assert memory.deletions("shop.example", ["_ga_*"]) == []
    assert memory.deletions("shop.example", []) == []


async def test_a_host_deletes_what_hosts_beside_it_set_for_their_domain_and_nothing_else_of_theirs(memories):
    memory = memories.open()
    memory.seen("www.shop.example", "_ga", "shop.example", "/x")
    memory.seen("www.shop.example", "_ga", "", "/y")
    memory.seen("shop.example", "_ga", "", "/z")

    found = paths(memory.deletions("api.shop.example", ["_ga"]), "shop.example")

    assert found == {("shop.example", "/x"), ("api.shop.example", "/")}


async def test_workers_share_what_they_see_and_a_restart_keeps_it(memories):
    first, second = memories.open(), memories.open()
    assert second.deletions("shop.example", ["_ga"])
    assert not memories.path.exists()

    first.seen("shop.example", "_ga", "", "/cart")
    await written(first)

    assert paths(second.deletions("shop.example", ["_ga"])) == {("", "/cart")}
    first.close()
    assert paths(memories.open().deletions("shop.example", ["_ga"])) == {("", "/cart")}


async def test_only_what_is_new_is_written(memories, monkeypatch):
    added = []
    plain = SqliteCookieStore.add
    monkeypatch.setattr(SqliteCookieStore, "add", lambda store, rows: (added.extend(rows), plain(store, rows)))
    memory = memories.open()
    for _ in range(3):
        for path in ("/a", "/b"):
            memory.seen("shop.example", "_ga", "", path)
        await written(memory)

    assert added == [("shop.example", "_ga", "", "/a"), ("shop.example", "_ga", "", "/b")]


async def test_what_is_not_yet_written_is_written_at_the_end(memories):
    memory = memories.open()
    memory.seen("shop.example", "_ga", "", "/a")
    await written(memory)
    memory.seen("shop.example", "_ga", "", "/b")
    memory.close()

    assert paths(memories.open().deletions("shop.example", ["_ga"])) == {("", "/a"), ("", "/b")}


async def test_a_store_that_fails_costs_deletions_and_is_told_once(memories):
    memories.path.write_bytes(b"no database" * 100)
    memories.path.chmod(0o600)
    memory = memories.open()
    for path in ("/a", "/b"):
        memory.seen("shop.example", "_ga", "", path)
        await written(memory)

    assert paths(memory.deletions("shop.example", ["_ga"])) == {("", "/a"), ("", "/b")}
    assert memories.log.errors == ["the memory of cookies fails, so some are not deleted from browsers"]
    assert memories.metrics.cookie_memory_failures == 3
    text = render(merge([memories.metrics.snapshot()])).decode()
    assert "privacy_gateway_cookie_memory_failures_total 3.0" in text
    assert f"privacy_gateway_cookie_deletions_total {float(memories.metrics.cookie_deletions)}" in text


async def test_memory_is_bounded(memories, monkeypatch):
    monkeypatch.setattr("gateway.runtime.cookie_memory.ROWS_AT_MOST", 40)
    memory = memories.open()
    for number in range(PLACES_AT_MOST + 9):
        memory.seen("shop.example", "_ga", "", f"/{number}")
    assert len(paths(memory.deletions("shop.example", ["_ga"]))) == PLACES_AT_MOST
    for number in range(50):
        memory.seen(f"h{number}.example", "_ga", "", "/x")

    assert sum(len(places) for names in memory._known.values() for places in names.values()) <= 40
    assert len(memory.deletions("shop.example", [f"_ga{number}" for number in range(100)])) == 64


async def test_what_cannot_be_written_safely_is_not_remembered(memories):
    memory = memories.open()
    memory.seen("shop.example", "_ga", "", "/;x")
    memory.seen("shop.example", "_ga", "a;b", "/")

    assert paths(memory.deletions("shop.example", ["_ga"])) == set()


@pytest.mark.parametrize("templated", [False, True])
async def test_answers_teach(memories, templated):
    memory = memories.open()
    asked = RequestHead("GET", b"/cart/1?x=/y/", "shop.example:8080", ())
    fields = (
        (b"Set-Cookie", b"_ga=1; Domain=shop.example; Path=/a"),
        (b"set-cookie", b"_ga_ABC=1"),
        (b"Set-Cookie", b"sid=1; Path=/b"),
    )
    memory.note(LISTED, asked, FilledFields(FieldTemplate(fields), ()) if templated else fields)
    memory.note(LISTED, asked, FilledFields(FieldTemplate(()), ()))

    assert paths(memory.deletions("shop.example", ["_ga"])) == {("shop.example", "/a")}
    assert paths(memory.deletions("shop.example", ["_ga_ABC"])) == {("", "/cart")}
    assert paths(memory.deletions("shop.example", ["sid"])) == set()


def test_all_names_of_the_rules_are_listed_where_some_are_for_all_routes():
    routes = """
routes:
  - name: page
    match: {path: /page}
    to: shop
    request: {fields: {cookie:own: {is: device.cookie_id, for: service}}, rest: pass}
    response: {rest: pass}
"""
    assert listed_cookies(compiled(routes)) is None
    listed = listed_cookies(compiled("cookies: {a*: {is: device.cookie_id, for: service}}\n" + routes))
    assert listed is not None
    assert [listed.find(name) for name in ("own", "abc", "b")] == ["own", "a*", None]


@pytest.mark.parametrize(
    ("host", "bare"),
    [("shop.example", "shop.example"), ("shop.example:1", "shop.example"), ("[::1]:1", "[::1]"), ("[::1]", "[::1]")],
)
def test_cookies_know_no_ports(host, bare):
    assert without_port(host) == bare


async def test_without_a_file_a_worker_remembers_for_itself():
    memory = CookieMemory(None, Metrics(), structlog.get_logger())
    memory.seen("shop.example", "_ga", "", "/cart")
    await asyncio.sleep(0)

    assert paths(memory.deletions("shop.example", ["_ga"])) == {("", "/cart")}
    memory.close()
