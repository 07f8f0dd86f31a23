"""Rule files for tests, compiled, and the engine over them."""

from textwrap import dedent

from gateway.engine.engine import Engine
from gateway.engine.trial import PAPER_KEYS, GivenFacts, Trial, step_record, try_exchange
from gateway.model.limits import DEFAULT_LIMITS
from gateway.model.message import RequestHead, ResponseHead
from gateway.policy.compile import load_policy
from gateway.policy.policy import Policy

TODAY = "2026-11-23"
NOW = 1_795_000_000.0

PREAMBLE = """
version: 1
controller: {name: Example Shop GmbH, contact: privacy@shop.example, jurisdiction: EU}
purposes:
  service: {basis: contract, title: Handle your order}
  analytics: {basis: consent, title: See how the shop is used}
  ads: {basis: consent, title: Show you offers elsewhere, sale_or_share: true}
recipients:
  shop: {role: controller, upstream: "%s"}
"""

SIGN_UP_RULES = """\
version: 1
controller: {name: Shop, contact: privacy@shop.example}
purposes:
  service: {basis: contract}
recipients:
  shop: {role: controller, upstream: "http://127.0.0.1:9"}
routes:
  - name: sign-up
    match: {method: POST, path: /customers}
    to: shop
    request:
      fields:
        $.email: {is: contact.email, for: service}
      rest: drop
    response: {rest: pass}
"""
"""A whole rule file; nothing answers where it leads."""


def rules(routes: str, upstream: str = "http://127.0.0.1:1") -> str:
    return PREAMBLE % upstream + dedent(routes)


def compiled(routes: str) -> Policy:
    return load_policy({"rules.yaml": rules(routes)}, today=TODAY)


def engine(routes: str) -> Engine:
    return Engine(compiled(routes), PAPER_KEYS, DEFAULT_LIMITS)


def run(
    under: Engine,
    method: str = "POST",
    target: bytes = b"/things",
    headers: tuple[tuple[bytes, bytes], ...] = ((b"Content-Type", b"application/json"),),
    body: bytes = b"",
    *,
    consents=(),
    subject: str | None = None,
    response: tuple[int, tuple[tuple[bytes, bytes], ...], bytes] | None = None,
) -> Trial:
    head = RequestHead(method, target, "shop.example", headers, has_body=bool(body))
    answer = (ResponseHead(response[0], response[1]), response[2]) if response is not None else None
    return try_exchange(under, head, body, GivenFacts(NOW, subject, tuple(consents)), answer)


def record_of(trial: Trial, step=None) -> dict:
    """The record of the trial's request, or of the step that is given."""
    record = step_record(trial, step or trial.request)
    assert record is not None
    return record
