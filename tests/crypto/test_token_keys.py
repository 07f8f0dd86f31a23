"""Which keys of a JWK set serve."""

import json

import pytest
from tokens import Issuer, new_key

from gateway.crypto.token_keys import ALGORITHMS, read_key_set

ES = Issuer("ES256").jwk
RS = Issuer("RS256").jwk
SHORT = Issuer("RS256").public(new_key("RS256", bits=1024)) | {"kid": "k1"}


def found(*keys, algorithm="ES256"):
    return read_key_set(
        json.dumps({"keys": [ES | {"kid": "other"}, RS | {"kid": "other"}, *keys]}).encode(), ALGORITHMS
    ).find(algorithm, "k1")


def test_a_key_that_serves():
    assert found(ES) is not None
    assert found(RS, algorithm="RS256") is not None
    assert found(ES | {"alg": "ES256", "key_ops": ["verify"]}) is not None


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ES | {"use": "enc"}, "ES256"),
        (ES | {"alg": "ES384"}, "ES256"),
        (ES | {"crv": "P-384"}, "ES256"),
        (ES | {"crv": "secp256k1"}, "ES256"),
        (ES | {"key_ops": ["sign"]}, "ES256"),
        (ES | {"d": "AAAA"}, "ES256"),
        (ES | {"x": "AAAA"}, "ES256"),
        (ES | {"x": 7}, "ES256"),
        (ES, "ES384"),
        (ES, "RS256"),
        (RS | {"alg": "RS512"}, "RS256"),
        (RS | {"n": ""}, "RS256"),
        (SHORT, "RS256"),
        ({"kty": "oct", "k": "c2VjcmV0", "kid": "k1", "alg": "HS256"}, "ES256"),
    ],
    ids=range(14),
)
def test_a_key_that_does_not(key, algorithm):
    assert found(key, algorithm=algorithm) is None


def test_an_id_that_stands_twice_is_no_id():
    assert found(ES, Issuer("ES256").jwk) is None


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"keys": 7}', b'{"keys": []}', b"[" * 100_000, b'{"keys":[7]}'])
def test_what_is_no_set(text):
    with pytest.raises(ValueError, match="JWK set"):
        read_key_set(text, ALGORITHMS)


def test_a_set_without_a_key_for_what_is_pinned_is_none():
    with pytest.raises(ValueError, match="pinned"):
        read_key_set(json.dumps({"keys": [ES]}).encode(), ("RS256",))
