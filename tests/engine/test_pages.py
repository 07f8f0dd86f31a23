"""Third parties in pages on paper: which are held, what the record says, and what the fields of the answer are."""

import pytest
from rulebook import NOW, TODAY

from gateway.engine.engine import Engine
from gateway.engine.step import Refuse
from gateway.engine.trial import PAPER_KEYS, GivenFacts, step_record, try_exchange
from gateway.model.identity import Identity, IdentitySource
from gateway.model.limits import DEFAULT_LIMITS
from gateway.model.message import RequestHead, ResponseHead, header_values
from gateway.model.words import ConsentStatus
from gateway.policy.compile import load_policy

RULES = """
version: 1
controller: {name: Shop, contact: privacy@shop.example}
purposes:
  service: {basis: contract}
  analytics: {basis: consent}
  ads: {basis: consent, sale_or_share: true}
recipients:
  shop: {role: controller, upstream: "http://127.0.0.1:9", hosts: [static.shop.example]}
  counter: {role: processor, hosts: [counter.example, "*.counter.example"], embedded_for: analytics,
            contract: {ref: C-1, expires: 2027-01-31}}
  network: {role: partner, hosts: ["127.0.0.1:8081"], embedded_for: [ads, analytics]}
  maps: {role: processor, hosts: [maps.example], embedded_for: service, contract: {ref: M-1}}
routes:
  - name: pages
    match: {path: /**}
    to: shop
    subject: identity
    request: {rest: pass}
    response:
      rest: pass
      pages: {%s}
"""
ANN = Identity(IdentitySource.TOKEN, "ann@shop.example", float("inf"))
HTML = (b"Content-Type", b"text/html; charset=utf-8")
PAGE = (
    b"<!doctype html><html><body><script src=//www.counter.example/c.js></script><img src=http://127.0.0.1:8081/p>"
    b"<img src=//maps.example/m><img src=//static.shop.example/s><img src=//other.example/o></body></html>"
)


def engine(settings="", portal=""):
    policy = load_policy({"rules.yaml": RULES % settings}, today=TODAY)
    return Engine(policy, PAPER_KEYS, DEFAULT_LIMITS, portal)


def asked(under, page=PAGE, *, consents=(), identity=ANN, headers=(), fields=(HTML,), path=b"/", status=200, now=NOW):
    """The trial of one request for a page."""
    head = RequestHead("GET", path, "shop.example", tuple(headers))
    given = GivenFacts(now, None, tuple((name, "*", status) for name, status in consents), identity)
    return try_exchange(under, head, b"", given, (ResponseHead(status, tuple(fields)), page))


def held(trial):
    """The hosts whose address stands aside."""
    body = trial.response.outgoing.body
    hosts = (b"www.counter.example", b"127.0.0.1:8081", b"maps.example", b"static.shop.example", b"other.example")
    return [
        host.decode()
        for host in hosts
        if b"data-privacy-src=//" + host in body or b"data-privacy-src=http://" + host in body
    ]


def field(trial, name):
    return header_values(trial.response.outgoing.headers, name)


GIVEN = ConsentStatus.GIVEN


@pytest.mark.parametrize(
    ("settings", "consents", "headers", "identity", "wanted"),
    [
        ("", (), (), ANN, ["www.counter.example", "127.0.0.1:8081", "other.example"]),
        ("", (), (), None, ["www.counter.example", "127.0.0.1:8081", "other.example"]),
        ("", (("analytics", GIVEN),), (), ANN, ["127.0.0.1:8081", "other.example"]),
        ("", (("ads", GIVEN),), (), ANN, ["www.counter.example", "127.0.0.1:8081", "other.example"]),
        ("", (("ads", GIVEN), ("analytics", GIVEN)), (), ANN, ["other.example"]),
        ("", (("ads", GIVEN), ("analytics", GIVEN)), ((b"Sec-GPC", b"1"),), ANN, ["127.0.0.1:8081", "other.example"]),
        (
            "",
            (("analytics", ConsentStatus.WITHDRAWN),),
            (),
            ANN,
            ["www.counter.example", "127.0.0.1:8081", "other.example"],
        ),
        ("unknown: pass", (("analytics", GIVEN),), (), ANN, ["127.0.0.1:8081"]),
        ("unknown: report", (("analytics", GIVEN),), (), ANN, ["127.0.0.1:8081"]),
        ("mode: report", (), (), ANN, []),
    ],
)
def test_a_host_is_held_where_its_recipient_may_not_be_reached(settings, consents, headers, identity, wanted):
    assert held(asked(engine(settings), consents=consents, headers=headers, identity=identity)) == wanted


def test_a_contract_that_ended_lets_nobody_in():
    later = 1_801_500_000.0

    assert "www.counter.example" in held(asked(engine(), consents=(("analytics", GIVEN),), now=later))


