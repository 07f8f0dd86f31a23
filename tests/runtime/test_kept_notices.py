"""Notices are kept as they were shown, under their digest."""

import hashlib

import pytest

from gateway.model.errors import StoreDown
from gateway.runtime.kept_notices import NOTICES, KeptNotices

HTML = b"<p>Wir fragen Sie.</p>\n"


async def test_a_notice_is_kept_once_under_its_digest(tmp_path):
    kept = KeptNotices(tmp_path)
    digest = await kept.keep(HTML)
    path = tmp_path / NOTICES / f"{digest}.html"
    assert digest == hashlib.sha256(HTML).hexdigest()
    assert path.read_bytes() == HTML
    assert path.stat().st_mode & 0o077 == 0
    before = path.stat().st_mtime_ns
    assert await KeptNotices(tmp_path).keep(HTML) == digest
    assert path.stat().st_mtime_ns == before
    assert await kept.read(digest) == HTML


@pytest.mark.parametrize("digest", ["0" * 64, "", "../keys", "A" * 64])
async def test_what_was_never_kept_is_nothing(tmp_path, digest):
    assert await KeptNotices(tmp_path).read(digest) is None


async def test_a_notice_that_was_changed_is_not_shown(tmp_path):
    kept = KeptNotices(tmp_path)
    digest = await kept.keep(HTML)
    (tmp_path / NOTICES / f"{digest}.html").write_bytes(HTML + b" ")
    with pytest.raises(StoreDown):
        await kept.read(digest)
    with pytest.raises(StoreDown):
        await KeptNotices(tmp_path).keep(HTML)


async def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / NOTICES).write_text("a file")
    with pytest.raises(StoreDown):
        await KeptNotices(tmp_path).keep(HTML)
