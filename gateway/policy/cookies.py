"""Cookies that the rules list once for all routes: read, put among the fields of each route, and judged alone."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec

from gateway.model.action import Action, Drop, Keep
from gateway.model.address import Place as Where
from gateway.model.address import parse_address
from gateway.model.cookie import CookieLimits, covers_name
from gateway.model.facts import Facts
from gateway.model.words import Direction, Mode, Reason
from gateway.policy import forms, route_shapes
from gateway.policy.actions import read_action
from gateway.policy.decide import Verdict, receives, standing, verdict
from gateway.policy.declarations import Declarations, Mention, place_of, read_class
from gateway.policy.policy import FieldRule, Policy, Section
from gateway.policy.reader import Reader
from gateway.policy.source import Node

_SECONDS = MappingProxyType({"s": 1, "min": 60, "h": 3600, "d": 86400})
_LIFETIME = re.compile(r"([0-9]+)([a-z]+)")

UNCONSENTED = frozenset(
    {
        Reason.NO_CONSENT,
        Reason.WITHDRAWN,
        Reason.EXPIRED_CONSENT,
        Reason.OBJECTED,
        Reason.GPC,
        Reason.RESTRICTED,
    }
)
"""Why a cookie goes that is also to be deleted: a person who is known does not want it.

Where nobody is known, as on a route that names no person, nobody can tell what they want.
"""


def read_cookies(reader: Reader, node: Node, into: Declarations) -> None:
    """The file key `cookies:`. Each name or pattern is listed once in all files."""
    hint = "the name of a cookie, or its beginning with '*' behind it, such as '_ga_*'"
    for key, value in reader.entries(node, "'cookies'") or ():
        if reader.matching(key, forms.COOKIE_NAME, "the name of a cookie", hint) is None:
            continue
        if not into.claim(reader, "cookie", key.text, key):
            continue
        keys = reader.keys(value, route_shapes.COOKIE)
        named = reader.scalar(keys["is"], "'is'") if "is" in keys else None
        data_class = read_class(reader, named) if named else None
        purpose = reader.scalar(keys["for"], "'for'") if "for" in keys else None
        if purpose:
            into.purposes_mentioned.append(Mention(purpose.text, place_of(purpose)))
        action = _action(reader, keys, "as", Keep())
        otherwise = _action(reader, keys, "otherwise", Drop())
        limits = _read_limits(reader, keys)
        if named and data_class and purpose and action is not None and otherwise is not None:
            into.places["class of cookie", key.text] = place_of(named)
            into.places["purpose of cookie", key.text] = place_of(purpose)
            address = parse_address(f"cookie:{key.text}")
            into.cookies.append(
                FieldRule(
                    address, data_class, purpose.text, action, otherwise, place_of(key), limits=limits, general=True
                )
            )


def _action(reader: Reader, keys: Mapping[str, Node], name: str, default: Action) -> Action | None:
    return read_action(reader, keys[name]) if name in keys else default


def _read_limits(reader: Reader, keys: Mapping[str, Node]) -> CookieLimits | None:
    limits = CookieLimits(
        max_age=_read_lifetime(reader, keys["max_age"]) if "max_age" in keys else None,
        secure=_read_set(reader, keys, "secure"),
        http_only=_read_set(reader, keys, "http_only"),
        same_site=(reader.word(keys["same_site"], forms.SAME_SITE, "same_site") if "same_site" in keys else "") or "",
    )
    return limits if limits != CookieLimits() else None


def _read_lifetime(reader: Reader, node: Node) -> int | None:
    hint = "a number with s, min, h or d, such as '90d'"
    text = reader.matching(node, forms.LIFETIME, "a lifetime", hint)
    found = _LIFETIME.fullmatch(text) if text else None
    return int(found[1]) * _SECONDS[found[2]] if found else None


def _read_set(reader: Reader, keys: Mapping[str, Node], name: str) -> bool:
    """An attribute that can be added and never be taken away."""
    if name not in keys:
        return False
    wanted = reader.flag(keys[name], f"'{name}'")
    if wanted is False:
        message = f"'{name}' adds the attribute and cannot take it away"
        reader.report.add("PG108", keys[name], message, "write 'true', or leave it out")
    return wanted or False


def with_cookies(section: Section, cookies: Iterable[FieldRule]) -> Section:
    """The section with the cookies of all routes behind its own fields, less those that it lists itself."""
    own = [rule.address.name for rule in section.fields if rule.address.place is Where.COOKIE]
    added = tuple(rule for rule in cookies if not any(covers_name(name, rule.address.name) for name in own))
    return msgspec.structs.replace(section, fields=(*section.fields, *added)) if added else section


def is_forgotten(found: Verdict) -> bool:
    """Whether a cookie with this verdict is to be deleted from the person's browser."""
    is_cookie = found.rule.address.place is Where.COOKIE
    return is_cookie and found.reason in UNCONSENTED and isinstance(found.action, Drop)


def denied_cookies(policy: Policy, facts: Facts) -> frozenset[str]:
    """The cookies of all routes, as names and patterns, that the person does not want under these facts.

    One counts only if it is denied on the way to every service that an enforced route leads to; what
    one service may have goes with the next request to another.
    """
    services = {route.to: route for route in policy.routes if route.mode is Mode.ENFORCE}
    denied = []
    for rule in policy.cookies:
        purpose = policy.purposes[rule.purpose]
        verdicts = []
        for route in services.values():
            recipient = receives(policy, route, Direction.REQUEST, rule)
            verdicts.append(verdict(rule, recipient, purpose, standing(purpose, recipient.name, facts)))
        if verdicts and all(map(is_forgotten, verdicts)):
            denied.append(rule.address.name)
    return frozenset(denied)
