import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.path_views import doubtful, normal_views, written_view


def texts(view):
    return [text for text, _, _ in view]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/", False),
        (b"/a/b.c/..d/.well-known/e.", False),
        (b"/...", False),
        (b"/a/", False),
        (b"*", False),
        (b"/a%20b", True),
        (b"/a;b", True),
        (b"/a\\b", True),
        (b"/a\x00", True),
        (b"//a", True),
        (b"/a//", True),
        (b"/./a", True),
        (b"/a/.", True),
        (b"/a/../b", True),
        (b"/a/..", True),
    ],
)
def test_doubt_is_raised_by_what_readers_disagree_about(path, expected):
    assert doubtful(path) is expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/caf%C3%A9/a%20b", [b"caf\xc3\xa9", b"a b"]),
        (b"/%41/%2e%2E/%2f/%3B/%5c/%25/%00", [b"%41", b"%2e%2E", b"%2f", b"%3B", b"%5c", b"%25", b"%00"]),
        (b"/a//b/", [b"a", b"", b"b", b""]),
        (b"/%zz", [b"%zz"]),
    ],
)
def test_the_written_view_decodes_only_what_has_no_other_spelling(path, expected):
    view = written_view(path)

    assert texts(view) == expected
    assert b"/".join(path[start:end] for _, start, end in view) == path[1:]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/a/./b/../c", [b"a", b"c"]),
        (b"/..", [b""]),
        (b"/../../a", [b"a"]),
        (b"/a/b/..", [b"a", b""]),
        (b"/a/.", [b"a", b""]),
        (b"/a//b///", [b"a", b"b", b""]),
        (b"/a%2Fb\\c%5cd", [b"a", b"b", b"c", b"d"]),
        (b"/%2e%2E/%61;x=1/b;", [b"a", b"b"]),
        (b"/%zz/%", [b"%zz", b"%"]),
        (b"/", [b""]),
    ],
)
def test_the_normal_view_is_what_a_helpful_server_sees(path, expected):
    assert texts(normal_views(path)[0]) == expected


def test_a_second_decoding_and_a_nul_are_views_of_their_own():
    assert [texts(view) for view in normal_views(b"/%252e%252e/a")] == [[b"%2e%2e", b"a"], [b"a"]]
    assert [texts(view) for view in normal_views(b"/a/b%00/c")] == [[b"a", b"b\0", b"c"], [b"a", b"b"]]
    assert [texts(view) for view in normal_views(b"/a\0b")] == [[b"a\0b"], [b"a"]]


@given(st.lists(st.sampled_from([b"a", b"b.c", b".x", b"..."]), min_size=1), st.booleans())
def test_all_views_agree_on_a_path_without_doubt(segments, slash):
    path = b"/" + b"/".join(segments) + (b"/" if slash else b"")

    assert not doubtful(path)
    assert written_view(path) == normal_views(path)[0]
    assert len(normal_views(path)) == 1


@given(st.text("abC%2fe.5;/\\\0", max_size=24))
def test_no_path_breaks_the_views_and_spans_stay_inside(text):
    path = b"/" + text.encode()
    for view in (written_view(path), *normal_views(path)):
        for _, start, end in view:
            assert 1 <= start <= end <= len(path)
