"""One page as an answer: opened, rewritten by a plan, whole or as it flows."""

import msgspec

from gateway.documents.coding import codings_of, decode_body, encode_body
from gateway.documents.html_page import HtmlStream, PageEditor, PageLabel
from gateway.engine.page_fields import Kind, kind_of
from gateway.engine.page_insertion import wants_document
from gateway.engine.page_plan import PagePlan
from gateway.model.limits import Limits
from gateway.model.message import HeaderPairs, RequestHead, header_values


class Page(msgspec.Struct, gc=False):
    """A page as it came, and free of its codings. `hosts` say which were met when it was last rewritten."""

    received: bytes
    plain: bytes
    codings: tuple[str, ...]
    headers: HeaderPairs
    asked: RequestHead
    limits: Limits
    hosts: dict[tuple[str, bool], int] = {}

    def rewritten(self, plan: PagePlan) -> tuple[bytes, tuple[int, ...]]:
        """The page after the plan, coded as it came, and how often each field was met; the very bytes if unchanged.

        Raises:
            Unreadable: it cannot be told without doubt where its tags are.
        """
        editor = PageEditor(plan.edit, label_of_page(plan, self.asked, self.headers), self.limits)
        plain = editor.feed(self.plain, last=True)
        self.hosts = editor.hosts
        body = self.received if plain is self.plain else encode_body(plain, self.codings)
        return body, tuple(editor.counts)


def open_page(headers: HeaderPairs, body: bytes, asked: RequestHead, limits: Limits) -> Page:
    """Undo the content codings of a page. Raises Unreadable as `decode_body`."""
    plain, codings = decode_body(headers, body, limits)
    return Page(body, plain, codings, headers, asked, limits)


def label_of_page(plan: PagePlan, asked: RequestHead, headers: HeaderPairs) -> PageLabel:
    """What is told of a page besides its bytes."""
    insertion = plan.insertion
    if insertion is None or not wants_document(asked):
        return PageLabel(asked.host, headers)
    path = asked.target.partition(b"?")[0].decode("latin-1")
    return PageLabel(asked.host, headers, lambda language: insertion.text(path, language))


def page_stream(plan: PagePlan, asked: RequestHead, headers: HeaderPairs, limits: Limits) -> HtmlStream:
    """The stream for a page that is too large to be held."""
    return HtmlStream(plan.edit, label_of_page(plan, asked, headers), limits)


def is_page(headers: HeaderPairs) -> bool:
    """Whether the answer is a page whose tags are read."""
    return kind_of(headers) is Kind.PAGE


def may_be_long(headers: HeaderPairs, limit: int, limits: Limits) -> bool:
    """Whether a page does not say that it is within the limit; then what is over it has to flow."""
    lengths = header_values(headers, b"content-length")
    if codings_of(headers, limits.content_codings):
        limit = min(limit, limits.decoded_body)
    return not (len(lengths) == 1 and lengths[0].isdigit() and int(lengths[0]) <= limit)
