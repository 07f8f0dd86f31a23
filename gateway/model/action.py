"""Actions: what is done to one value. A closed union; a rule names one with `as:` or `otherwise:`."""

from enum import StrEnum
from typing import TypeAlias

import msgspec


class Keep(msgspec.Struct, frozen=True, tag="keep"):
    """The value passes as it is."""


class Drop(msgspec.Struct, frozen=True, tag="drop"):
    """The value and its name leave the message."""


class Blank(msgspec.Struct, frozen=True, tag="blank"):
    """The value becomes empty and keeps its type and shape: text "", number 0, false, null."""


class Mask(msgspec.Struct, frozen=True, tag="mask"):
    """All but the first and last few letters and digits become `character`."""

    keep_first: int = 0
    keep_last: int = 0
    character: str = "*"


class Generalisation(StrEnum):
    """How a value is made coarser."""

    YEAR = "year"
    MONTH = "month"
    NETWORK = "network"
    EMAIL_DOMAIN = "email_domain"
    USER_AGENT = "user_agent"
    DECADE = "decade"
    POSTAL_AREA = "postal_area"
    LANGUAGE = "language"


class Generalise(msgspec.Struct, frozen=True, tag="generalise"):
    """The value is replaced by the group that it belongs to."""

    to: Generalisation


class Hash(msgspec.Struct, frozen=True, tag="hash"):
    """Keyed hash, one for all recipients, so that every holder can join on it."""


class Pseudonym(msgspec.Struct, frozen=True, tag="pseudonym"):
    """Keyed hash scoped to recipient and class, so that two recipients cannot join their copies."""


class Block(msgspec.Struct, frozen=True, tag="block"):
    """The whole message is refused."""


Action: TypeAlias = Keep | Drop | Blank | Mask | Generalise | Hash | Pseudonym | Block

LATER_ACTIONS = ("token", "seal", "open", "reveal")
"""Words of the rule language whose place is kept; using one is a diagnostic in this version."""


def action_name(action: Action) -> str:
    """The word that rules and records use for this action."""
    return str(action.__struct_config__.tag)
