"""Ways around a rule that were tried once: each is closed, or refused by name."""

import gzip
import zlib

import brotlicffi
import pytest
from rulebook import engine, record_of, run

from gateway.engine.step import Refuse, Send
from gateway.model.facts import Facts
from gateway.model.message import RequestHead, ResponseHead
from gateway.model.words import ConsentStatus

JSON = (b"Content-Type", b"application/json")
ROUTES = """
routes:
  - name: things
    match: {method: POST, path: /things}
    to: shop
    subject: {field: "header:X-Customer"}
    request:
      fields:
        $.email: {is: contact.email, for: service, as: drop}
        header:X-Email: {is: contact.email, for: service, as: drop}
        cookie:_ga: {is: device.cookie_id, for: service, as: drop}
      rest: pass
    response:
      fields:
        header:X-Phone: {is: contact.phone_number, for: ads, otherwise: drop}
      rest: pass
  - name: removal
    match: {method: DELETE, path: /things}
    to: shop
    request: {rest: {body: block, headers: pass}}
    response: {rest: pass}
  - name: events
    match: {method: GET, path: /events}
    to: shop
    stream: [event_stream]
    response: {rest: drop}
  - name: watched
    match: {method: POST, path: /watched}
    to: shop
    mode: observe
    request: {fields: {$.email: {is: contact.email, for: service}}, rest: drop}
  - name: album
    match: {method: POST, path: /album}
    to: shop
    subject: {field: "header:X-Customer"}
    request:
      fields:
        part:note: {is: contact.email, for: service, as: mask}
        part:born: {is: demographic.date_of_birth, for: ads}
      rest: {body: pass, headers: pass}
    response: {rest: pass}
"""
ENGINE = engine(ROUTES)


def refused(trial) -> str:
    step = trial.request
    return step.refusal.code if isinstance(step, Refuse) else trial.code


@pytest.mark.parametrize("cookie", [b"a=1 _ga=planted", b"a=1\t_ga=planted", b"a=1, _ga=planted"])
def test_a_cookie_inside_another_ones_value_is_refused(cookie):
    assert refused(run(ENGINE, headers=((b"Cookie", cookie),))) == "unparsable_body"


@pytest.mark.parametrize("cookie", [b"a=1 b=2; c=x, y", b'a="1 _ga=2"'])
def test_values_that_name_no_listed_cookie_pass(cookie):
    assert (b"Cookie", cookie) in run(ENGINE, headers=((b"Cookie", cookie),)).request.outgoing.headers


LABELS = [b"text/plain", b"application/x-www-form-urlencoded"]


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"email":"planted","x":1}',
        b'{"email":"planted","x":NaN}',
        '{"email":"planted"}'.encode("utf-16-be"),
        '{"email":"planted"}'.encode("utf-16"),
    ],
)
def test_json_under_another_label_does_not_pass_unread(label, body):
    assert refused(run(ENGINE, headers=((b"Content-Type", label),), body=body)) in (
        "unparsable_body",
        "undecodable_charset",
    )


@pytest.mark.parametrize("name", [b"X_Email", b"x_email", b"X-EMAIL"])
def test_the_underscore_twin_is_the_listed_field(name):
    trial = run(ENGINE, headers=((name, b"planted"),))

    assert trial.request.outgoing.headers == ()
    assert record_of(trial)["fields"][0]["address"] == "header:X-Email"


def test_a_subject_named_twice_by_twins_is_nobody():
    trial = run(ENGINE, headers=((b"X-Customer", b"ann"), (b"X_Customer", b"bob")))

    assert trial.facts.subject is None


def gzip_member(content: bytes, comment: bytes) -> bytes:
    member = bytearray(gzip.compress(content, mtime=0))
    member[3] |= 0x10
    return bytes(member[:10]) + comment + b"\0" + bytes(member[10:])


HIDING = {
    "a comment": (b"gzip", gzip_member(b'{"x":1}', b"planted")),
    "a comment in the second member": (b"gzip", gzip.compress(b'{"x":') + gzip_member(b"1}", b"planted")),
    "a comment below another coding": (b"gzip, deflate", zlib.compress(gzip_member(b'{"x":1}', b"planted"))),
    "brotli": (b"br", brotlicffi.compress(b'{"x":1}')),
}