def test_the_record_says_what_was_held_and_what_was_let_through_and_why():
    trial = asked(engine(), consents=(("analytics", GIVEN), ("ads", ConsentStatus.REFUSED)))

    record = step_record(trial, trial.response)
    assert record["kind"] == "disclose"
    assert record["consent"] == ["given-for-trial"]
    assert record["fields"] == [
        _said("counter", "keep", "listed", "analytics", "consent"),
        _said("network", "drop", "no_consent", "ads", "consent"),
        _said("maps", "keep", "listed", "service", "contract"),
        {"action": "drop", "address": "html:*", "class": "user.device", "count": 1, "reason": "unknown_recipient"},
    ]


def _said(recipient, action, reason, purpose, basis):
    said = {"action": action, "address": f"html:{recipient}", "basis": basis, "class": "user.device", "count": 1}
    return {**said, "purpose": purpose, "reason": reason}


def test_a_page_without_others_is_as_it_came_and_leaves_no_record():
    page = b"<!doctype html><p>a</p><img src=/a>"

    trial = asked(engine(), page)

    assert trial.response.outgoing.body is page
    assert not trial.response.recorded


@pytest.mark.parametrize("kind", [b"image/png", b"text/css", b"application/json"])
def test_what_is_no_page_is_not_looked_at(kind):
    fields = ((b"Content-Type", kind), (b"ETag", b'"a"'), (b"Accept-Ranges", b"bytes"))

    trial = asked(engine(), PAGE, fields=fields)

    assert trial.response.outgoing.headers == fields
    assert trial.response.outgoing.body is PAGE or trial.response.outgoing.body is None


@pytest.mark.parametrize(
    "fields",
    [
        (HTML, (b"Cache-Control", b"max-age=9, No-Transform")),
        ((b"Content-Type", b"application/xhtml+xml"),),
        ((b"Content-Type", b"image/svg+xml"),),
        (),
    ],
)
def test_documents_that_are_not_rewritten_get_the_fields_all_the_same(fields):
    trial = asked(engine(), PAGE, fields=(*fields, (b"ETag", b'"a"')))

    assert trial.response.outgoing.body in (None, PAGE)
    assert field(trial, b"etag") == [b'"a"']
    assert b"default-src 'self'" in field(trial, b"content-security-policy")[0]


def test_the_policy_names_the_hosts_that_may_be_reached_now():
    first = asked(engine(), fields=(HTML, (b"Content-Security-Policy", b"script-src 'nonce-x'")))
    second = asked(engine(), consents=(("analytics", GIVEN),))

    app, ours = field(first, b"content-security-policy")
    assert app == b"script-src 'nonce-x'"
    sources = b"'self' static.shop.example:* maps.example:*"
    assert ours.startswith(b"default-src " + sources + b" 'unsafe-inline' 'unsafe-eval'")
    assert ours.endswith(b"; form-action " + sources + b"; base-uri " + sources)
    (wider,) = field(second, b"content-security-policy")
    assert b" counter.example:* *.counter.example:* " in wider
    assert b"127.0.0.1:8081" not in wider
    everybody = asked(engine(), consents=(("analytics", GIVEN), ("ads", GIVEN)))
    assert b" 127.0.0.1:8081 " in field(everybody, b"content-security-policy")[0]


@pytest.mark.parametrize("settings", ["csp: false", "unknown: pass", "unknown: report", "mode: report"])
def test_there_is_no_policy_that_would_say_nothing(settings):
    assert field(asked(engine(settings)), b"content-security-policy") == []


@pytest.mark.parametrize(
    ("settings", "given", "wanted"),
    [
        ("", [], [b"strict-origin-when-cross-origin"]),
        ("", [b"unsafe-url"], [b"strict-origin-when-cross-origin"]),
        ("", [b"no-referrer"], [b"no-referrer"]),
        ("", [b"no-referrer, unsafe-url"], [b"strict-origin-when-cross-origin"]),
        ("", [b"no-referrer, nonsense"], [b"no-referrer, nonsense"]),
        ("referrer_policy: same-origin", [b"strict-origin"], [b"same-origin"]),
    ],
)
def test_of_two_referrer_policies_the_stricter_holds(settings, given, wanted):
    fields = (HTML, *((b"Referrer-Policy", value) for value in given))

    assert field(asked(engine(settings), fields=fields), b"referrer-policy") == wanted


