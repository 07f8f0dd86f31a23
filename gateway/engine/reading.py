"""What of a message has to be read: its body whole, part by part or not at all, and who it is about."""

from collections.abc import Mapping

from gateway.crypto.keyring import names_visitor
from gateway.documents.cookies import read_cookie
from gateway.documents.headers import read_header
from gateway.documents.path import read_path
from gateway.documents.query import read_query
from gateway.engine.plan import BODY_PLACES
from gateway.engine.rewrite import Content
from gateway.model.address import Address, Place
from gateway.model.field_template import FilledFields
from gateway.model.message import HeaderPairs, RequestHead, ResponseHead, header_values
from gateway.model.words import Direction, Mode, Posture
from gateway.policy.policy import Route

EVENT_STREAM = "event_stream"
_STREAMS_PARTS = dict.fromkeys(
    (Posture.UNPARSABLE_BODY, Posture.UNDECODABLE_CHARSET, Posture.AUDIT_UNAVAILABLE), "block"
).items()
"""With any other choice the whole body has to be there before the first byte goes on."""


def takes_parts(route: Route, headers: HeaderPairs) -> bool:
    """Whether the body is a multipart form that could be edited as it flows: nothing in it is needed before."""
    if route.mode is Mode.OBSERVE or not _is_labelled(headers, b"multipart/form-data"):
        return False
    return not (header_values(headers, b"content-encoding") or reads_before_sending(route, Direction.REQUEST))


def reads_before_sending(route: Route, direction: Direction) -> bool:
    """Whether bodies have to be there whole before they go on: for the person, or for what a posture does then."""
    subject = route.subject
    if direction is Direction.REQUEST and subject is not None and subject.place in BODY_PLACES:
        return True
    return not route.postures.items() >= _STREAMS_PARTS


def streams_events(route: Route, head: ResponseHead) -> bool:
    """Whether an answer is a stream of events that the route lets through unread."""
    allowed = route.mode is Mode.OBSERVE or EVENT_STREAM in route.stream
    return allowed and _is_labelled(head.headers, b"text/event-stream")


def may_have_content(method: str, head: ResponseHead) -> bool:
    """RFC 9110 section 6.4.1: answers that never have content, whatever their fields say."""
    return method != "HEAD" and head.status >= 200 and head.status not in (204, 205, 304)


def is_partial(head: ResponseHead) -> bool:
    """Whether an answer holds a part of a document (RFC 9110 section 15.3.7, RFC 3229)."""
    if head.status in (206, 226):
        return True
    fields = head.fields
    if not isinstance(fields, FilledFields):
        return bool(header_values(fields, b"content-range"))
    known = fields.template.derived.get(is_partial)
    if known is None:
        known = fields.template.derived[is_partial] = bool(header_values(fields.template.pairs, b"content-range"))
    return known is True


def _is_labelled(headers: HeaderPairs, kind: bytes) -> bool:
    values = header_values(headers, b"content-type")
    return len(values) == 1 and values[0].lower().startswith(kind)


def identifier_at(
    address: Address, head: RequestHead, spans: Mapping[str, tuple[int, int]], content: Content | bytes | None
) -> str | None:
    """The person that the address names; None where it names nobody, more than one, or a visitor.

    Raises:
        Unreadable: the place cannot be read without doubt.
    """
    found = _read(address, head, spans, content)
    return found[0] if len(set(found)) == 1 and found[0] and not names_visitor(found[0]) else None


def _read(
    address: Address, head: RequestHead, spans: Mapping[str, tuple[int, int]], content: Content | bytes | None
) -> list[str]:
    path, _, query = head.target.partition(b"?")
    match address.place:
        case Place.HEADER:
            return read_header(head.headers, address.name)
        case Place.COOKIE:
            return read_cookie(head.headers, address.name)
        case Place.QUERY:
            return read_query(query, address.name)
        case Place.PATH:
            return read_path(path, spans, address.name)
        case _:
            return content.document.read(address) if isinstance(content, Content) else []
