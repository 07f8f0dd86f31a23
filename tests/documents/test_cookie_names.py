import pytest

from gateway.documents.cookie_names import CookieNames, carried, name_of

NAMES = CookieNames([("_ga*", 1), ("_ga_*", 2), ("_ga_TEST", 3), ("sid", 4), ("sid", 5), ("a*", 6), ("a_b", 7)])


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("_ga", 1),
        ("_gat", 1),
        ("_ga_", 2),
        ("_ga_ABC", 2),
        ("_ga_TEST", 3),
        ("_ga_TEST2", 2),
        ("_GA", None),
        ("ga", None),
        ("sid", 4),
        ("sid2", None),
        ("%73id", 4),
        ("%5Fga_X", 2),
        ("_ga%5F1", 2),
        ("a%5Fb", 7),
        ("a%5Fc", 6),
        ("", None),
    ],
)
def test_an_exact_name_goes_before_a_pattern_and_a_longer_pattern_before_a_shorter_one(name, found):
    assert NAMES.find(name) == found


@pytest.mark.parametrize(
    ("segment", "name"),
    [
        (b"a=1", "a"),
        (b" a = 1", "a"),
        (b"\ta=1", "a"),
        (b"\x0b_ga=1", "_ga"),
        (b"a", "a"),
        (b"a=b=c", "a"),
        (b"=_ga=1", "_ga"),
        (b"= _ga = 1", "_ga"),
        (b"==_ga=1", "_ga"),
        (b"=_ga", "_ga"),
        (b"=", ""),
        (b"", ""),
    ],
)
def test_the_name_of_a_cookie(segment, name):
    assert name_of(segment) == name


def test_what_a_request_carries():
    headers = ((b"Cookie", b"sid=1; _ga_X=2; other=3; _ga_X=4"), (b"cookie", b"=_gat=5"), (b"X", b"sid=6"))

    assert carried(headers, NAMES) == {"sid": 4, "_ga_X": 2, "_gat": 1}
