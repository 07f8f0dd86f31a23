"""Run a plan on one message: only the values at matched addresses are touched."""

from collections.abc import Mapping
from operator import add

import msgspec

from gateway.documents.coding import encode_body
from gateway.documents.cookies import edit_cookies, edit_set_cookies
from gateway.documents.document import Document, Opened
from gateway.documents.headers import REQUEST_PLUMBING, RESPONSE_PLUMBING, edit_headers
from gateway.documents.path import edit_path
from gateway.documents.query import edit_query
from gateway.engine.pages import Page
from gateway.engine.plan import Plan
from gateway.engine.record import Counts
from gateway.model.message import HeaderPairs
from gateway.model.words import Direction, Rest

Spans = Mapping[str, tuple[int, int]]
_GZIP_MAGIC = b"\x1f\x8b\x08"
_GZIP_METADATA = 0x1C  # FEXTRA, FNAME and FCOMMENT of RFC 1952 section 2.3.1


class Content(msgspec.Struct, frozen=True, gc=False):
    """A body as it came, and opened for reading."""

    received: bytes
    opened: Opened

    @property
    def plain(self) -> bytes:
        return self.opened.plain

    @property
    def document(self) -> Document:
        return self.opened.document


class RewrittenHeaders(msgspec.Struct, frozen=True, gc=False):
    """Header fields after a plan; cookies are counted apart."""

    headers: HeaderPairs
    counts: tuple[int, ...]
    unlisted: int = 0
    unlisted_cookies: int = 0


class Rewritten(msgspec.Struct, frozen=True, gc=False):
    """`body` is the very object that came in where nothing changed."""

    target: bytes
    headers: HeaderPairs
    body: bytes | None
    counts: Counts
    body_changed: bool = False


def rewrite(
    plan: Plan, target: bytes, spans: Spans, done: RewrittenHeaders, content: Content | Page | bytes | None
) -> Rewritten:
    """Apply the plan to the target and the body, its header fields being done already.

    Args:
        plan: what to do.
        target: the request target; empty for a response.
        spans: where the path parameters of the route stand in the path.
        done: the outcome of `rewrite_headers`.
        content: the opened body; or the bytes (or None) that go along unread.
    """
    counts = done.counts
    body_unlisted = query_unlisted = 0
    if plan.edits_target and target:
        target, query_unlisted, more = _rewrite_target(plan, target, spans)
        counts = _sum(counts, more)
    changed = False
    body: bytes | None
    if isinstance(content, Content):
        opened = content.opened
        edited = opened.document.edit(plan.body)
        counts = _sum(counts, edited.counts)
        body_unlisted = edited.unlisted
        changed = edited.content is not opened.plain or _may_hide(content)
        body = encode_body(edited.content, opened.codings) if changed else content.received
    elif isinstance(content, Page) and plan.page is not None:
        body, more = content.rewritten(plan.page) if plan.body.rest is Rest.PASS else (b"", plan.nothing.fields)
        counts = _sum(counts, more)
        changed = body is not content.received
    else:
        assert not isinstance(content, Page)
        body = content
    unlisted = (body_unlisted, query_unlisted, done.unlisted, done.unlisted_cookies)
    return Rewritten(target, done.headers, body, plan.record.counts(counts, unlisted), changed)


def rewrite_headers(plan: Plan, headers: HeaderPairs, *, now: float = 0.0) -> RewrittenHeaders:
    """Apply the plan to the header fields and cookies of a message; `now` counts where the plan is `timed`."""
    counts = plan.nothing.fields
    if not plan.edits_headers:
        return RewrittenHeaders(headers, counts)
    unlisted = unlisted_cookies = 0
    request = plan.direction is Direction.REQUEST
    if plan.headers.reads:
        edited = edit_headers(headers, plan.headers, REQUEST_PLUMBING if request else RESPONSE_PLUMBING)
        headers, unlisted = edited.headers, edited.unlisted
        counts = _sum(counts, edited.counts)
    if plan.cookies.reads:
        edited = edit_cookies(headers, plan.cookies) if request else edit_set_cookies(headers, plan.cookies, now=now)
        headers, unlisted_cookies = edited.headers, edited.unlisted
        counts = _sum(counts, edited.counts)
    return RewrittenHeaders(headers, counts, unlisted, unlisted_cookies)


def _rewrite_target(plan: Plan, target: bytes, spans: Spans) -> tuple[bytes, int, tuple[int, ...]]:
    counts = plan.nothing.fields
    mark = target.find(b"?")
    if mark < 0 and not plan.path.fields:
        return target, 0, counts
    unlisted = 0
    path, query = (target, None) if mark < 0 else (target[:mark], target[mark + 1 :])
    if plan.path.fields:
        edited = edit_path(path, spans, plan.path)
        counts = edited.counts
        path = edited.content
    if query is not None and plan.query.reads:
        edited = edit_query(query, plan.query)
        counts = _sum(counts, edited.counts)
        unlisted = edited.unlisted
        if edited.content is not query:
            query = edited.content or None
    return (path if query is None else path + b"?" + query), unlisted, counts


def _sum(some: tuple[int, ...], others: tuple[int, ...]) -> tuple[int, ...]:
    if not any(others):
        return some
    return others if not any(some) else tuple(map(add, some, others))


def _may_hide(content: Content) -> bool:
    """Whether the coded bytes could carry what no rule saw, so that they are coded anew.

    A single gzip member without name, comment and extra field cannot, nor can a zlib stream; gzip
    in several members and brotli's or zstandard's metadata can (RFC 1952, 7932, 8878).
    """
    received = content.received
    match content.opened.codings:
        case () | ("deflate",):
            return False
        case ("gzip",):
            return bool(received[3] & _GZIP_METADATA) or received.count(_GZIP_MAGIC) > 1
        case _:
            return True