def test_features_are_added_and_never_said_twice():
    fields = (HTML, (b"Permissions-Policy", b"geolocation=(), browsing-topics=(self)"))

    first, second = field(
        asked(engine("permissions_policy: [browsing-topics, camera]"), fields=fields), b"permissions-policy"
    )

    assert (first, second) == (fields[1][1], b"camera=()")


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        (b"Link", b"<//other.example/a>; rel=preconnect, </b>; rel=preload", [b"</b>; rel=preload"]),
        (b"Link", b'</a>; rel="x, <b>", <https://maps.example>; rel=preconnect', None),
        (b"Link", b"<//other.example>; rel=preconnect", []),
        (b"Link", b"nonsense", []),
        (b"Refresh", b"0; url=//other.example", []),
        (b"Refresh", b"5; url=/next", None),
        (b"Report-To", b'{"endpoints":[{"url":"https://other.example/r"}]}', []),
        (b"Reporting-Endpoints", b'main="/reports"', None),
        (b"NEL", b'{"report_to":"a"}', []),
        (b"Accept-CH", b"Sec-CH-UA-Model", []),
        (b"Critical-CH", b"Sec-CH-UA-Model", []),
    ],
)
def test_fields_that_lead_a_browser_to_others_are_taken_out(name, value, wanted):
    trial = asked(engine(), fields=(HTML, (name, value)))

    assert field(trial, name.lower()) == ([value] if wanted is None else wanted)


def test_requests_go_on_without_what_tells_browsers_apart():
    sent = (
        (b"Sec-CH-UA-Model", b"x"),
        (b"DPR", b"2"),
        (b"Sec-CH-UA", b"y"),
        (b"X-Client-Data", b"z"),
        (b"Range", b"a"),
    )

    names = [name for name, _ in asked(engine(), headers=sent).request.outgoing.headers]
    kept = [name for name, _ in asked(engine("client_hints: keep"), headers=sent).request.outgoing.headers]

    assert names == [b"Sec-CH-UA", b"Range", b"Accept-Encoding"]
    assert kept == [name for name, _ in sent] + [b"Accept-Encoding"]


def test_pages_are_private_and_tags_tell_decisions_apart():
    fields = (HTML, (b"ETag", b'"a"'), (b"Cache-Control", b"public, max-age=9"))
    denied = asked(engine(), fields=fields)
    allowed = asked(engine(), fields=fields, consents=(("analytics", GIVEN),))

    assert field(denied, b"etag") != field(allowed, b"etag")
    assert field(denied, b"cache-control") == [b"private, max-age=9"]
    again = asked(engine(), headers=((b"If-None-Match", field(denied, b"etag")[0]),), consents=(("analytics", GIVEN),))
    assert header_values(again.request.outgoing.headers, b"if-none-match") == [field(denied, b"etag")[0]]


def test_a_page_that_cannot_be_read_is_refused():
    trial = asked(engine(), b"<!doctype html><select><style><img src=x></style>")

    assert isinstance(trial.response, Refuse)
    assert trial.response.refusal.code == "unparsable_body"


def test_a_part_of_a_page_is_refused():
    assert asked(engine(), status=206).code == "unparsable_body"


BANNER = (
    b'<iframe class="privacy-gateway-banner" src="/privacy/banner?back=%2Fa%2520b" title="Privacy choices"></iframe>'
)


@pytest.mark.parametrize(
    ("settings", "consents", "headers", "banner", "link"),
    [
        ("", (), (), True, False),
        ("link: true", (), (), True, True),
        ("link: true, banner: false", (), (), False, True),
        ("", (("analytics", GIVEN),), (), True, False),
        ("", (("analytics", GIVEN), ("ads", ConsentStatus.REFUSED)), (), False, False),
        ("", (("analytics", ConsentStatus.WITHDRAWN), ("ads", ConsentStatus.EXPIRED)), (), True, False),
        ("", (("analytics", ConsentStatus.REFUSED),), ((b"Sec-GPC", b"1"),), False, False),
        ("", (), ((b"Sec-Fetch-Dest", b"document"),), True, False),
        ("", (), ((b"Sec-Fetch-Dest", b"iframe"),), False, False),
        ("", (), ((b"Sec-Fetch-Dest", b"empty"),), False, False),
        ("mode: report", (), (), False, False),
    ],
)
def test_a_page_asks_while_an_answer_is_missing(settings, consents, headers, banner, link):
    trial = asked(engine(settings, "/privacy"), consents=consents, headers=headers, path=b"/a%20b?secret=1")

    body = trial.response.outgoing.body
    assert (BANNER in body) is banner
    assert (b'<a class="privacy-gateway-link" href="/privacy">Privacy choices</a></aside></body>' in body) is link
    assert (b'<link rel="stylesheet" href="/privacy/embed.css">' in body) is (banner or link)
    assert b"secret" not in body


def test_nothing_is_asked_where_there_are_no_pages_to_answer_on():
    assert b"iframe" not in asked(engine()).response.outgoing.body
