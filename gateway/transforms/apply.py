"""From the action that a rule names to the operation that a document runs."""

import functools
from typing import assert_never

from gateway.crypto.keyring import KeyRing
from gateway.documents.edit import Empty, Operation, Remove, Replace, Retain
from gateway.model.action import Action, Blank, Block, Drop, Generalise, Hash, Keep, Mask, Pseudonym
from gateway.transforms.generalise import generaliser
from gateway.transforms.mask import mask
from gateway.transforms.pseudonymise import hasher, pseudonymiser


def operation_of(action: Action, *, data_class: str, recipient: str, keys: KeyRing) -> Operation:
    """The operation for one field. Keys are derived here, once, and not for each value.

    `block` leaves the value alone: whoever asked has to refuse the message.
    """
    match action:
        case Keep() | Block():
            return Retain()
        case Drop():
            return Remove()
        case Blank():
            return Empty()
        case Mask():
            return Replace(functools.partial(mask, action))
        case Generalise():
            return Replace(generaliser(action.to))
        case Hash():
            return Replace(hasher(keys, data_class))
        case Pseudonym():
            return Replace(pseudonymiser(keys, recipient, data_class))
        case _:
            assert_never(action)
