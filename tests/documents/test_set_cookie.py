from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.documents.set_cookie import (
    Placed,
    cookie_date,
    default_path,
    deletions,
    limited,
    placed_cookies,
)
from gateway.model.cookie import CookieLimits

NOW = datetime(2026, 11, 24, tzinfo=UTC)
DAY = 86400


@pytest.mark.parametrize(
    ("line", "domain", "path"),
    [
        (b"a=1", "", "/shop"),
        (b"a=1; Path=/", "", "/"),
        (b"a=1; path = /x ", "", "/x"),
        (b"a=1; Path=x", "", "/shop"),
        (b"a=1; Path=", "", "/shop"),
        (b"a=1; Path=/x; Path=", "", "/shop"),
        (b"a=1; Path=/x; PATH=/y", "", "/y"),
        (b"a=1; Domain=shop.example", "shop.example", "/shop"),
        (b"a=1; Domain=.Shop.EXAMPLE; Path=/", "shop.example", "/"),
        (b"a=1; Domain=www.shop.example; Path=/", "www.shop.example", "/"),
        (b"a=1; Domain=; Path=/", "", "/"),
        (b"a=1; Domain=shop.example; Domain=; Path=/", "shop.example", "/"),
        (b"a=1;HttpOnly;Secure;Path=/", "", "/"),
        (b"a; Path=/", "", "/"),
    ],
)
def test_where_a_cookie_lies(line, domain, path):
    found = placed_cookies(((b"Set-Cookie", line),), "www.shop.example", b"/shop/cart?x=/y/z")

    assert list(found) == [Placed("a", domain, path)]


@pytest.mark.parametrize(
    "line",
    [
        b"a=1; Domain=other.example",
        b"a=1; Domain=hop.example",
        b"a=1; Domain=example",
        b"a=1; Domain=deep.www.shop.example",
        b"a b=1",
        b"=1 2",
        b"a=1; Path=/\xe9",
        b"a\x01=1",
    ],
)
def test_what_browsers_do_not_take_or_nobody_can_write_is_left_out(line):
    assert list(placed_cookies(((b"Set-Cookie", line),), "www.shop.example", b"/")) == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_domain_of_a_host_that_nothing_lies_below_is_the_host_alone(host):
    line = f"a=1; Domain={host}; Path=/x".encode()

    assert list(placed_cookies(((b"Set-Cookie", line),), host, b"/")) == [Placed("a", "", "/x")]


@pytest.mark.parametrize(
    ("target", "path"),
    [(b"/", "/"), (b"/a", "/"), (b"/a/", "/a"), (b"/a/b?c=/d/e", "/a"), (b"*", "/"), (b"", "/"), (b"/?a/b", "/")],
)
def test_the_default_path(target, path):
    assert default_path(target) == path


@pytest.mark.parametrize(
    ("name", "host", "places", "lines"),
    [
        ("_ga", "localhost", [], [b"_ga=; Max-Age=0; Path=/"]),
        ("_ga", "127.0.0.1", [], [b"_ga=; Max-Age=0; Path=/"]),
        ("_ga", "[::1]", [], [b"_ga=; Max-Age=0; Path=/"]),
        (
            "_ga",
            "www.shop.example",
            [("shop.example", "/"), ("", "/cart")],
            [
                b"_ga=; Max-Age=0; Path=/",
                b"_ga=; Max-Age=0; Path=/; Domain=shop.example",
                b"_ga=; Max-Age=0; Path=/cart",
                b"_ga=; Max-Age=0; Path=/; Domain=www.shop.example",
            ],
        ),
        (
            "__Secure-a",
            "shop.example",
            [],
            [
                b"__Secure-a=; Max-Age=0; Path=/; Secure",
                b"__Secure-a=; Max-Age=0; Path=/; Domain=shop.example; Secure",
            ],
        ),
        ("__Host-a", "shop.example", [("shop.example", "/x")], [b"__Host-a=; Max-Age=0; Path=/; Secure"]),
        ("__hOST-a", "shop.example", [], [b"__hOST-a=; Max-Age=0; Path=/; Secure"]),
        ("a", "shop.example\r\nX: y", [], [b"a=; Max-Age=0; Path=/"]),
        ("a", "localhost", [("x;y", "/"), ("", "/;HttpOnly"), ("", "x")], [b"a=; Max-Age=0; Path=/"]),
        ("a;b", "localhost", [], []),
        ("a\r\nX", "localhost", [], []),
        ("a b", "localhost", [], []),
        ("é", "localhost", [], []),
        ("", "localhost", [], []),
    ],
)
def test_deletions(name, host, places, lines):
    assert deletions(name, host, places) == lines


