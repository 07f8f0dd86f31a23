"""What is done with a message, apart from which route it came by.

Thousands of routes often say the same of different paths. They share what is compiled of it, which
then stays in the processor's cache.
"""

from collections.abc import Hashable

import msgspec

from gateway.policy.policy import PageRules, Place, Route, Section

_NOWHERE = Place("", 0, 0)


def treatment_of(route: Route) -> Route:
    """The route without what tells it from others that say the same: name, pattern and places."""
    return msgspec.structs.replace(
        route,
        name="",
        number=0,
        hosts=(),
        methods=frozenset(),
        path="",
        place=_NOWHERE,
        identified=None if route.identified is None else _NOWHERE,
        session_at=None if route.session_at is None else _NOWHERE,
        request=_without_places(route.request),
        response=_without_places(route.response),
    )


def treatment_key(route: Route) -> Hashable:
    """Equal for routes whose treatments are equal, and only for them."""
    return (
        route.to,
        route.caller,
        route.mode,
        route.subject,
        route.identified is not None,
        _section_key(route.request),
        _section_key(route.response),
        frozenset(route.postures.items()),
        route.stream,
        route.record_always,
        route.body_limit,
        route.signs_in,
        route.signs_out,
        route.each,
    )


def _section_key(section: Section) -> Hashable:
    fields = tuple(
        (each.address, each.data_class, each.purpose, each.action, each.otherwise, each.limits, each.general)
        for each in section.fields
    )
    return fields, frozenset(section.rest.items()), _pages_without_place(section.pages)


def _pages_without_place(pages: PageRules | None) -> PageRules | None:
    return None if pages is None else msgspec.structs.replace(pages, place=_NOWHERE)


def _without_places(section: Section) -> Section:
    fields = tuple(msgspec.structs.replace(each, place=_NOWHERE) for each in section.fields)
    return Section(fields, section.rest, _pages_without_place(section.pages))
