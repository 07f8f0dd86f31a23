"""The file of the index: never trusted beyond what it is, never half there, shared by processes."""

import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from gateway.audit import index_file
from gateway.audit.index import Damaged, Index
from gateway.audit.index_file import APPLICATION_ID, BUILDING, NAME, VERSION, writing
from gateway.audit.search import Query
from gateway.model.errors import StoreDown


@pytest.fixture
def home(logs):
    logs.now = "2026-11-23T13:07:25.123456Z"
    logs.write(groups=4)
    return logs.slot.parent


def found(home):
    with Index.open(home) as index:
        return len(list(index.search(Query(kind="collect"))))


def change(home, *statements):
    with sqlite3.connect(home / NAME) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def inode(home):
    return (home / NAME).stat().st_ino


def test_the_file_is_private_and_whole(home):
    assert found(home) == 8
    assert (home / NAME).stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in home.iterdir()) == ["index.lock", NAME, "w0"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_makes_belongs_to_whom_the_logs_belong_to(home):
    os.chown(home, 12345, 12346)
    assert found(home) == 8
    assert {(path.stat().st_uid, path.stat().st_gid) for path in home.glob("index.*")} == {(12345, 12346)}
    before = inode(home)
    assert found(home) == 8
    os.chown(home / NAME, 54321, 0)
    assert found(home) == 8
    assert inode(home) != before


def no_database(path):
    path.write_bytes(b"not a database" * 1000)


def emptied(path):
    path.write_bytes(b"")


def cut(path):
    path.write_bytes(path.read_bytes()[: 2 * 4096])


def scribbled(path):
    data = path.read_bytes()
    path.write_bytes(data[:4096] + os.urandom(len(data) - 4096))


def writable_by_all(path):
    path.chmod(0o666)


def linked(path):
    other = path.with_name("elsewhere")
    path.rename(other)
    path.symlink_to(other)


@pytest.mark.parametrize("damage", [no_database, emptied, cut, scribbled, writable_by_all, linked])
def test_a_damaged_or_foreign_file_is_built_anew(home, damage):
    found(home)
    damage(home / NAME)
    assert found(home) == 8
    assert (home / NAME).is_symlink() is False
    assert (home / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "statement",
    [
        f"PRAGMA user_version = {VERSION + 1}",
        f"PRAGMA user_version = {VERSION - 1}",
        f"PRAGMA application_id = {APPLICATION_ID + 1}",
        "CREATE VIEW slot2 AS SELECT 1",
        "CREATE TRIGGER t AFTER INSERT ON record BEGIN DELETE FROM record; END",
        "DROP INDEX record_form",
        "UPDATE segment SET done = 'x'",
        "UPDATE segment SET done = -5, tail_at = -9",
        "UPDATE segment SET first = 99999999999999999",
        "UPDATE segment SET sealed = 0, tail = x'00'",
        "UPDATE slot SET id = -1",
        "UPDATE slot SET id = 1 << 50",
        "UPDATE slot SET origin = 'another/log'",
    ],
)
def test_another_version_or_other_contents_are_built_or_read_anew(home, statement):
    found(home)
    change(home, statement)
    assert found(home) == 8


def test_damage_that_shows_only_in_a_search_is_said(home):
    index = Index.open(home)
    data = (home / NAME).read_bytes()
    (home / NAME).write_bytes(data[:4096] + bytes(len(data) - 4096))
    with pytest.raises(Damaged, match="index --rebuild"):
        list(index.search(Query(kind="collect")))
    with pytest.raises(Damaged, match="index --rebuild"):
        index.records()
    index.close()


def test_a_journal_of_a_writer_that_died_does_not_get_into_a_new_file(home, logs):
    found(home)
    connection = sqlite3.connect(home / NAME, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")  # so that the journal counts before it is synced
    connection.execute("BEGIN")
    connection.execute("UPDATE record SET time = 0, leaf = x'00'")
    journal = (home / f"{NAME}-journal").read_bytes()
    connection.execute("ROLLBACK")
    connection.close()
    assert len(journal) > 4096
    logs.write(groups=60)
    (home / f"{NAME}-journal").write_bytes(journal)
    Index.open(home, rebuild=True).close()
    assert found(home) == 128


@pytest.mark.parametrize("blocked", [index_file.LOCK, BUILDING])
def test_where_nothing_can_be_written_that_is_said(home, blocked):
    (home / blocked).mkdir()
    with pytest.raises(StoreDown, match="cannot be written"):
        Index.open(home)


def test_a_writer_is_waited_for(home, monkeypatch):
    monkeypatch.setattr(index_file, "BUSY_SECONDS", 0.05)
    with writing(home), pytest.raises(StoreDown, match="for too long"):
        Index.open(home)
    assert found(home) == 8


def test_a_process_that_builds_is_hardly_waited_for(home, monkeypatch):
    monkeypatch.setattr(index_file, "BUILDING_SECONDS", 0.05)
    with writing(home):
        (home / BUILDING).touch()
        with pytest.raises(StoreDown, match="building the index"):
            Index.open(home)
    assert found(home) == 8


BUILD = """
import sys, time
from pathlib import Path
from gateway.audit import index_fill
from gateway.audit.index import Index
index_fill.CHUNK = 1000
def told(done, total):
    print(done, flush=True)
    time.sleep(0.2)
Index.open(Path(sys.argv[1]), rebuild=True, progress=told)
"""


def builder(home):
    process = subprocess.Popen([sys.executable, "-c", BUILD, str(home)], stdout=subprocess.PIPE)
    assert process.stdout.readline()  # in the middle of it
    return process


def test_a_kill_in_the_middle_of_building_leaves_no_half_index(home):
    with builder(home) as process:
        process.send_signal(signal.SIGKILL)
    assert (home / BUILDING).exists()
    assert not (home / NAME).exists()
    assert found(home) == 8
    assert not (home / BUILDING).exists()


def test_an_index_that_is_open_goes_on_while_another_is_built(home, monkeypatch):
    monkeypatch.setattr(index_file, "BUILDING_SECONDS", 0.05)
    with Index.open(home) as index:
        before = inode(home)
        with builder(home) as process:
            assert len(list(index.search(Query(kind="collect")))) == 8
            with pytest.raises(StoreDown, match="building the index"):
                Index.open(home)
            assert process.wait(30) == 0
        assert inode(home) != before
        assert len(list(index.search(Query(kind="collect")))) == 8
    assert found(home) == 8


GO_ON = """
import sys
from pathlib import Path
from gateway.audit import index_fill
from gateway.audit.index import Index
index_fill.CHUNK, index_fill.COMMIT_ROWS = 500, 2
def told(done, total):
    if done > total / 2:
        __import__("os").kill(__import__("os").getpid(), 9)
Index.open(Path(sys.argv[1]), progress=told)
"""


def test_a_kill_while_it_is_brought_up_to_date_leaves_it_right(home, logs):
    assert found(home) == 8
    logs.write(groups=20)
    done = subprocess.run([sys.executable, "-c", GO_ON, str(home)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert found(home) == 48


SEARCH = """
import sys
from pathlib import Path
from gateway.audit.index import Index
from gateway.audit.search import Query
for _ in range(20):
    with Index.open(Path(sys.argv[1])) as index:
        found = [entry.index for entry in index.search(Query(kind="collect"))]
        assert found == sorted(found, reverse=True), found
        assert 8 <= len(found) <= index.count(Query(kind="collect")).records
print(len(found))
"""


def test_processes_search_and_bring_it_up_to_date_at_once_while_the_log_grows(home, logs):
    assert found(home) == 8
    writer = logs.start()
    searchers = [subprocess.Popen([sys.executable, "-c", SEARCH, str(home)], stdout=subprocess.PIPE) for _ in range(2)]
    while any(process.poll() is None for process in searchers):
        writer.append([logs.record("more")])
        time.sleep(0.002)
    writer.close()
    counts = [int(process.communicate()[0]) for process in searchers]
    assert [process.returncode for process in searchers] == [0, 0]
    assert min(counts) >= 8
    with Index.open(home) as index:
        assert index.count(Query(request="more")).records == writer.records