@given(st.text(max_size=20), st.text(max_size=20), st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9))))
def test_nothing_breaks_out_of_a_deletion(name, host, places):
    for line in deletions(name, host, places):
        text = line.decode("ascii")
        assert text.isprintable()
        assert text.startswith(name + "=; Max-Age=0; Path=/")
        assert text.count(";") <= 4


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a=1", b"a=1"),
        (b"a=1; Max-Age=60", b"a=1; Max-Age=60"),
        (b"a=1; Max-Age=86400", b"a=1; Max-Age=86400"),
        (b"a=1; Max-Age=86401; Path=/", b"a=1; Max-Age=86400; Path=/"),
        (b"a=1;max-age = 99999", b"a=1;max-age =86400"),
        (b"a=1; Max-Age=0", b"a=1; Max-Age=0"),
        (b"a=1; Max-Age=-1", b"a=1; Max-Age=-1"),
        (b"a=1; Max-Age=-" + b"9" * 5000, b"a=1; Max-Age=-" + b"9" * 5000),
        (b"a=1; Max-Age=" + b"9" * 5000, b"a=1; Max-Age=86400"),
        (b"a=1; Max-Age=" + b"0" * 50 + b"5", b"a=1; Max-Age=86400"),
        (b'a=1; Max-Age="99999"', b"a=1; Max-Age=86400"),
        (b"a=1; Max-Age=+99999", b"a=1; Max-Age=86400"),
        (b"a=1; Max-Age=99999; Max-Age=88888", b"a=1; Max-Age=86400; Max-Age=86400"),
        (b"a=1; Max-Age=soon", b"a=1; Max-Age=soon"),
        (b"a=1; Expires=Tue, 24 Nov 2026 12:00:00 GMT", b"a=1; Expires=Tue, 24 Nov 2026 12:00:00 GMT"),
        (b"a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", b"a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
        (b"a=1; Expires=Fri, 31 Dec 2027 23:59:59 GMT", b"a=1; Expires=Wed, 25 Nov 2026 00:00:00 GMT"),
        (b"a=1; expires=Friday, 31-Dec-27 23:59:59 GMT;x", b"a=1; expires=Wed, 25 Nov 2026 00:00:00 GMT;x"),
        (b"a=1; Expires=never", b"a=1; Expires=never"),
        (
            b"a=1; Max-Age=99999; Expires=Fri, 31 Dec 2027 23:59:59 GMT",
            b"a=1; Max-Age=86400; Expires=Wed, 25 Nov 2026 00:00:00 GMT",
        ),
    ],
)
def test_a_lifetime_is_shortened_and_never_lengthened(before, after):
    segment, *attributes = before.split(b";")

    kept = limited(attributes, CookieLimits(max_age=DAY), NOW.timestamp())

    assert b";".join([segment, *kept]) == after


@pytest.mark.parametrize(
    ("limits", "before", "after"),
    [
        (CookieLimits(secure=True), b"", b"; Secure"),
        (CookieLimits(secure=True), b"; secure", b"; secure"),
        (CookieLimits(http_only=True), b"; Path=/", b"; Path=/; HttpOnly"),
        (CookieLimits(http_only=True), b"; httponly=x", b"; httponly=x"),
        (CookieLimits(same_site="lax"), b"", b"; SameSite=Lax"),
        (CookieLimits(same_site="strict"), b"; samesite=none", b"; samesite=none"),
        (CookieLimits(same_site="strict"), b"; Max-Age=99999999", b"; Max-Age=99999999; SameSite=Strict"),
    ],
)
def test_attributes_are_added_and_never_changed(limits, before, after):
    kept = limited((b"a=1" + before).split(b";")[1:], limits, 0.0)

    assert b";".join([b"a=1", *kept]) == b"a=1" + after


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (b"Sun, 06 Nov 1994 08:49:37 GMT", (1994, 11, 6, 8, 49, 37)),
        (b"Sunday, 06-Nov-94 08:49:37 GMT", (1994, 11, 6, 8, 49, 37)),
        (b"Sun Nov  6 08:49:37 1994", (1994, 11, 6, 8, 49, 37)),
        (b"6 november 69 8:9:7", (2069, 11, 6, 8, 9, 7)),
        (b"06-Nov-2070 08:49:37", (2070, 11, 6, 8, 49, 37)),
        (b"Sun, 31 Feb 2027 08:49:37 GMT", None),
        (b"Sun, 06 Nov 1600 08:49:37 GMT", None),
        (b"Sun, 06 Nov 1994", None),
        (b"06 11 1994 08:49:37", None),
        (b"Sun, 06 Nov 1994 24:00:00 GMT", None),
        (b"Sun, 06 Nov 19945 08:49:37 GMT", None),
        (b"", None),
    ],
)
def test_a_date_is_read_as_browsers_read_it(text, moment):
    assert cookie_date(text) == (None if moment is None else datetime(*moment, tzinfo=UTC))


@given(st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1)), st.integers(1, 999_999 * DAY))  # noqa: DTZ001
def test_no_end_is_later_than_the_limit_allows(end, most):
    end = end.replace(tzinfo=UTC, microsecond=0)
    attribute = b" Expires=" + format_datetime(end, usegmt=True).encode()

    (kept,) = limited([attribute], CookieLimits(max_age=most), NOW.timestamp())

    assert cookie_date(kept.partition(b"=")[2]) == min(end, NOW + timedelta(seconds=most))
