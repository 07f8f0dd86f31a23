"""Whom a request names, before and after they are met."""

from data_port import data_port
from messages import HOST

ROUTES = """
routes:
  - name: photos
    match: {path: /photos, method: POST}
    to: shop
    body_limit: 1000
    subject: {field: "header:X-User"}
    request:
      fields:
        "part:note": {is: contact.email, for: service}
        "part:photo": {is: biometric, for: ads, otherwise: drop}
      rest: {body: drop, headers: pass, query: pass, cookies: pass}
    response: {rest: pass}
"""
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    b'--b\r\nContent-Disposition: form-data; name="photo"\r\n\r\n' + b"x" * 5000 + b"\r\n--b--\r\n"
)
HEAD = (
    b"POST /photos HTTP/1.1\r\n%bX-User: ann@shop.example\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n"
)


async def test_a_form_over_the_limit_streams_for_somebody_who_was_never_met_as_for_everybody():
    async with data_port(routes=ROUTES) as port:
        people = port.gateway.services.people
        assert people.find("ann@shop.example") is None
        for _ in range(2):
            assert (await port.ask(HEAD % (HOST, len(FORM)) + FORM)).status == 200
        assert people.known("ann@shop.example") is not None
        assert all(b"hello" in request and b"xxx" not in request for request in port.upstream.requests)
