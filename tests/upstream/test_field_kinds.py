"""Kinds of fields: any spelling, and no room for senders to fill."""

import pytest

from gateway.upstream.field_kinds import CONNECTION, CONTENT_LENGTH, DATE, KINDS, ORDINARY, SINGLETON, THIS_HOP
from gateway.upstream.hops import HOP_BY_HOP


@pytest.mark.parametrize(
    ("name", "kind"),
    [(b"content-length", CONTENT_LENGTH), (b"date", DATE), (b"connection", CONNECTION), (b"x-date", ORDINARY)],
)
def test_any_spelling_has_the_same_kind(name, kind):
    for spelling in (name, name.title(), name.upper(), name):
        assert KINDS[spelling] == kind


def test_every_field_of_this_hop_is_known():
    kinds = {KINDS[name] for name in HOP_BY_HOP - {b"connection", b"transfer-encoding"}}
    assert kinds == {THIS_HOP}


def test_singletons_are_told_apart():
    kinds = [KINDS[name] for name in (b"Content-Type", b"Location", b"ETag", b"Content-Disposition")]
    assert len(set(kinds)) == len(kinds)
    assert sum(kinds) == SINGLETON


def test_made_up_names_fill_no_memory():
    for number in range(5000):
        assert KINDS[b"X-Made-Up-%d" % number] == ORDINARY
    assert KINDS[b"x" * 10_000] == ORDINARY
    assert len(KINDS) <= 1024
    assert max(map(len, KINDS)) <= 64
    assert KINDS[b"Content-Length"] == CONTENT_LENGTH
