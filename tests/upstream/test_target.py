"""The forms of a request's target, and hosts."""

import pytest

from gateway.model.errors import Fault
from gateway.upstream.target import host_of, read_target


@pytest.mark.parametrize(
    ("method", "raw", "expected"),
    [
        ("GET", b"/a%2Fb/%7E/;m=1//x/%2e%2e?q=%41&e=", (b"/a%2Fb/%7E/;m=1//x/%2e%2e?q=%41&e=", None)),
        ("GET", b"//evil/x", (b"//evil/x", None)),
        ("GET", b"/x?", (b"/x?", None)),
        ("GET", b"/[]{}|^`\\", (b"/[]{}|^`\\", None)),
        ("GET", b"http://u:p@other/x?y", (b"/x?y", b"other")),
        ("GET", b"HTTPS://other:8443", (b"/", b"other:8443")),
        ("GET", b"http://other?q", (b"/?q", b"other")),
        ("GET", b"http://a@b@c/", (b"/", b"c")),
        ("OPTIONS", b"*", (b"*", None)),
        ("OPTIONS", b"http://other", (b"*", b"other")),
        ("OPTIONS", b"/x", (b"/x", None)),
    ],
)
def test_targets(method, raw, expected):
    assert read_target(method, raw) == expected


@pytest.mark.parametrize(
    ("method", "raw"),
    [
        ("GET", b"*"),
        ("GET", b""),
        ("GET", b"/a#b"),
        ("GET", b"/a b"),
        ("GET", b"/\xc3\xa4"),
        ("GET", b"/\x7f"),
        ("GET", b"ftp://other/"),
        ("GET", b"http:/x"),
        ("GET", b"other:443"),
        ("GET", b"x/y"),
        ("GET", b"http://other/#x"),
        ("OPTIONS", b"*x"),
    ],
)
def test_no_targets(method, raw):
    with pytest.raises(Fault) as raised:
        read_target(method, raw)
    assert raised.value.code == "bad_request"
    assert raised.value.close


@pytest.mark.parametrize(
    ("authority", "scheme", "expected"),
    [
        (b"Shop.Example", "http", "shop.example"),
        (b"shop.example.", "http", "shop.example"),
        (b"shop.example:80", "http", "shop.example"),
        (b"shop.example:80", "https", "shop.example:80"),
        (b"shop.example:0443", "https", "shop.example"),
        (b"shop.example:", "http", "shop.example"),
        (b"[2001:DB8::1]:8080", "http", "[2001:db8::1]:8080"),
        (b"127.0.0.1:8080", "http", "127.0.0.1:8080"),
    ],
)
def test_hosts(authority, scheme, expected):
    assert host_of(authority, scheme) == expected


@pytest.mark.parametrize(
    "authority",
    [
        b"",
        b"a b",
        b"a/b",
        b"a@b",
        b"a:b",
        b"a:65536",
        b"a:123456",
        b"[::1",
        b"::1",
        b"a,b",
        b"a b/../c@d",
        b"\xe9",
        b":80",
    ],
)
def test_no_hosts(authority):
    with pytest.raises(Fault):
        host_of(authority, "http")
