"""Keyed replacements of a value. An empty value stays empty: there is nothing in it to hide."""

import functools

from gateway.crypto.keyring import FieldKey, KeyRing
from gateway.crypto.pseudonym import keyed_hash, pseudonym
from gateway.documents.edit import Transform

ALL_RECIPIENTS = "*"


def pseudonymiser(keys: KeyRing, recipient: str, data_class: str) -> Transform:
    """Values become `p1.…` under a key of this recipient and class."""
    return functools.partial(_pseudonym, keys.field_key("pseudonym", recipient, data_class), data_class)


def hasher(keys: KeyRing, data_class: str) -> Transform:
    """Values become `h1.…` under a key of the class that is the same for all recipients."""
    return functools.partial(_hash, keys.field_key("hash", ALL_RECIPIENTS, data_class), data_class)


def _pseudonym(key: FieldKey, data_class: str, text: str) -> str:
    return pseudonym(key, text, data_class) if text else text


def _hash(key: FieldKey, data_class: str, text: str) -> str:
    return keyed_hash(key, text, data_class) if text else text
