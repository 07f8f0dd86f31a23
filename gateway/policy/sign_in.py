"""Reads what a route says of sessions: which answers sign a person in, and whether its requests sign out."""

from collections.abc import Mapping

import msgspec

from gateway.model.address import Descend, Every
from gateway.model.address import Place as Where
from gateway.policy import route_shapes
from gateway.policy.declarations import place_of
from gateway.policy.policy import Place, SignsIn
from gateway.policy.reader import Reader
from gateway.policy.report import Report
from gateway.policy.sections import read_address
from gateway.policy.source import Node

_REDIRECTIONS = range(300, 400)
_SUCCESSES = range(200, 400)
_DOUBTFUL = frozenset({200, 302, 303})
"""What applications also answer with where somebody could not sign in."""


class DraftSession(msgspec.Struct, frozen=True):
    """What a route says of sessions, and where; `signs_in` is None where that could not be read."""

    at: Place | None = None
    signs_in: SignsIn | None = None
    signs_out: bool = False


def read_session(reader: Reader, keys: Mapping[str, Node]) -> DraftSession:
    """The keys `signs_in` and `signs_out` of a route."""
    at = next((place_of(keys[name]) for name in ("signs_in", "signs_out") if name in keys), None)
    signs_out = reader.flag(keys["signs_out"], "'signs_out'") if "signs_out" in keys else False
    if signs_out and "signs_in" in keys:
        message = "a route signs people in or out, not both"
        reader.report.add("PG231", keys["signs_out"], message, "write a route for each")
    signs_in = _read_signs_in(reader, keys["signs_in"]) if "signs_in" in keys else None
    return DraftSession(at, signs_in, bool(signs_out))


def _read_signs_in(reader: Reader, node: Node) -> SignsIn | None:
    keys = reader.keys(node, route_shapes.SIGNS_IN)
    statuses: set[int] = set()
    for scalar in reader.scalars(keys["status"], "'status'") if "status" in keys else ():
        if scalar.plain and scalar.text.isdecimal() and int(scalar.text) in _SUCCESSES:
            statuses.add(int(scalar.text))
        else:
            hint = "list the statuses of success, from 200 to 399"
            reader.report.add("PG108", scalar, f"'{scalar.text}' does not say that somebody signed in", hint)
    locations = [
        scalar.text.encode()
        for scalar in (reader.scalars(keys["location"], "'location'") if "location" in keys else ())
        if _is_path(reader, scalar.text, keys["location"])
    ]
    person = None
    if "person" in keys and (written := reader.scalar(keys["person"], "'person'")) is not None:
        person = read_address(reader, written)
        if person is not None and person.place not in (Where.BODY, Where.HEADER):
            hint = "address the body of the answer with '$…', or a field of its head with 'header:'"
            reader.report.add("PG206", written, f"an answer cannot say who signed in with '{person.text}'", hint)
        elif person is not None and any(isinstance(step, Every | Descend) for step in person.steps):
            hint = "name the one value that identifies the person"
            reader.report.add("PG307", written, f"'{person.text}' can select several people", hint)
    return SignsIn(frozenset(statuses), frozenset(locations), person) if statuses else None


def _is_path(reader: Reader, text: str, node: Node) -> bool:
    if text.startswith("/") and "?" not in text and text.isascii():
        return True
    reader.report.add(
        "PG108", node, f"'{text}' is no path", "write it as in Location, without host and query: '/account'"
    )
    return False


def lint_session(session: DraftSession, *, by_field: bool, report: Report) -> None:
    """Note a sign-in that names nobody, or that may be none; `by_field` tells that an address names the subject."""
    signs_in, at = session.signs_in, session.at
    if signs_in is None or at is None or signs_in.person is not None:
        return
    if not by_field:
        message = "the route signs somebody in, and does not say whom"
        hint = "add 'person: ADDRESS' (in the answer), or 'subject: {field: ADDRESS}' (in the request) to the route"
        report.add("PG230", at, message, hint)
        return
    doubtful = [
        status
        for status in sorted(signs_in.statuses & _DOUBTFUL)
        if not (signs_in.locations and status in _REDIRECTIONS)
    ]
    if doubtful:
        message = f"an application may answer {doubtful[0]}, with a new session, also where nobody could sign in"
        hint = "add 'person: ADDRESS' (in the answer)"
        hint += ", or 'location:' with where success leads" if doubtful[0] in _REDIRECTIONS else ""
        report.add("PG430", at, message, hint)
