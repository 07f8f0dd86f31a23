"""The table of answers: what each says, and what it does not."""

import msgspec
import pytest

from gateway.engine.refusals import ANSWERS, refusal


@pytest.mark.parametrize("code", sorted(ANSWERS))
@pytest.mark.parametrize("answers_response", [False, True])
def test_every_answer_is_a_problem_document(code, answers_response):
    answer = refusal(code, request_id="r", answers_response=answers_response)
    problem = msgspec.json.decode(answer.body)
    assert (problem["code"], problem["status"], problem["record"]) == (code, answer.status, "r")
    assert 400 <= answer.status <= 599
    assert problem["title"]
    assert problem["detail"]
    headers = dict(answer.headers)
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"cache-control"] == b"no-store"
    assert (b"retry-after" in headers) is ANSWERS[code].retry


def test_an_application_is_told_how_to_prove_itself():
    answer = refusal("proxy_authentication_required")
    assert answer.status == 407
    assert dict(answer.headers)[b"proxy-authenticate"] == b'Basic realm="privacy-gateway", charset="UTF-8"'


def test_only_a_407_asks_for_proxy_authentication():
    for code in ANSWERS:
        asks = b"proxy-authenticate" in dict(refusal(code).headers)
        assert asks is (refusal(code).status == 407)
