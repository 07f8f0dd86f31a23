"""Every way in which aiohttp's parser gives up has an answer that quotes nothing."""

import pytest
from aiohttp.http_exceptions import BadHttpMessage, BadHttpMethod, BadStatusLine, InvalidURLError, LineTooLong

from gateway.ingress.parse_errors import parse_fault
from gateway.model.errors import Fault, Source

CASES = [
    (LineTooLong(bytearray(b"secret"), 10), "uri_too_long"),
    (LineTooLong(b"secret", 10), "headers_too_large"),
    (BadHttpMessage("Too many headers received"), "headers_too_large"),
    (BadStatusLine(error="Bad status line:\n  Invalid HTTP version:\n\n  b'secret'"), "version_unsupported"),
    (BadHttpMessage("Pause on PRI/Upgrade:\n\n  b''"), "version_unsupported"),
    (BadHttpMethod(error="Invalid method encountered:\n\n  b'SECRET / HTTP/1.1'\n  ^"), "not_implemented"),
    (BadHttpMethod(error="Invalid method encountered:\n\n  b'\\x00secret'\n  ^"), "bad_request"),
    (BadHttpMessage("Empty Content-Length:\n\n  b''"), "ambiguous_framing"),
    (BadHttpMessage("Request has invalid `Transfer-Encoding`:\n\n  b'0'"), "ambiguous_framing"),
    (BadHttpMessage("Chunk size overflow:\n\n  b'secret'"), "ambiguous_framing"),
    (BadHttpMessage("Invalid header token:\n\n  b'chunk secret Content-Length'"), "bad_request"),
    (InvalidURLError("secret"), "bad_request"),
    (ValueError("secret"), "bad_request"),
]


@pytest.mark.parametrize(("error", "code"), CASES)
def test_faults(error, code):
    fault = parse_fault(error)
    assert fault.code == code
    assert fault.close
    assert "secret" not in str(fault).lower()


def test_a_fault_stays_itself():
    fault = Fault("request_timeout", Source.CLIENT, "late")
    assert parse_fault(fault) is fault
