"""Cookies as rules speak of them: their limits, and names of which a whole family begins alike."""

import msgspec

ANY_ENDING = "*"
"""At the end of a cookie's name: every name that begins with what stands before it."""


class CookieLimits(msgspec.Struct, frozen=True):
    """What is made stricter in a Set-Cookie that stays; never looser.

    `max_age` is the longest lifetime in seconds. The others are attributes (RFC 6265 section 4.1.2,
    RFC 6265bis for SameSite) that are added where the application left them out.
    """

    max_age: int | None = None
    secure: bool = False
    http_only: bool = False
    same_site: str = ""


def covers_name(general: str, special: str) -> bool:
    """Whether all cookies that the name or pattern `special` stands for are among those of `general`."""
    if general.endswith(ANY_ENDING):
        return special.startswith(general[:-1])
    return general == special
