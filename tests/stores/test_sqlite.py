import sqlite3

import pytest

from gateway.stores.sqlite import Unusable, open_database

IDENTITY = 0x70677700
FIRST = ("CREATE TABLE one (x INTEGER)",)
SECOND = ("CREATE TABLE two (x INTEGER)", "INSERT INTO two SELECT x + 1 FROM one")


def opened(path, *migrations):
    return open_database(path, application_id=IDENTITY, migrations=migrations, busy_timeout=0.1)


def test_a_new_file_is_private_and_uses_a_rollback_journal(tmp_path):
    path = tmp_path / "state" / "file.sqlite"
    connection = opened(path, FIRST)

    assert connection.execute("PRAGMA journal_mode").fetchone() == ("truncate",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_is_brought_to_the_newest_schema_and_keeps_its_rows(tmp_path):
    path = tmp_path / "file.sqlite"
    old = opened(path, FIRST)
    old.execute("INSERT INTO one VALUES (1)")
    old.close()

    assert opened(path, FIRST, SECOND).execute("SELECT x FROM two").fetchall() == [(2,)]
    assert opened(path, FIRST, SECOND).execute("PRAGMA user_version").fetchone() == (2,)


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "file.sqlite"
    opened(path, FIRST).close()
    with pytest.raises(sqlite3.OperationalError):
        opened(path, FIRST, (*SECOND, "NOT SQL"))

    connection = opened(path, FIRST)
    assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("one",)]


def test_a_file_of_a_newer_version_is_refused(tmp_path):
    path = tmp_path / "file.sqlite"
    opened(path, FIRST, SECOND).close()

    with pytest.raises(Unusable, match="newer"):
        opened(path, FIRST)


def other_database(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()


def other_application(path):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA application_id = 7")
    connection.close()


@pytest.mark.parametrize("made_by", [other_database, other_application])
def test_a_database_of_something_else_is_refused(tmp_path, made_by):
    path = tmp_path / "file.sqlite"
    made_by(path)

    with pytest.raises(Unusable, match="something else"):
        opened(path, FIRST)


def test_a_file_that_others_may_write_is_refused(tmp_path):
    path = tmp_path / "file.sqlite"
    opened(path, FIRST).close()
    path.chmod(0o620)

    with pytest.raises(Unusable, match="other users"):
        opened(path, FIRST)


def test_a_directory_is_refused(tmp_path):
    with pytest.raises((Unusable, OSError)):
        opened(tmp_path, FIRST)


def test_a_write_ahead_log_is_turned_back(tmp_path):
    path = tmp_path / "file.sqlite"
    connection = opened(path, FIRST)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()

    assert opened(path, FIRST).execute("PRAGMA journal_mode").fetchone() == ("truncate",)
