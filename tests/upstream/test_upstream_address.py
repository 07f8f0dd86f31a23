"""URLs that name an upstream, and those that do not."""

import pytest

from gateway.upstream import parse_upstream


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a",
        "http://",
        "http://a/path",
        "http://u:p@a",
        "http://a?x",
        "http://a#x",
        "http://a b",
        "http://ä.example",
        "http://a:99999",
        "a:80",
    ],
)
def test_urls_that_name_no_upstream(url):
    with pytest.raises(ValueError):
        parse_upstream(url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a", ("http", "a", 80)),
        ("http://a/", ("http", "a", 80)),
        ("http://A:8000", ("http", "a", 8000)),
        ("http://[::1]:8000", ("http", "::1", 8000)),
        ("https://a", ("https", "a", 443)),
    ],
)
def test_urls(url, expected):
    upstream = parse_upstream(url)
    assert (upstream.scheme, upstream.host, upstream.port) == expected
    assert (upstream.ssl is not None) == (expected[0] == "https")
