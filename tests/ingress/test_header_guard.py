"""The trusted header and everything that a server could take for it."""

import pytest

from gateway.ingress.header_block import read_fields
from gateway.ingress.header_guard import HeaderGuard
from gateway.model.errors import Fault
from gateway.model.limits import DEFAULT_LIMITS

OTHERS = ((b"Host", b"shop.example"), (b"X-Used", b"1"), (b"X-User-Agent", b"2"), (b"XX-User", b"3"))
VARIANTS = (b"X_User", b"x_user", b"X_USER", b"X.User", b"x~user", b"X!USER")
SPELLINGS = (b"X-User", b"x-user", b"X-USER")


def onward(name, *, listed, value=b"eve"):
    lines = (OTHERS[0], (name, value), *OTHERS[1:])
    guard = HeaderGuard(b"x-user", listed=listed)
    return read_fields(lines, DEFAULT_LIMITS, legacy=False, trusted=False, guard=guard).onward


@pytest.mark.parametrize("name", [*VARIANTS, *SPELLINGS])
def test_from_any_other_peer_all_of_them_go(name):
    assert onward(name, listed=False) == OTHERS


@pytest.mark.parametrize("name", VARIANTS)
def test_from_a_listed_peer_the_variants_go(name):
    assert onward(name, listed=True) == OTHERS


@pytest.mark.parametrize("name", SPELLINGS)
def test_from_a_listed_peer_the_name_itself_stays_in_its_place(name):
    assert onward(name, listed=True) == (OTHERS[0], (name, b"eve"), *OTHERS[1:])


def test_a_variant_beside_the_name_goes_alone():
    lines = (*OTHERS, (b"x_user", b"eve"), (b"X-User", b"ann"), (b"X.User", b"ann"))
    assert HeaderGuard(b"x-user", listed=True).strip(lines) == (*OTHERS, (b"X-User", b"ann"))
    assert HeaderGuard(b"x-user", listed=False).strip(lines) == OTHERS


@pytest.mark.parametrize("second", SPELLINGS)
def test_a_listed_peer_that_says_it_twice_is_refused(second):
    lines = (*OTHERS, (b"X-User", b"ann"), (second, b"eve"))
    with pytest.raises(Fault) as caught:
        HeaderGuard(b"x-user", listed=True).strip(lines)
    assert caught.value.code == "bad_request"
    assert HeaderGuard(b"x-user", listed=False).strip(lines) == OTHERS


def test_fields_without_it_are_the_very_same():
    assert HeaderGuard(b"x-user", listed=False).strip(OTHERS) is OTHERS
    assert HeaderGuard(b"x-user", listed=True).strip(OTHERS) is OTHERS
