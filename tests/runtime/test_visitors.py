"""The cookie of a visitor: who gets to be one, and every way in which somebody could be another one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.crypto.keyring import KeyRing, canonical_identifier, names_visitor
from gateway.model.identity import Identity, IdentitySource
from gateway.model.message import RequestHead
from gateway.runtime.identities import Identities
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings_identity import IdentitySettings, TrustedHeader
from gateway.runtime.visitors import VISITOR_COOKIE, Visitors

KEYS = KeyRing(b"k" * 32, "26q4a")
VISITORS = Visitors(KEYS, 180)
OTHER = Visitors(KeyRing(b"o" * 32, "26q4a"), 180)
FOREVER = float("inf")


def cookie_of(made: bytes) -> bytes:
    return made.partition(b";")[0]


def lines(*cookies: bytes):
    return ((b"Host", b"shop.example"), *((b"Cookie", cookie) for cookie in cookies))


def test_a_new_visitor_is_known_again_by_the_cookie():
    visitor, made = VISITORS.new()
    assert re.fullmatch(r"visitor:[A-Za-z0-9_-]{22}", visitor.name)
    assert VISITORS.read(lines(cookie_of(made))) == visitor
    assert VISITORS.read(lines(b"a=1; " + cookie_of(made) + b"; b=2")) == visitor
    assert VISITORS.new()[0] != visitor


def test_a_browser_keeps_the_cookie_to_this_host_and_away_from_scripts():
    _, made = Visitors(KEYS, 2).new()
    name, *attributes = made.split(b"; ")
    assert name.startswith(b"__Host-privacy-visitor=")
    # RFC 6265bis, section 4.1.3.2: the prefix asks for Secure, Path=/ and no Domain.
    assert attributes == [b"Path=/", b"Secure", b"HttpOnly", b"SameSite=Lax", b"Max-Age=172800"]


def test_without_the_cookie_nobody_spoke():
    for line in (b"", b"a=1", b"privacy-visitor=x", b"__host-privacy-visitor=x", b"__Host-privacy-visitor2=x",
                 b"a=__Host-privacy-visitor", b"__%48ost-privacy-visitor=x"):  # fmt: skip
        assert VISITORS.read(lines(line)) is None
    assert VISITORS.read(((b"X-Cookie", cookie_of(VISITORS.new()[1])),)) is None


def nobody(*cookies: bytes) -> bool:
    read = VISITORS.read(lines(*cookies))
    return read is not None and not read.names_somebody


def test_a_cookie_that_another_gateway_made_is_nobodys():
    assert nobody(cookie_of(OTHER.new()[1]))


def test_a_cookie_that_comes_twice_is_nobodys():
    mine, theirs = (cookie_of(VISITORS.new()[1]) for _ in range(2))
    assert nobody(mine + b"; " + theirs)
    assert nobody(mine, theirs)
    assert nobody(mine + b"; " + mine)
    assert nobody(mine + b"; __Host-privacy-visitor=")
    assert nobody(b"__Host-privacy-visitor; " + mine)


@given(st.data())
def test_a_cookie_with_anything_altered_is_nobodys(data):
    value = cookie_of(VISITORS.new()[1]).partition(b"=")[2]
    place = data.draw(st.integers(0, len(value) - 1))
    put = data.draw(st.binary(min_size=0, max_size=2))
    changed = value[:place] + put + value[place + 1 :]
    if changed == value or b";" in put or changed.strip(b" \t") == value:
        return
    assert nobody(VISITOR_COOKIE + b"=" + changed)


@given(st.binary(max_size=60).filter(lambda value: b";" not in value))
def test_nobody_can_make_a_cookie(value):
    assert nobody(VISITOR_COOKIE + b"=" + value)


def test_the_tag_of_one_number_is_not_that_of_another():
    one, other = (cookie_of(VISITORS.new()[1]).partition(b"=")[2].split(b".") for _ in range(2))
    assert nobody(VISITOR_COOKIE + b"=" + one[0] + b"." + other[1])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"%b", None),
        (b"a=1; %b; b=2", b"a=1; b=2"),
        (b"%b; b=2", b"b=2"),
        (b"a=1;%b", b"a=1"),
        (b"a=1; %b; %b;b=2;", b"a=1;b=2;"),
        (b" a = 1 ; b=__Host-privacy-visitor", b" a = 1 ; b=__Host-privacy-visitor"),
        (b"__Host-privacy-visitor; a=1", b"a=1"),
        (b"__Host-privacy-visitor=forged", None),
        (b"__Host-privacy-visitors=x", b"__Host-privacy-visitors=x"),
    ],
)
def test_it_is_taken_away_and_all_other_bytes_stay(before, after):
    value = cookie_of(VISITORS.new()[1])
    came = before.replace(b"%b", value)
    kept = VISITORS.without(((b"A", b"1"), (b"cookie", came), (b"B", b"2")))
    assert kept == ((b"A", b"1"), *([] if after is None else [(b"cookie", after)]), (b"B", b"2"))


def test_fields_without_it_are_the_very_same():
    given = lines(b"a=1; b=2")
    assert VISITORS.without(given) is given


# --- what no other source may say ------------------------------------------------------------------

CLAIMS = [
    "visitor:AAAAAAAAAAAAAAAAAAAAAA",
    " Visitor:x",
    "VISITOR:X",
    "ｖｉｓｉｔｏｒ：x",
    "visitor\uff1ax",
    "visitor:",
]
NO_CLAIMS = ["ann@shop.example", "visitor", "a visitor:x", "https://visitor:x@host", "urn:uuid:1", "", "ä", "\ud800:"]


@pytest.mark.parametrize("name", CLAIMS)
def test_a_name_that_would_be_a_visitors_is_told_however_it_is_spelt(name):
    assert names_visitor(name)
    assert canonical_identifier(name).startswith(b"visitor:")


@pytest.mark.parametrize("name", NO_CLAIMS)
def test_other_names_are_no_visitors(name):
    assert not names_visitor(name)


@given(st.text())
def test_whatever_leads_to_a_visitors_handle_is_told(name):
    try:
        canonical = canonical_identifier(name)
    except ValueError:
        assert not names_visitor(name)
    else:
        assert names_visitor(name) == canonical.startswith(b"visitor:")


def resolve(*headers, visitor=None, certified=None):
    metrics = Metrics()
    settings = IdentitySettings(trusted_header=TrustedHeader("x-user", ("10.0.0.0/8",)))
    sources = Identities(settings, None, metrics, VISITORS)
    head = RequestHead("GET", b"/", "shop.example", headers, certified=certified, visitor=visitor)
    found = sources.resolve(head)
    assert sources.resolve(head) == found
    return found, {key: count // 2 for key, count in metrics.identities.items()}


def test_the_visitor_comes_last():
    visitor, _ = VISITORS.new()
    assert resolve(visitor=visitor) == (visitor, {("visitor", "verified"): 1})
    header = (b"X-User", b"ann")
    named = Identity(IdentitySource.HEADER, "ann", FOREVER)
    assert resolve(header, visitor=visitor) == (named, {("header", "verified"): 1})
    certified = Identity(IdentitySource.CERTIFICATE, "", FOREVER)
    assert resolve(visitor=visitor, certified=certified) == (None, {("certificate", "refused"): 1})
    assert resolve(header, header, visitor=visitor) == (None, {("header", "repeated"): 1})


def test_a_cookie_that_is_not_believed_is_counted():
    assert resolve(visitor=VISITORS.read(lines(cookie_of(OTHER.new()[1])))) == (None, {("visitor", "refused"): 1})
    assert resolve() == (None, {})


@pytest.mark.parametrize("name", [name.encode() for name in CLAIMS if name.isascii()])
def test_a_header_cannot_name_a_visitor_nor_step_aside_for_one(name):
    visitor, _ = VISITORS.new()
    assert resolve((b"X-User", name), visitor=visitor) == (None, {("header", "refused"): 1})
