"""Tokens of forms, where requests come from, forms, and rates. Pure."""

import contextlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.crypto.keyring import KeyRing
from gateway.model.message import RequestHead
from gateway.portal.csrf import TOKEN_DAYS, CsrfTokens, is_loaded_elsewhere, is_same_origin
from gateway.portal.forms import FormUnreadable, read_form, safe_path
from gateway.portal.rate_limit import RateLimit, peer_key

TOKENS = CsrfTokens(KeyRing(b"k" * 32, "26q4a"))
NOW = 1_795_000_000.0
DAY = 86_400
FORM = b"application/x-www-form-urlencoded"


def head(*lines, host="shop.example", peer="192.0.2.1"):
    return RequestHead("POST", b"/privacy/choices", host, tuple(lines), peer=peer)


def test_a_token_is_good_for_its_person_for_some_days():
    token = TOKENS.token("s1.a", NOW)
    assert TOKENS.fits(token, "s1.a", NOW)
    assert TOKENS.fits(token, "s1.a", NOW + TOKEN_DAYS * DAY)
    assert not TOKENS.fits(token, "s1.a", NOW + (TOKEN_DAYS + 1) * DAY)
    assert not TOKENS.fits(token, "s1.a", NOW - 2 * DAY)
    assert not TOKENS.fits(token, "s1.b", NOW)
    assert not CsrfTokens(KeyRing(b"l" * 32, "26q4a")).fits(token, "s1.a", NOW)


@given(st.text(alphabet=string.ascii_letters + string.digits + "._-", max_size=40))
def test_no_other_token_is_good(token):
    assert TOKENS.fits(token, "s1.a", NOW) is (token == TOKENS.token("s1.a", NOW))


@pytest.mark.parametrize(
    ("lines", "host", "here"),
    [
        ([], "shop.example", True),
        ([(b"Sec-Fetch-Site", b"same-origin")], "x", True),
        ([(b"Sec-Fetch-Site", b"none")], "x", False),
        ([(b"Sec-Fetch-Site", b"same-origin"), (b"Origin", b"https://evil.example")], "x", True),
        ([(b"Origin", b"https://shop.example")], "shop.example", True),
        ([(b"Origin", b"https://shop.example:443")], "shop.example", True),
        ([(b"Origin", b"https://Shop.Example:8443")], "shop.example:8443", True),
        ([(b"Origin", b"https://shop.example:8443")], "shop.example", False),
        ([(b"Origin", b"https://shop.example")], "", False),
        ([(b"Origin", b"null")], "null", False),
        ([(b"Origin", b"file://shop.example")], "shop.example", False),
        ([(b"Origin", b"http://[::1")], "[::1", False),
        ([(b"Origin", b"https://\xff")], "\xff", False),
    ],
)
def test_where_a_request_comes_from(lines, host, here):
    assert is_same_origin(head(*lines, host=host)) is here


@pytest.mark.parametrize(
    ("site", "mode", "dest", "elsewhere"),
    [
        ("", "", "", False),
        ("none", "navigate", "document", False),
        ("same-origin", "cors", "empty", False),
        ("same-origin", "navigate", "iframe", False),
        ("cross-site", "navigate", "document", False),
        ("same-site", "navigate", "document", False),
        ("cross-site", "no-cors", "image", True),
        ("cross-site", "navigate", "iframe", True),
        ("same-site", "navigate", "iframe", True),
        ("same-site", "cors", "empty", True),
        ("cross-site", "", "", True),
        ("unheard-of", "", "", True),
    ],
)
def test_what_other_origins_have_loaded(site, mode, dest, elsewhere):
    said = ((b"Sec-Fetch-Site", site), (b"Sec-Fetch-Mode", mode), (b"Sec-Fetch-Dest", dest))
    assert is_loaded_elsewhere(head(*((name, value.encode()) for name, value in said if value))) is elsewhere


@pytest.mark.parametrize(
    ("body", "selection"),
    [
        (b"choice:ads:*=yes&choice:a.b:net=no", {("ads", "*"): True, ("a.b", "net"): False}),
        (b"choice:ads:*=maybe&choice:ads=yes&choice=yes", {}),
        (b"except:ads:net=yes", {("ads", "net"): False}),
        (b"was=except:ads:net", {("ads", "net"): True}),
        (b"was=except:ads:net&except:ads:net=yes", {("ads", "net"): False}),
        (b"object:fraud=yes&was=object:sale", {("fraud", "*"): False, ("sale", "*"): True}),
        (b"was=choice:ads:*&was=x", {}),
    ],
)
def test_a_box_that_is_no_longer_ticked_is_an_answer_too(body, selection):
    assert read_form(FORM + b"; charset=utf-8", body).selection == selection


@given(st.binary(max_size=200))
def test_any_bytes_are_a_form_or_none(body):
    with contextlib.suppress(FormUnreadable):
        read_form(FORM, body)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/a?b=c#d", "/a?b=c#d"),
        ("/", "/"),
        ("a", ""),
        ("//a", ""),
        ("/\\a", ""),
        ("/\ta", ""),
        ("/a b", ""),
        ("/ä", ""),
        ("/.//a", ""),
        ("/..//a", ""),
        ("/a//b", ""),
        ("/a?b=//c#//d", "/a?b=//c#//d"),
        ("?/a", ""),
    ],
)
def test_only_a_path_of_this_host_leads_back(text, expected):
    assert safe_path(text) == expected


def test_a_rate_lets_through_what_it_says_and_fills_again():
    rates = RateLimit(3)
    assert [rates.allows("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert rates.allows("b", 0.0)
    assert not rates.allows("a", 19.0)
    assert rates.allows("a", 39.5)
    assert [rates.allows("a", 1000.0) for _ in range(4)] == [True, True, True, False]


def test_rates_remember_no_more_than_they_may():
    rates = RateLimit(1, most=2)
    for key in "abc":
        assert rates.allows(key, 0.0)
    assert not rates.allows("c", 0.0)
    assert rates.allows("a", 0.0)
    assert len(rates._buckets) == 2


@pytest.mark.parametrize(
    ("peer", "forwarded", "key"),
    [
        ("192.0.2.1", None, "192.0.2.1"),
        ("192.0.2.1", b"198.51.100.7", "192.0.2.1"),
        ("2001:db8:1:2:3::4", None, "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", None, "192.0.2.1"),
        ("", None, ""),
        ("10.0.0.1", None, ""),
        ("10.0.0.1", b"1.1.1.1, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", b"198.51.100.7:4711", "198.51.100.7"),
        ("10.0.0.1", b"[2001:db8:1:2:3::4]:4711", "2001:db8:1:2::/64"),
        ("10.0.0.1", b"[2001:db8:1:2:3::4]", "2001:db8:1:2::/64"),
        ("10.0.0.1", b"198.51.100.7:x", ""),
        ("10.0.0.1", b"198.51.100.7, unknown", ""),
    ],
)
def test_whom_a_request_is_counted_for(peer, forwarded, key):
    lines = () if forwarded is None else ((b"X-Forwarded-For", forwarded),)
    assert peer_key(head(*lines, peer=peer), ("10.0.0.0/8",)) == key
