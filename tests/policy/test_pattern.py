import pytest

from gateway.policy.pattern import PatternError, Rank, parse_host, parse_path


def test_a_path_pattern_is_read_segment_by_segment():
    pattern = parse_path("/café/{id:[0-9]{2,3}}/{name}/*/a b/**")

    assert [segment.rank for segment in pattern.segments] == [
        Rank.LITERAL,
        Rank.REGEX,
        Rank.NAME,
        Rank.STAR,
        Rank.LITERAL,
        Rank.REST,
    ]
    assert pattern.segments[0].literal == "café".encode()
    assert pattern.segments[1].regex == "[0-9]{2,3}"
    assert pattern.names == ("id", "name")
    assert pattern.exact is None


@pytest.mark.parametrize(
    ("text", "exact"), [("/", b"/"), ("/a", b"/a"), ("/a/", b"/a/"), ("/ü", b"/\xc3\xbc"), ("/*", None), ("/**", None)]
)
def test_a_pattern_without_open_segments_is_one_path(text, exact):
    assert parse_path(text).exact == exact


def test_a_slash_inside_braces_belongs_to_the_regular_expression():
    assert parse_path("/{x:a/b}/c").segments[0].regex == "a/b"


@pytest.mark.parametrize(
    ("text", "code", "offset"),
    [
        ("a", "PG210", 0),
        ("", "PG210", 0),
        ("/a//b", "PG210", 3),
        ("/a/./b", "PG210", 3),
        ("/a/..", "PG210", 3),
        ("/a/**/b", "PG210", 6),
        ("/a/**/", "PG210", 6),
        ("/a/b*", "PG210", 4),
        ("/a/x{id}", "PG210", 4),
        ("/a/{id}x", "PG210", 3),
        ("/a%20b", "PG210", 2),
        ("/a;b", "PG210", 2),
        ("/a\\b", "PG210", 2),
        ("/a?b", "PG210", 2),
        ("/a#b", "PG210", 2),
        ("/a\tb", "PG210", 2),
        ("/{}", "PG210", 2),
        ("/{1a}", "PG210", 2),
        ("/{a-b}", "PG210", 2),
        ("/{a}/{a:x}", "PG210", 5),
        ("/{a:(}", "PG212", 4),
        ("/x/{name:(?!a)b}", "PG212", 9),
        (r"/{a:(.)\1}", "PG212", 4),
    ],
)
def test_what_cannot_be_read_is_told_with_its_offset(text, code, offset):
    with pytest.raises(PatternError) as error:
        parse_path(text)

    assert (error.value.code, error.value.offset) == (code, offset)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Shop.Example", "shop.example"),
        ("shop.example.", "shop.example"),
        ("localhost:8080", "localhost:8080"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]:80", "[::1]:80"),
        ("*.shop.example", "*.shop.example"),
        ("*", "*"),
        ("my_host", "my_host"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_hosts_are_read_in_lower_case(text, host):
    assert parse_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        "http://x",
        "x/y",
        "a b",
        "a*.example",
        "*x.example",
        "x..y",
        "-x",
        "*.x:80",
        "x:0",
        "x:",
        "bücher.example",
        "💥" * 80,
    ],
)
def test_what_is_no_host_is_refused(text):
    with pytest.raises(PatternError) as error:
        parse_host(text)

    assert error.value.code == "PG211"
