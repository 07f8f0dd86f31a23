import sqlite3

import pytest

from gateway.stores.cookies import PLACES_AT_MOST, SqliteCookieStore
from gateway.stores.cookies import __name__ as module

ROW = ("shop.example", "_ga", "", "/")


@pytest.fixture
def store(tmp_path):
    opened = SqliteCookieStore(tmp_path / "cookies.sqlite", busy_timeout=5)
    yield opened
    opened.close()


def test_rows_come_back_in_order_and_once(store):
    other = ("shop.example", "_ga_*", "shop.example", "/x")
    store.add([ROW, other, ROW])
    store.add([other])

    assert store.after(0) == [(1, ROW), (2, other)]
    assert store.after(1) == [(2, other)]
    assert store.after(2) == []


def test_a_cookie_of_a_host_has_so_many_places_and_no_more(store):
    for number in range(PLACES_AT_MOST + 5):
        store.add([("shop.example", "_ga", "", f"/{number}")])
    store.add([("blog.example", "_ga", "", "/")])

    assert [row[3] for _, row in store.after(0)] == [*(f"/{number}" for number in range(PLACES_AT_MOST)), "/"]


def test_what_was_learned_first_goes_first(store, monkeypatch):
    monkeypatch.setattr(f"{module}.ROWS_AT_MOST", 3)
    for number in range(5):
        store.add([(f"h{number}.example", "_ga", "", "/")])

    assert [row[0] for _, row in store.after(0)] == ["h2.example", "h3.example", "h4.example"]


def test_the_file_is_private_and_holds_nothing_else(tmp_path, store):
    store.add([ROW])

    assert (tmp_path / "cookies.sqlite").stat().st_mode & 0o077 == 0
    columns = sqlite3.connect(tmp_path / "cookies.sqlite").execute("PRAGMA table_info(placed)").fetchall()
    assert [column[1] for column in columns] == ["number", "host", "name", "domain", "path"]


def test_another_file_of_that_name_is_refused(tmp_path):
    (tmp_path / "x.sqlite").write_bytes(b"no database" * 100)
    (tmp_path / "x.sqlite").chmod(0o600)

    with pytest.raises(sqlite3.Error):
        SqliteCookieStore(tmp_path / "x.sqlite", busy_timeout=1)
