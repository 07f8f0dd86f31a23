import re

import pytest

from gateway.crypto.keyring import KeyRing
from gateway.documents.edit import Empty, Remove, Replace, Retain
from gateway.model.action import Blank, Block, Drop, Generalisation, Generalise, Hash, Keep, Mask, Pseudonym
from gateway.transforms import operation_of

KEYS = KeyRing(bytes(range(32)), "26q4a")
EMAIL = "user.contact.email"


def operation(action, *, data_class=EMAIL, recipient="mailer", keys=KEYS):
    return operation_of(action, data_class=data_class, recipient=recipient, keys=keys)


@pytest.mark.parametrize(
    ("action", "expected"), [(Keep(), Retain()), (Block(), Retain()), (Drop(), Remove()), (Blank(), Empty())]
)
def test_actions_without_a_new_value(action, expected):
    assert operation(action) == expected


@pytest.mark.parametrize(
    ("action", "pattern"),
    [
        (Mask(keep_first=1), r"a\*\*@\*\.\*{7}"),
        (Generalise(Generalisation.EMAIL_DOMAIN), r"x\.example"),
        (Pseudonym(), r"p1\.26q4a\.[\w-]{22}"),
        (Hash(), r"h1\.26q4a\.[\w-]{22}"),
    ],
)
def test_actions_with_a_new_value(action, pattern):
    made = operation(action)

    assert isinstance(made, Replace)
    assert re.fullmatch(pattern, made.transform("ann@x.example"))


def test_pseudonyms_differ_by_recipient_and_class_and_hashes_by_class_alone():
    def made(action, **scope):
        return operation(action, **scope).transform("ann@x.example")

    assert made(Pseudonym()) != made(Pseudonym(), recipient="shop")
    assert made(Pseudonym()) != made(Pseudonym(), data_class="user.name")
    assert made(Pseudonym()) != made(Pseudonym(), keys=KeyRing(bytes(range(32)), "27q1a"))
    assert made(Hash()) == made(Hash(), recipient="shop")
    assert made(Hash()) != made(Hash(), data_class="user.name")


@pytest.mark.parametrize("action", [Pseudonym(), Hash()])
def test_equal_values_have_equal_replacements(action):
    assert operation(action).transform("Ann@x.example") == operation(action).transform("ann@X.example")


def test_keys_are_derived_when_the_operation_is_made():
    keys = KeyRing(bytes(range(32)), "26q4a")
    first, second = operation(Hash(), keys=keys), operation(Hash(), keys=keys)

    assert first.transform.args[0] is second.transform.args[0]
