"""What to answer where aiohttp's parser gave up. Its texts quote the client and go no further than here."""

import re

from aiohttp.http_exceptions import BadHttpMethod, LineTooLong

from gateway.model.errors import Fault, Source
from gateway.model.words import Posture

_REASONS = (
    ("Invalid HTTP version", "version_unsupported", "only HTTP/1.0 and HTTP/1.1 are understood"),
    ("Pause on PRI/Upgrade", "version_unsupported", "HTTP/2 needs a terminator in front of this gateway"),
    ("Too many headers", "headers_too_large", "there are more header fields than the limit allows"),
    ("Content-Length", Posture.AMBIGUOUS_FRAMING, "Content-Length and Transfer-Encoding leave doubt"),
    ("Transfer-Encoding", Posture.AMBIGUOUS_FRAMING, "Content-Length and Transfer-Encoding leave doubt"),
    ("hunk ", Posture.AMBIGUOUS_FRAMING, "the chunked coding is broken"),
)
_UNKNOWN_METHOD = re.compile(r"Invalid method encountered:\s+b'[A-Za-z-]+ ")


def parse_fault(error: BaseException) -> Fault:
    """The fault for an error of aiohttp's parser; a Fault stays what it is. All close the connection."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, LineTooLong):
        # The parser collects the target in a bytearray, and fields in bytes.
        if isinstance(error.args[0], bytearray):
            return _fault("uri_too_long", "the target is over the limit")
        return _fault("headers_too_large", "a header field is over the limit")
    message = str(getattr(error, "message", ""))
    if isinstance(error, BadHttpMethod) and _UNKNOWN_METHOD.search(message):
        return _fault("not_implemented", "the method is unknown")
    # From the first empty line on it is the client's own text.
    reason = message.partition("\n\n")[0]
    for words, code, why in _REASONS:
        if words in reason:
            return _fault(code, why)
    return _fault("bad_request", "the message is not HTTP/1.1")


def _fault(code: str, why: str) -> Fault:
    return Fault(code, Source.CLIENT, why, close=True)
