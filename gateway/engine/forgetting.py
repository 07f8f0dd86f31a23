"""Cookies that a person does not want leave the browser too: which, and how an answer says so."""

from collections.abc import Iterable

from gateway.documents.cookie_names import CookieNames, carried, name_of
from gateway.engine.step import Send, Step
from gateway.model.message import HeaderPairs, header_values


def forgotten(step: Step, headers: HeaderPairs) -> tuple[str, ...]:
    """The names of the cookies that an admitted request carried and that were dropped for lack of consent.

    `headers` are those of the request as it came.
    """
    plan = step.decision.plan
    if not isinstance(step, Send) or not any(step.counts.fields[index] for index in plan.forgets):
        return ()
    listed = CookieNames((edit.address.name, edit.index) for edit in plan.cookies.fields)
    return tuple(name for name, index in carried(headers, listed).items() if index in plan.forgets)


def with_deletions(headers: HeaderPairs, deletions: Iterable[bytes]) -> HeaderPairs:
    """The fields of an answer with what deletes cookies, less those that the answer itself sets.

    `deletions` are values of Set-Cookie fields.
    """
    anew = {name_of(line.partition(b";")[0]) for line in header_values(headers, b"set-cookie")}
    return (*headers, *((b"Set-Cookie", value) for value in deletions if name_of(value) not in anew))
