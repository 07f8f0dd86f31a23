import asyncio
import json
import os
import threading

import pytest
from anchored import Log

from gateway.audit import anchor_file
from gateway.audit.anchor_file import File, Stdout
from gateway.audit.anchors import AnchorFailed, AnchorRefused
from gateway.audit.heads import keys_of
from gateway.stores.keyfile import create_keys


@pytest.fixture
def anchor(tmp_path):
    create_keys(tmp_path / "state")
    Log(tmp_path / "state", "w0").write(2)
    return Log(tmp_path / "state", "anchor")


@pytest.fixture
def pipe():
    """The end of a pipe that can be read, and standard output at the other."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb"), os.fdopen(reading, "rb") as reader:
        yield reader, Stdout(writing)


async def recalled(file: File, anchor: Log) -> dict[str, int]:
    pins = await file.recall(anchor.reader.statement(()), keys_of(anchor.slot))
    assert {pin.source for pin in pins} <= {file.name}
    return {pin.head.origin.rpartition("/")[2]: pin.head.size for pin in pins}


async def test_each_head_is_one_line_and_the_last_is_recalled(tmp_path, anchor):
    file = File(str(tmp_path / "heads.jsonl"))
    assert await recalled(file, anchor) == {}
    statements = [anchor.heads() for _ in range(3)]
    for statement in statements:
        await file.keep(statement)
    lines = [json.loads(line) for line in (tmp_path / "heads.jsonl").read_text().splitlines()]
    assert [line["note"] for line in lines] == [statement.signed.note for statement in statements]
    assert [sorted(line) for line in lines] == [["heads", "note", "time"]] * 3
    assert [sorted(head) for head in lines[-1]["heads"]] == [["origin", "root", "size"]]
    assert (tmp_path / "heads.jsonl").stat().st_mode & 0o777 == 0o600
    assert await recalled(file, anchor) == {
        "anchor": statements[-1].signed.head.size,
        "w0": statements[-1].heads[0].size,
    }


async def test_a_line_that_was_cut_short_is_passed_over(tmp_path, anchor):
    path = tmp_path / "heads.jsonl"
    file = File(str(path))
    first, second = anchor.heads(), anchor.heads()
    await file.keep(first)
    with path.open("ab") as stream:
        stream.write(second.line()[:40])
    assert (await recalled(file, anchor))["anchor"] == first.signed.head.size
    await file.keep(second)
    assert (await recalled(file, anchor))["anchor"] == second.signed.head.size
    assert path.read_bytes() == first.line() + second.line()[:40] + b"\n" + second.line()


async def test_a_file_with_something_else_is_refused(tmp_path, anchor):
    path = tmp_path / "notes.txt"
    path.write_text("buy milk\n")
    with pytest.raises(AnchorRefused, match="does not end in heads of logs"):
        await recalled(File(str(path)), anchor)


async def test_a_file_of_another_gateway_is_refused(tmp_path, anchor):
    create_keys(tmp_path / "other")
    file = File(str(tmp_path / "heads.jsonl"))
    await file.keep(Log(tmp_path / "other", "anchor").heads())
    anchor.heads()
    with pytest.raises(AnchorRefused, match="did not sign"):
        await recalled(file, anchor)


async def test_a_file_that_cannot_be_written_or_read_fails(tmp_path, anchor):
    file = File(str(tmp_path / "nowhere" / "heads.jsonl"))
    with pytest.raises(AnchorFailed, match="No such file"):
        await file.keep(anchor.heads())
    with pytest.raises(AnchorFailed, match="directory"):
        await recalled(File(str(tmp_path)), anchor)


async def test_standard_output_gets_the_same_line(anchor, pipe):
    reader, stdout = pipe
    statement = anchor.heads()
    await stdout.keep(statement)
    assert reader.readline() == statement.line()
    assert await stdout.recall(statement, []) == []


async def test_a_reader_that_is_slow_gets_every_byte(anchor, pipe, monkeypatch):
    monkeypatch.setattr(anchor_file, "_ATOMIC", 7)
    reader, stdout = pipe
    lines: list[bytes] = []
    thread = threading.Thread(target=lambda: lines.append(reader.readline()))
    thread.start()
    statement = anchor.heads()
    await stdout.keep(statement)
    thread.join(20)
    assert lines == [statement.line()]


async def test_a_pipe_that_nobody_reads_fails_and_holds_nothing_up(anchor, pipe, monkeypatch):
    monkeypatch.setattr(anchor_file, "STDOUT_PATIENCE", 0.05)
    statement = anchor.heads()

    async def fill() -> None:
        while True:
            await pipe[1].keep(statement)

    async with asyncio.timeout(20):
        with pytest.raises(AnchorFailed, match="nobody reads"):
            await fill()


async def test_a_closed_pipe_fails(anchor, pipe):
    pipe[0].close()
    with pytest.raises(AnchorFailed, match="Broken pipe"):
        await pipe[1].keep(anchor.heads())
