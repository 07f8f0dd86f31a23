"""An answer whose head is known by its template is decided and sent as one whose fields are pairs."""

import pytest
from rulebook import NOW, engine

from gateway.engine.trial import PAPER_MOMENT, GivenFacts, facts_of
from gateway.ingress.respond import field_lines
from gateway.model.field_template import FieldTemplate, FilledFields, hole
from gateway.model.message import RequestHead, ResponseHead

VALUES = (b"Mon, 23 Nov 2026 15:40:32 GMT", b"24", b"v1%b", b"r-1")
TEMPLATE = FieldTemplate(
    (
        (b"Server", b"100% shop"),
        (b"Date", hole(0)),
        (b"Content-Type", b"application/json"),
        (b"Content-Length", hole(1)),
        (b"Cache-Control", b"public, max-age=60"),
        (b"ETag", b'W/"' + hole(2) + b'"'),
        (b"X-Request-Id", hole(3)),
        (b"X-Tracker", b"t"),
        (b"Set-Cookie", b"_ga=1; Path=/"),
    )
)
BODY = b'{"email":"a@b.c","x":1}\n'
RESPONSES = {
    "nothing reads": "{rest: pass}",
    "a body field goes": "{fields: {$.email: {is: contact.email, for: service, as: drop}}, rest: pass}",
    "the rest goes": "{fields: {$.email: {is: contact.email, for: service}}, rest: drop}",
    "headers go": "{rest: {body: pass, headers: drop, cookies: pass}}",
    "cookies go": "{rest: {body: pass, headers: pass, cookies: drop}}",
    "a varying field is listed": (
        "{fields: {'header:X-Request-Id': {is: device, for: service, as: hash}}, rest: pass}"
    ),
    "a varying field is masked": (
        "{fields: {'header:X_Request_Id': {is: device, for: service, as: {mask: {keep_last: 1}}}}, rest: pass}"
    ),
    "another field is masked": ("{fields: {'header:X-Tracker': {is: device, for: service, as: blank}}, rest: pass}"),
    "refused by what is met": "{rest: {body: block, headers: pass, cookies: pass}}",
    "consent": "{fields: {$.email: {is: contact.email, for: ads, otherwise: drop}}, rest: pass}",
}


def decided(response: str, extra: str, fields, *, strip: bool):
    under = engine(
        "routes:\n  - name: r\n    match: {path: /r}\n    to: shop\n"
        f"    subject: {{field: 'header:X-User'}}\n    request: {{rest: pass}}\n    response: {response}\n{extra}"
    )
    exchange = under.receive(RequestHead("GET", b"/r", "shop.example", ((b"X-User", b"ann"),)), PAPER_MOMENT.request_id)
    facts = facts_of(GivenFacts(NOW), exchange.open_request(None))
    exchange.decide_request(facts)
    head = ResponseHead(200, fields)
    reads = exchange.reads_response_body(head)
    exchange.open_response(head, BODY if reads else None)
    step = exchange.decide_response(facts, strip=strip)
    if not hasattr(step, "outgoing"):
        return step.refusal, step.reason, step.counts.fields, step.counts.unlisted
    out = step.outgoing
    lines = field_lines(out.fields)
    return (
        reads, out.headers, out.body, out.status, step.counts.fields, step.counts.unlisted, step.recorded,
        b"".join(lines.parts), lines.length, lines.dated, exchange.entry(step, PAPER_MOMENT),
    )  # fmt: skip


@pytest.mark.parametrize("strip", [False, True], ids=["whole", "strip"])
@pytest.mark.parametrize("extra", ["", "    record: always\n"], ids=["recorded if personal", "always recorded"])
@pytest.mark.parametrize("response", RESPONSES.values(), ids=RESPONSES)
def test_filled_fields_go_out_as_pairs_do(response, extra, strip):
    filled = FilledFields(TEMPLATE, VALUES)
    first = decided(response, extra, filled, strip=strip)
    assert first == decided(response, extra, filled.pairs, strip=strip)
    other = FilledFields(TEMPLATE, (b"later", b"24", b"v2", b"r-2"))
    assert decided(response, extra, other, strip=strip) == decided(response, extra, other.pairs, strip=strip)
