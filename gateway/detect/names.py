"""What the name of a field says: the exact words of its last step, or of its last two where the last says nothing.

>>> class_named(["customer", "emailAddress"]), class_named(["customers", "name"]), class_named(["product", "name"])
('user.contact.email', 'user.name', None)
>>> class_named(["page"]), class_named(["X-Forwarded-For"]), class_named(["user[home][plz]"]), class_named(["_ga_AB1"])
(None, 'user.device.ip_address', 'user.contact.address.postal_code', 'user.device.cookie_id')
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from gateway.detect.name_table import CLASS_BY_NAME

_LONGEST = 64
"""Characters of a name that is looked up; a longer one was not chosen by a programmer."""

_COOKIE_ID = "user.device.cookie_id"
_TRACKERS = ("_ga", "_ga_", "_gid", "_gcl_au", "_fbp", "_fbc", "_pk_id", "_hjsessionuser_", "_uetvid", "_scid", "_ttp")
"""Names of cookies as trackers write them; one that ends in `_` begins the name."""

_SMALL_TO_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BETWEEN = re.compile(r"[\W_]+")
_STEPS = re.compile(r"[.\[\]]+")


def class_named(path: Sequence[str]) -> str | None:
    """The class (full key) of a field by the names that lead to it, outermost first; None where they say nothing."""
    return _class_of(tuple(path[-2:]))


@lru_cache(maxsize=4096)
def _class_of(path: tuple[str, ...]) -> str | None:
    if any(len(name) > _LONGEST for name in path):
        return None
    if path and path[-1].lower().startswith("_") and _is_tracker(path[-1].lower()):
        return _COOKIE_ID
    # Forms write paths into one name: `user[phone]`, `user.phone`.
    steps = [step for name in path for step in _STEPS.split(name) if step and not step.isdecimal()]
    if not steps:
        return None
    last = words(steps[-1])
    found = CLASS_BY_NAME.get(last) or CLASS_BY_NAME.get(last.removeprefix("x "))
    if found is not None or len(steps) == 1:
        return found
    # A list is named in the plural, the fields of its items are read in the singular.
    return CLASS_BY_NAME.get(f"{words(steps[-2]).removesuffix('s')} {last}")


def _is_tracker(name: str) -> bool:
    return any(name == each or (each.endswith("_") and name.startswith(each)) for each in _TRACKERS)


def words(name: str) -> str:
    """The words of a name in lower case, each separated from the next by one space.

    >>> words("dateOfBirth"), words("HTTPUserID"), words("X-Real-IP"), words("zip_code"), words("address2")
    ('date of birth', 'http user id', 'x real ip', 'zip code', 'address2')
    """
    return _BETWEEN.sub(" ", _SMALL_TO_CAPITAL.sub(" ", name)).strip().lower()
