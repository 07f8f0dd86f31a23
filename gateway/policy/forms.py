"""How values of the rule language are written: forms of text, and closed lists of words."""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.model.action import LATER_ACTIONS, Generalisation
from gateway.model.words import Posture

SIMPLE_ACTIONS = ("keep", "drop", "blank", "mask", "hash", "pseudonym", "block")
"""Actions that can be written as one word."""

SETTING_ACTIONS = ("mask", "generalise")
"""Actions that can be written as a mapping of one key."""

SUBJECT_WORDS = ("identity",)
"""What a route can say in place of an address: the person is whom a verified source names."""

SAME_SITE = ("lax", "strict")
STREAMS = ("websocket", "event_stream", "items")
RECORDS = ("known", "always")

POSTURE_CHOICES: Mapping[Posture, tuple[str, ...]] = MappingProxyType(
    dict.fromkeys(Posture, ("block",))
    | {
        Posture.UNPARSABLE_BODY: ("block", "drop"),
        Posture.UNKNOWN_MEDIA_TYPE: ("block", "drop"),
        Posture.UNKNOWN_CONTENT_CODING: ("block", "drop"),
        Posture.UNDECODABLE_CHARSET: ("block", "drop"),
        Posture.DUPLICATE_KEY: ("block", "collapse"),
        Posture.UNRESOLVED_SUBJECT: ("block", "drop"),
        Posture.AUDIT_UNAVAILABLE: ("block", "strip"),
    }
)
"""What a rule file may choose for each posture; the first choice is the default, `pass` is never one."""

CLIENT_HINTS = ("drop", "keep")
FEATURE = r"^[a-z][a-z0-9-]*$"
"""The name of a feature in a Permissions-Policy."""

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
PURPOSE_NAME = r"^[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)*$"
UPSTREAM = r"^https?://[^/?#@\s]+/?$"
DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
COOKIE_NAME = r"^[!#$%&'+\-.^_`|~0-9A-Za-z]+\*?$"
LIFETIME = r"^[1-9][0-9]{0,5}(s|min|h|d)$"
SIZE = r"^[1-9][0-9]*(B|KiB|MiB|GiB)?$"

LANGUAGE = r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"
"""A language tag (RFC 5646) as keys of texts are written."""
PERIOD = r"^P(?=[0-9])([0-9]{1,4}Y)?([0-9]{1,4}M)?([0-9]{1,4}W)?([0-9]{1,5}D)?$"
"""A duration of ISO 8601 in whole years, months, weeks and days."""

DNT_WORDS = ("ignore", "objection")
TCF_PURPOSES = (1, 11)
TCF_VENDORS = (1, 65535)

GENERALISATIONS = tuple(Generalisation)
LATER_WORDS = LATER_ACTIONS
