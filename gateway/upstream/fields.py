"""The fields of a response, judged in one pass: framing, persistence, what may go on. Pure.

Refused beyond what llhttp refuses: Transfer-Encoding other than exactly one `chunked`, and any in
HTTP/1.0; Content-Length of more than 18 digits; heads over the limits.
"""

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from gateway.model.field_template import Fields, pairs_of
from gateway.model.limits import Limits
from gateway.model.message import HeaderPairs, ResponseHead
from gateway.upstream.field_kinds import (
    CONNECTION,
    CONTENT_LENGTH,
    KINDS,
    SINGLETON,
    THIS_HOP,
    TRANSFER_ENCODING,
)
from gateway.upstream.head import broken
from gateway.upstream.hops import NOMINATES_NOTHING, strip_hop_by_hop

_NOT_ONWARD = THIS_HOP | CONNECTION | TRANSFER_ENCODING
_FRAMING = CONTENT_LENGTH | TRANSFER_ENCODING
_DIGITS_AT_MOST = 18


class JudgedHead(msgspec.Struct, frozen=True, gc=False):
    """A response's head and what its fields say about this hop.

    `fields` are all fields, those of `onward` the ones that are not of this hop only. `length` is
    Content-Length; without it and `chunked` the body lasts as long as the connection. `repeats`
    tells that a field stands twice which may stand once.
    """

    fields: Fields
    onward: ResponseHead
    length: int | None
    chunked: bool
    persistent: bool
    repeats: bool

    @property
    def headers(self) -> HeaderPairs:
        """The fields as pairs."""
        return pairs_of(self.fields)


def judge_fields(status: int, minor: bytes, fields: list[tuple[bytes, bytes]], *, padded: bool) -> JudgedHead:
    """Read what the fields mean (RFC 9112 sections 6.1, 6.3 and 9.3); `minor` is the version's last digit.

    The values are as llhttp gave them, with white space at their end if the head is `padded`.

    Raises:
        Fault: upstream_broken, if the body's length could be understood in two ways.
    """
    seen = repeated = 0
    length: int | None = None
    options = b""
    ours: list[int] = []
    for position, (name, value) in enumerate(fields):
        kind = KINDS[name]
        if kind:
            repeated |= seen & kind
            seen |= kind
            if kind == CONTENT_LENGTH:
                length = _number(value)
            elif kind & _NOT_ONWARD:
                ours.append(position)
                if kind == CONNECTION:
                    options = options + b"," + value.lower() if options else value.lower()
                elif kind == TRANSFER_ENCODING:
                    _check_coding(value, minor)
    if repeated & _FRAMING or seen & _FRAMING == _FRAMING:
        raise broken("the response has more than one length")
    if padded:
        fields = [(name, value.rstrip(b" \t")) for name, value in fields]
    headers = tuple(fields)
    return JudgedHead(
        headers,
        ResponseHead(status, _onward(headers, ours, options)),
        length,
        bool(seen & TRANSFER_ENCODING),
        _persists(options, minor),
        bool(repeated & SINGLETON),
    )


def _onward(headers: HeaderPairs, ours: list[int], options: bytes) -> HeaderPairs:
    """All but the fields at the positions `ours` and what the Connection `options` name."""
    if options and options not in NOMINATES_NOTHING:
        return strip_hop_by_hop(headers)
    if len(ours) == 1:
        return headers[: ours[0]] + headers[ours[0] + 1 :]
    return tuple([pair for position, pair in enumerate(headers) if position not in ours]) if ours else headers


def _number(value: bytes) -> int:
    digits = value if value.isdigit() else value.rstrip(b" \t")
    if len(digits) > _DIGITS_AT_MOST or not digits.isdigit():
        raise broken("the response's Content-Length is not one number")
    return int(digits)


def _check_coding(value: bytes, minor: bytes) -> None:
    """Refuse also `chunked` with a tab behind it, which llhttp takes for a coding that it does not know."""
    if value.lower() != b"chunked":
        raise broken("the response has a transfer coding other than chunked")
    if minor == b"0":
        raise broken("an HTTP/1.0 response has a transfer coding")


@lru_cache(maxsize=64)
def _persists(options: bytes, minor: bytes) -> bool:
    tokens = {token.strip() for token in options.split(b",")}
    return b"close" not in tokens and (minor == b"1" or b"keep-alive" in tokens)


def check_size(headers: Sequence[tuple[bytes, bytes]], size: int, limits: Limits) -> None:
    """Hold the head to the limits.

    Raises:
        Fault: upstream_broken, if the head, one field, or their number is over its limit.
    """
    if size > limits.headers_total or len(headers) > limits.header_count:
        raise broken("the response's header fields are over the limit")
    if size > limits.header_field and any(len(n) + len(v) > limits.header_field for n, v in headers):
        raise broken("a header field of the response is over the limit")
