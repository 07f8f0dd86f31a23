import pytest

from gateway.crypto.keyring import KeyRing
from gateway.crypto.pseudonym import keyed_hash, pseudonym
from gateway.transforms.pseudonymise import hasher, pseudonymiser

KEYS = KeyRing(bytes(range(32)), "26q4a")


@pytest.mark.parametrize("transform", [pseudonymiser(KEYS, "mailer", "user.name"), hasher(KEYS, "user.name")])
def test_empty_stays_empty_and_nothing_else_does(transform):
    assert transform("") == ""
    assert transform(" ") != " "


def test_the_keys_are_those_of_the_scope():
    assert pseudonymiser(KEYS, "mailer", "user.name")("Ann") == pseudonym(
        KEYS.field_key("pseudonym", "mailer", "user.name"), "Ann", "user.name"
    )
    assert hasher(KEYS, "user.name")("Ann") == keyed_hash(KEYS.field_key("hash", "*", "user.name"), "Ann", "user.name")
