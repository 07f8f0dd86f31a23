"""The lines of a request's head in HTTP/1, held to RFC 9112 before mitmproxy reads them.

mitmproxy's reader takes folded lines, any version, transfer codings that it does not undo, bare CR and NUL.
"""

import re

from gateway.model.limits import Limits
from gateway.model.words import Posture
from gateway.upstream.request_fields import client_fault

_REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) [!-~]+ HTTP/([0-9]\.[0-9])")
_FIELD_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t -~\x80-\xff]*")
_LENGTH = re.compile(rb"[0-9]{1,18}")


def checked_head(lines: list[bytes], limits: Limits) -> list[bytes]:
    """The lines, without their ends, where nothing in them is in doubt.

    Raises:
        Fault: bad_request, version_unsupported, uri_too_long, headers_too_large, ambiguous_framing, not_implemented.
    """
    if not lines:
        raise client_fault("bad_request", "there is no request line")
    if len(lines[0]) > limits.request_line:
        raise client_fault("uri_too_long", "the request line is over the limit")
    match = _REQUEST_LINE.fullmatch(lines[0])
    if match is None:
        raise client_fault("bad_request", "the request line cannot be read")
    if match[2] not in (b"1.0", b"1.1"):
        raise client_fault("version_unsupported", "only HTTP/1.0 and HTTP/1.1 are understood")
    if len(lines) - 1 > limits.header_count or sum(map(len, lines[1:])) > limits.headers_total:
        raise client_fault("headers_too_large", "the header fields are over the limit")
    codings, lengths = [], []
    for line in lines[1:]:
        field = _FIELD_LINE.fullmatch(line)
        if field is None:
            raise client_fault("bad_request", "a header field cannot be read")
        name, value = field[1].lower(), line[len(field[1]) + 1 :].strip(b" \t")
        if name == b"transfer-encoding":
            codings.append(value.lower())
        elif name == b"content-length":
            lengths.append(value)
    _check_framing(codings, lengths, connects=match[1] == b"CONNECT", legacy=match[2] == b"1.0")
    return lines


def _check_framing(codings: list[bytes], lengths: list[bytes], *, connects: bool, legacy: bool) -> None:
    """RFC 9112 sections 6.1 and 6.3: one coding, `chunked`, or one length; with CONNECT neither."""
    if len(codings) + len(lengths) > 1 or (legacy and codings):
        raise client_fault(Posture.AMBIGUOUS_FRAMING, "the body's length can be understood in two ways")
    if lengths and _LENGTH.fullmatch(lengths[0]) is None:
        raise client_fault(Posture.AMBIGUOUS_FRAMING, "Content-Length is not one number")
    if codings and codings[0] != b"chunked":
        if codings[0].rpartition(b",")[2].strip() == b"chunked":
            raise client_fault("not_implemented", "the only transfer coding understood is a single chunked")
        raise client_fault(Posture.AMBIGUOUS_FRAMING, "chunked is not the last transfer coding")
    if connects and (codings or lengths not in ([], [b"0"])):
        raise client_fault("bad_request", "CONNECT has no body")
