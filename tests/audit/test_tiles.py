"""Published tiles, read as C2SP tlog-tiles says, without anything of what wrote them but the reading of bundles."""

from pathlib import Path

import pytest

from gateway.audit.proof_source import Source, Unprovable
from gateway.audit.tiles import Refused, bundle_hashes, publish, read_bundle, tile_path
from gateway.audit.verify_note import Malformed, read_note
from gateway.audit.verify_report import Verdict
from gateway.audit.verify_tree import Counter


@pytest.mark.parametrize(
    ("number", "width", "path"),
    [
        (0, 256, "tile/0/000"),
        (1234067, 256, "tile/0/x001/x234/067"),
        (999, 12, "tile/0/999.p/12"),
        (1000, 1, "tile/0/x001/000.p/1"),
    ],
)
def test_paths_are_those_of_the_specification(number, width, path):
    assert tile_path("0", number, width) == path


def tiles_needed(size):
    """(level, number, width) of all tiles of a tree: floor(s / 256**l) mod 256 hashes are in the last of a level."""
    level = 0
    while size >> 8 * level:
        count = size >> 8 * level
        for number in range(count >> 8):
            yield level, number, 256
        if count % 256:
            yield level, count >> 8, count % 256
        level += 1


def read_back(directory: Path) -> list[bytes]:
    """Entries of a published log; every tile that must be there is there, and holds the right hashes."""
    head = read_note((directory / "checkpoint").read_text(encoding="utf-8"))
    entries, leaves = [], []
    for level, number, width in tiles_needed(head.size):
        hashes = (directory / tile_path(str(level), number, width)).read_bytes()
        assert len(hashes) == width * 32
        if level == 0:
            bundle = (directory / tile_path("entries", number, width)).read_bytes()
            assert b"".join(bundle_hashes(bundle)) == hashes
            entries += read_bundle(bundle)
            leaves += [hashes[at : at + 32] for at in range(0, len(hashes), 32)]
        else:
            for place in range(width):
                start, span = (number * 256 + place) * 256**level, 256**level
                part = Counter()
                part.extend(leaves[start : start + span])
                assert part.root() == hashes[place * 32 : place * 32 + 32]
    whole = Counter()
    whole.extend(leaves)
    assert (whole.leaves, whole.root()) == (head.size, head.root)
    return entries


def grow(logs, groups, each):
    writer = logs.start(segment_bytes=30_000)
    for group in range(groups):
        writer.append([logs.short(f"{group}.{n}") for n in range(each)])
        writer.seal_finished()
    writer.close()


def test_a_log_is_published_and_goes_on_being_published(logs, tmp_path, no_sync):
    out = tmp_path / "site"
    for groups, each in ((1, 1), (1, 240), (2, 100), (1, 1), (5, 300)):
        grow(logs, groups, each)
        before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file() and ".p" not in str(path)}
        published = publish(Source(logs.slot), out)
        entries = read_back(out)
        assert (len(entries), published.pruned) == (published.head.size, 0)
        assert published.added > 0
        assert all(path.read_bytes() == data for path, data in before.items() if path.name != "checkpoint")
    lines = b"".join(path.read_bytes() for path in sorted((logs.slot / "sealed").glob("*.jsonl"))).split(b"\n")[:-1]
    assert entries == lines[:-1]
    assert not (out / "tile/0/000.p").exists()
    assert publish(Source(logs.slot), out).added == 0


def test_pieces_make_the_same_files_as_one_run(logs, tmp_path, no_sync):
    for groups in (1, 3, 2):
        grow(logs, groups, 150)
        publish(Source(logs.slot), tmp_path / "often")
    publish(Source(logs.slot), tmp_path / "once")
    once = {path.relative_to(tmp_path / "once") for path in (tmp_path / "once").rglob("*") if path.is_file()}
    for path in once:
        assert (tmp_path / "once" / path).read_bytes() == (tmp_path / "often" / path).read_bytes()


def refused(logs, out):
    with pytest.raises(Refused) as caught:
        publish(Source(logs.slot), out)
    return caught.value.verdict


def test_what_is_published_is_never_overwritten_by_another_history(logs, tmp_path, no_sync):
    out = tmp_path / "site"
    logs.write(groups=3, each=3)
    publish(Source(logs.slot), out)
    checkpoint = (out / "checkpoint").read_bytes()
    shorter, logs.slot = logs.slot, tmp_path / "other" / "w0"
    logs.write(groups=1, each=1)
    assert refused(logs, out) is Verdict.ROLLED_BACK
    logs.write(groups=9, each=9)
    assert refused(logs, out) is Verdict.FORK
    logs.slot = shorter
    [tile] = (out / "tile/0/000.p").iterdir()
    tile.write_bytes(bytes(len(tile.read_bytes())))
    grow(logs, 1, 1)
    assert refused(logs, out) is Verdict.TAMPERED
    tile.unlink()
    assert refused(logs, out) is Verdict.TAMPERED
    assert (out / "checkpoint").read_bytes() == checkpoint
    (tmp_path / "busy").mkdir()
    (tmp_path / "busy" / "index.html").touch()
    assert refused(logs, tmp_path / "busy") is Verdict.CANNOT


def test_a_changed_log_is_not_published(logs, tmp_path):
    logs.write(groups=2)
    logs.rewrite(logs.only_segment(), lambda lines: [*lines[:2], lines[2].replace(b"0.0", b"9.9"), *lines[3:]])
    with pytest.raises(Unprovable, match="audit verify"):
        publish(Source(logs.slot), tmp_path / "site")
    assert not (tmp_path / "site" / "checkpoint").exists()


def test_a_bundle_that_ends_within_an_entry():
    with pytest.raises(Malformed):
        list(read_bundle(b"\x00\x05abc"))
