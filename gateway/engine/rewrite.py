"""Run a plan on one message: only the values at matched addresses are touched."""

from collections.abc import Mapping

import msgspec

from gateway.documents.coding import decode_body, encode_body
from gateway.documents.cookies import edit_cookies, edit_set_cookies
from gateway.documents.document import Document, open_document
from gateway.documents.headers import REQUEST_PLUMBING, RESPONSE_PLUMBING, edit_headers
from gateway.documents.path import edit_path
from gateway.documents.query import edit_query
from gateway.engine.plan import Plan
from gateway.engine.record import Counts
from gateway.model.limits import Limits
from gateway.model.message import HeaderPairs
from gateway.model.words import Direction

Spans = Mapping[str, tuple[int, int]]
_LABEL_LENGTHS = frozenset({len(b"content-type"), len(b"content-encoding")})
_GZIP_METADATA = 0x1C  # FEXTRA, FNAME and FCOMMENT of RFC 1952 section 2.3.1


class Content(msgspec.Struct, frozen=True, gc=False):
    """A body as it came, free of its codings, and opened for reading."""

    received: bytes
    plain: bytes
    codings: tuple[str, ...]
    document: Document


class Rewritten(msgspec.Struct, frozen=True, gc=False):
    """`body` is the very object that came in where nothing changed."""

    target: bytes
    headers: HeaderPairs
    body: bytes | None
    counts: Counts
    body_changed: bool = False


def open_content(headers: HeaderPairs, body: bytes, limits: Limits, *, collapse_duplicates: bool) -> Content:
    """Read a body without doubt.

    Raises:
        Unreadable: with the posture that names the doubt.
    """
    label = tuple([pair for pair in headers if len(pair[0]) in _LABEL_LENGTHS])
    plain, codings = decode_body(label, body, limits)
    document = open_document(label, plain, limits, collapse_duplicates=collapse_duplicates)
    return Content(body, plain, codings, document)


def rewrite(
    plan: Plan, target: bytes, spans: Spans, headers: HeaderPairs, content: Content | bytes | None
) -> Rewritten:
    """Apply the plan to every part of the message.

    Args:
        plan: what to do.
        target: the request target; empty for a response.
        spans: where the path parameters of the route stand in the path.
        headers: end-to-end fields.
        content: the opened body; or the bytes (or None) that go along unread.
    """
    counts = [0] * plan.size
    body_unlisted = query_unlisted = header_unlisted = cookie_unlisted = 0
    if plan.edits_target and target:
        target, query_unlisted = _rewrite_target(plan, target, spans, counts)
    if plan.edits_headers:
        headers, header_unlisted, cookie_unlisted = _rewrite_headers(plan, headers, counts)
    body: bytes | None
    changed = False
    if isinstance(content, Content):
        edited = content.document.edit(plan.body)
        _add(counts, edited.counts)
        body_unlisted = edited.unlisted
        changed = edited.content is not content.plain or _hides_metadata(content)
        body = encode_body(edited.content, content.codings) if changed else content.received
    else:
        body = content
    found = Counts(tuple(counts), (body_unlisted, query_unlisted, header_unlisted, cookie_unlisted))
    return Rewritten(target, headers, body, found, changed)


def _rewrite_target(plan: Plan, target: bytes, spans: Spans, counts: list[int]) -> tuple[bytes, int]:
    mark = target.find(b"?")
    if mark < 0 and not plan.path.fields:
        return target, 0
    unlisted = 0
    path, query = (target, None) if mark < 0 else (target[:mark], target[mark + 1 :])
    if plan.path.fields:
        edited = edit_path(path, spans, plan.path)
        _add(counts, edited.counts)
        path = edited.content
    if query is not None and plan.query.reads:
        edited = edit_query(query, plan.query)
        _add(counts, edited.counts)
        unlisted = edited.unlisted
        if edited.content is not query:
            query = edited.content or None
    return (path if query is None else path + b"?" + query), unlisted


def _rewrite_headers(plan: Plan, headers: HeaderPairs, counts: list[int]) -> tuple[HeaderPairs, int, int]:
    header_unlisted = cookie_unlisted = 0
    request = plan.direction is Direction.REQUEST
    if plan.headers.reads:
        edited = edit_headers(headers, plan.headers, REQUEST_PLUMBING if request else RESPONSE_PLUMBING)
        _add(counts, edited.counts)
        headers, header_unlisted = edited.headers, edited.unlisted
    if plan.cookies.reads:
        edited = edit_cookies(headers, plan.cookies) if request else edit_set_cookies(headers, plan.cookies)
        _add(counts, edited.counts)
        headers, cookie_unlisted = edited.headers, edited.unlisted
    return headers, header_unlisted, cookie_unlisted


def _add(total: list[int], counts: tuple[int, ...]) -> None:
    if any(counts):
        for index, count in enumerate(counts):
            total[index] += count


def _hides_metadata(content: Content) -> bool:
    """Whether a gzip member carries a file name, comment or extra field, which no rule could read."""
    return content.codings == ("gzip",) and len(content.received) > 3 and bool(content.received[3] & _GZIP_METADATA)
