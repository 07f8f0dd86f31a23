"""What a token has to be before it names anybody."""

import base64
import hashlib
import hmac
import json

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st
from tokens import AUDIENCE, ISSUER, Issuer

from gateway.crypto.signed_token import TokenDoubt, TokenRefused, TokenTerms, verify_token
from gateway.crypto.token_keys import ALGORITHMS, read_key_set
from gateway.model.identity import Identity, IdentitySource

NOW = 1_795_000_000
TERMS = TokenTerms(("ES256",), ISSUER, AUDIENCE)
ISSUED = Issuer()
KEYS = read_key_set(ISSUED.jwks(), TERMS.algorithms)
TIMES = {"exp": NOW + 600, "iat": NOW}


def told(token, keys=KEYS, terms=TERMS, now=NOW):
    """The name, or the doubt."""
    try:
        return verify_token(token, keys, terms, now).name
    except TokenRefused as refused:
        return refused.doubt


def token(**changed):
    return ISSUED.token(**(TIMES | changed))


def test_a_good_token_names_somebody_until_it_expires():
    assert verify_token(token(), KEYS, TERMS, NOW) == Identity(IdentitySource.TOKEN, "ann@shop.example", NOW + 630)


def test_the_claim_is_configured():
    terms = TokenTerms(("ES256",), ISSUER, AUDIENCE, claim="email")
    assert told(token(email="eve@shop.example"), terms=terms) == "eve@shop.example"
    assert told(token(), terms=terms) is TokenDoubt.NOBODY


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_that_can_be_pinned(algorithm):
    issuer = Issuer(algorithm)
    keys = read_key_set(issuer.jwks(), (algorithm,))
    terms = TokenTerms((algorithm,), ISSUER, AUDIENCE)
    assert told(issuer.token(**TIMES), keys, terms) == "ann@shop.example"
    assert told(Issuer(algorithm).token(**TIMES), keys, terms) is TokenDoubt.SIGNATURE


@pytest.mark.parametrize(
    ("changed", "doubt"),
    [
        ({"iss": "https://evil.example"}, TokenDoubt.ISSUER),
        ({"iss": ISSUER + "/"}, TokenDoubt.ISSUER),
        ({"iss": None}, TokenDoubt.MALFORMED),
        ({"aud": "other"}, TokenDoubt.AUDIENCE),
        ({"aud": []}, TokenDoubt.AUDIENCE),
        ({"aud": None}, TokenDoubt.MALFORMED),
        ({"exp": None}, TokenDoubt.MALFORMED),
        ({"exp": NOW - 30}, TokenDoubt.EXPIRED),
        ({"exp": 1e300}, TokenDoubt.MALFORMED),
        ({"nbf": NOW + 31}, TokenDoubt.NOT_YET),
        ({"iat": NOW + 31}, TokenDoubt.NOT_YET),
        ({"sub": None}, TokenDoubt.NOBODY),
        ({"sub": " "}, TokenDoubt.NOBODY),
        ({"aud": [AUDIENCE, 7]}, TokenDoubt.MALFORMED),
    ],
    ids=str,
)
def test_what_it_says_is_checked(changed, doubt):
    assert told(token(**changed)) is doubt


@pytest.mark.parametrize("sub", [7, True, ["ann@shop.example"], {"email": "ann@shop.example"}])
def test_only_a_text_is_a_name(sub):
    # PyJWT itself signs no such subject.
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": sub, **TIMES}
    signed = jwt.PyJWS().encode(json.dumps(said).encode(), ISSUED.key, "ES256", {"kid": "k1"})
    assert told(signed.encode()) is TokenDoubt.NOBODY


@pytest.mark.parametrize("changed", [{"exp": NOW - 29}, {"nbf": NOW + 30}, {"iat": NOW + 30}, {"aud": ["a", AUDIENCE]}])
def test_clocks_may_differ_by_the_leeway(changed):
    assert told(token(**changed)) == "ann@shop.example"


def encoded(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def unsigned(algorithm):
    return encoded({"alg": algorithm, "kid": "k1"}) + b"." + encoded(ISSUED.claims(**TIMES)) + b"."


@pytest.mark.parametrize("algorithm", ["none", "None", "", "HS256", "RS256", "ES384", "es256"])
def test_no_algorithm_but_those_that_are_pinned(algorithm):
    assert told(unsigned(algorithm) + b"AAAA") is TokenDoubt.ALGORITHM


def test_an_unsigned_token_is_none():
    assert told(unsigned("none")) is TokenDoubt.MALFORMED


@pytest.mark.parametrize("pinned", [("RS256",), ALGORITHMS])
def test_a_public_key_is_no_shared_secret(pinned):
    issuer = Issuer("RS256")
    keys = read_key_set(issuer.jwks(), pinned)
    pem = issuer.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signing = encoded({"alg": "HS256", "kid": "k1"}) + b"." + encoded(issuer.claims(**TIMES))
    tag = base64.urlsafe_b64encode(hmac.digest(pem, signing, hashlib.sha256)).rstrip(b"=")
    assert told(signing + b"." + tag, keys, TokenTerms(pinned, ISSUER, AUDIENCE)) is TokenDoubt.ALGORITHM


def test_a_key_serves_no_algorithm_of_another_type():
    issuer = Issuer("RS256")
    keys = read_key_set(issuer.jwks(), ("RS256", "ES256"))
    forged = ISSUED.token(headers={"kid": "k1"}, **TIMES)
    assert told(forged, keys, TokenTerms(("RS256", "ES256"), ISSUER, AUDIENCE)) is TokenDoubt.UNKNOWN_KEY


def test_the_key_is_found_by_its_id_or_is_the_only_one():
    assert told(ISSUED.token(headers={"kid": "k2"}, **TIMES)) is TokenDoubt.UNKNOWN_KEY
    other = Issuer(kid="k2")
    both = read_key_set(json.dumps({"keys": [ISSUED.jwk, other.jwk]}).encode(), ("ES256",))
    assert told(token(), both) == told(other.token(**TIMES), both) == "ann@shop.example"
    nameless = jwt.encode(ISSUED.claims(**TIMES), ISSUED.key, "ES256").encode()
    assert told(nameless) == "ann@shop.example"
    assert told(nameless, both) is TokenDoubt.UNKNOWN_KEY


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"opaque",
        b"a.b",
        b"a.b.c.d.e",
        b"....",
        b"A" * 20_000,
        encoded([]) + b".e30.AAAA",
        encoded({"alg": 7}) + b".e30.AAAA",
        encoded({"alg": "ES256", "kid": 7}) + b".e30.AAAA",
        base64.urlsafe_b64encode(b"[" * 9_000).rstrip(b"=") + b".e30.AAAA",
        encoded({"alg": "ES256", "kid": "k1", "crit": ["exp"]}) + b".e30.AAAA",
        encoded({"alg": "ES256", "kid": "k1", "b64": False}) + b"..AAAA",
    ],
    ids=lambda text: text[:12].decode() or "nothing",
)
def test_what_is_no_token(text):
    assert told(text) is TokenDoubt.MALFORMED


GOOD = token()


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_changed_byte_never_names_another(place, byte):
    changed = GOOD[:place] + bytes([byte]) + GOOD[place + 1 :]
    assert told(changed) in ("ann@shop.example", *TokenDoubt)
    if changed.rpartition(b".")[0] != GOOD.rpartition(b".")[0]:
        assert told(changed) in TokenDoubt


def test_a_refusal_repeats_nothing():
    with pytest.raises(TokenRefused) as caught:
        verify_token(token(iss="https://evil.example"), KEYS, TERMS, NOW)
    assert str(caught.value) == "issuer"