@pytest.mark.parametrize("name", HIDING)
def test_coded_bytes_that_could_hide_something_are_coded_anew(name):
    coding, body = HIDING[name]
    out = run(ENGINE, headers=(JSON, (b"Content-Encoding", coding)), body=body).request.outgoing.body

    decoded = out
    for step in reversed(coding.split(b", ")):
        decoded = {b"gzip": gzip.decompress, b"deflate": zlib.decompress, b"br": brotlicffi.decompress}[step](decoded)
    assert decoded == b'{"x":1}'
    assert b"planted" not in (zlib.decompress(out) if coding.endswith(b"deflate") else out)


def test_a_plain_gzip_body_keeps_its_bytes():
    body = gzip.compress(b'{"x":1}')

    assert run(ENGINE, headers=(JSON, (b"Content-Encoding", b"gzip")), body=body).request.outgoing.body is body


def test_stripping_sends_no_body_that_nobody_read():
    exchange = ENGINE.receive(RequestHead("DELETE", b"/things", "a", ()), b"0" * 26)
    exchange.open_request(None)
    exchange.decide_request(Facts(0.0))
    exchange.open_response(ResponseHead(200, ((b"X-Phone", b"planted"),)), None)
    step = exchange.decide_response(Facts(0.0), strip=True)

    assert isinstance(step, Send)
    assert step.outgoing.body == b""
    assert step.outgoing.headers == ()
    assert not step.recorded


def test_an_answer_that_depends_on_a_person_is_not_left_to_shared_caches():
    answer = (200, ((b"X-Phone", b"1"), (b"Cache-Control", b"public, max-age=60"), (b"ETag", b'"v1"')), b"x")
    trial = run(
        ENGINE, headers=((b"X-Customer", b"ann"),), consents=[("ads", "*", ConsentStatus.GIVEN)], response=answer
    )

    headers = dict(trial.response.outgoing.headers)
    assert headers[b"X-Phone"] == b"1"
    assert headers[b"Cache-Control"] == b"private, max-age=60"
    assert headers[b"Vary"] == b"Sec-GPC"
    assert headers[b"ETag"] == b'"v1"'


@pytest.mark.parametrize("name", [b"X-HTTP-Method-Override", b"x-http-method", b"X-Method-Override"])
def test_a_header_that_names_another_routes_method_is_ambiguous(name):
    assert refused(run(ENGINE, headers=((name, b"delete"),))) == "ambiguous_framing"
    assert isinstance(run(ENGINE, headers=((name, b"POST"),)).request, Send)


def test_an_observed_body_over_the_limit_leaves_its_trace():
    head = RequestHead("POST", b"/watched", "a", (JSON,), has_body=True)
    exchange = ENGINE.receive(head, b"0" * 26)
    exchange.open_request(None)
    step = exchange.decide_request(Facts(0.0))

    assert step.recorded
    assert step.posture == "over_size"
    assert step.outgoing.body is None


def test_events_that_pass_unread_are_recorded():
    exchange = ENGINE.receive(RequestHead("GET", b"/events", "a", ()), b"0" * 26)
    exchange.open_request(None)
    exchange.decide_request(Facts(0.0))
    head = ResponseHead(200, ((b"Content-Type", b"text/event-stream"),))
    assert not exchange.reads_response_body(head)
    exchange.open_response(head, None)
    step = exchange.decide_response(Facts(0.0))

    assert step.recorded
    assert step.posture == "event_stream"


def test_a_spoofed_record_id_does_not_pass():
    answer = (200, ((b"Privacy-Record", b"FAKE"), (b"X", b"1")), b"x")

    assert run(ENGINE, response=answer).response.outgoing.headers[0] == (b"X", b"1")
    assert b"FAKE" not in dict(run(ENGINE, response=answer).response.outgoing.headers).values()


FORM = (b"Content-Type", b"multipart/form-data; boundary=b")
NOTE = b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n--b--\r\n'


@pytest.mark.parametrize(("consents", "streams"), [([], False), ([("ads", "*", ConsentStatus.GIVEN)], True)])
def test_a_form_streams_only_if_nothing_in_it_can_refuse_it(consents, streams):
    trial = run(ENGINE, target=b"/album", headers=(FORM, (b"X-Customer", b"ann")), body=NOTE, consents=consents)

    assert trial.exchange.takes_flow
    assert trial.exchange.may_flow(trial.facts) is streams
