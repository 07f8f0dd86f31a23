import pytest
from rulebook import NOW, TODAY, compiled

from gateway.model.cookie import CookieLimits, covers_name
from gateway.model.facts import Consent, Facts, SubjectState
from gateway.model.words import ConsentStatus, Direction
from gateway.policy.compile import compile_policy
from gateway.policy.cookies import denied_cookies

COOKIES = """
cookies:
  sid: {is: unique_id, for: service, http_only: true, secure: true, same_site: lax}
  _ga: {is: device.cookie_id, for: analytics, max_age: 90d}
  _ga_*: {is: device.cookie_id, for: analytics, max_age: 12h}
  ad*: {is: device.cookie_id, for: ads, otherwise: blank}
  fr: {is: device.cookie_id, for: ads, as: pseudonym}
routes:
  - name: page
    match: {path: /page}
    to: shop
    subject: identity
    request:
      fields:
        cookie:_ga*: {is: device.cookie_id, for: service}
      rest: pass
    response: {rest: pass}
  - name: static
    match: {path: /static/**}
    to: shop
    mode: observe
    request: {rest: pass}
"""
PERSON = "s1." + "A" * 22


def listed(policy, route, direction):
    (found,) = (each for each in policy.routes if each.name == route)
    return [(rule.address.text, rule.general) for rule in found.section(direction).fields]


def test_a_route_that_lists_a_cookie_decides_alone_in_that_direction():
    policy = compiled(COOKIES)
    every = [(f"cookie:{name}", True) for name in ("sid", "_ga", "_ga_*", "ad*", "fr")]

    assert listed(policy, "page", Direction.REQUEST) == [
        ("cookie:_ga*", False),
        ("cookie:sid", True),
        ("cookie:ad*", True),
        ("cookie:fr", True),
    ]
    assert listed(policy, "page", Direction.RESPONSE) == every
    assert listed(policy, "static", Direction.REQUEST) == every


def test_limits_are_read():
    limits = {rule.address.name: rule.limits for rule in compiled(COOKIES).cookies}

    assert limits == {
        "sid": CookieLimits(secure=True, http_only=True, same_site="lax"),
        "_ga": CookieLimits(max_age=90 * 86400),
        "_ga_*": CookieLimits(max_age=12 * 3600),
        "ad*": None,
        "fr": None,
    }


@pytest.mark.parametrize(
    ("general", "special", "covers"),
    [
        ("_ga", "_ga", True),
        ("_ga*", "_ga_*", True),
        ("_ga*", "_ga", True),
        ("_ga_*", "_ga*", False),
        ("a", "ab", False),
    ],
)
def test_which_names_a_pattern_covers(general, special, covers):
    assert covers_name(general, special) is covers


def test_a_name_is_listed_once_in_all_files():
    files = {
        "a.yaml": "version: 1\ncontroller: {name: X}\npurposes: {p: {basis: contract}}\n"
        'recipients: {shop: {role: controller, upstream: "http://127.0.0.1:1"}}\n'
        "cookies: {a: {is: unique_id, for: p}}\n"
        "routes: [{name: all, match: {path: /**}, to: shop, response: {rest: pass}}]\n",
        "b.yaml": "version: 1\ncookies: {a: {is: unique_id, for: p}}\n",
    }
    policy, found = compile_policy(files, today=TODAY)

    assert policy is None
    assert [(each.file, each.code) for each in found] == [("b.yaml", "PG110")]


def facts(*consents, gpc=False, subject=PERSON):
    state = SubjectState({(p, r): Consent(p, r, ConsentStatus(s), "e") for p, r, s in consents})
    return Facts(NOW, subject, state, gpc=gpc)


@pytest.mark.parametrize(
    ("under", "denied"),
    [
        (facts(), {"_ga", "_ga_*", "fr"}),
        (facts(subject=None), set()),
        (facts(("analytics", "*", "given")), {"fr"}),
        (facts(("analytics", "shop", "given"), ("ads", "*", "given")), set()),
        (facts(("analytics", "*", "given"), ("ads", "*", "given"), gpc=True), {"fr"}),
        (facts(("analytics", "*", "withdrawn"), ("ads", "*", "given")), {"_ga", "_ga_*"}),
        (facts(("analytics", "*", "expired"), ("ads", "*", "objected")), {"_ga", "_ga_*", "fr"}),
        (facts(("*", "*", "restricted")), {"sid", "_ga", "_ga_*", "fr"}),
        (facts(("service", "*", "objected"), ("analytics", "*", "given"), ("ads", "*", "given")), {"sid"}),
    ],
)
def test_denied_cookies(under, denied):
    assert denied_cookies(compiled(COOKIES), under) == denied


def test_what_one_of_two_services_may_have_is_not_denied_as_a_whole():
    other = """
recipients:
  shop: {role: controller, upstream: "http://127.0.0.1:1"}
  blog: {role: controller, upstream: "http://127.0.0.1:2"}
"""
    files = {
        "a.yaml": "version: 1\ncontroller: {name: X}\npurposes: {service: {basis: contract},"
        " analytics: {basis: consent}, ads: {basis: consent}}\n"
        + other
        + COOKIES.replace(
            "  - name: static",
            "  - name: blog\n    match: {path: /blog}\n    to: blog\n    subject: identity\n"
            "    response: {rest: pass}\n  - name: static",
        )
    }
    policy, found = compile_policy(files, today=TODAY)
    assert policy is not None, found

    assert denied_cookies(policy, facts(("analytics", "blog", "given"))) == {"fr"}
    assert denied_cookies(policy, facts(("analytics", "nobody", "given"))) == {"_ga", "_ga_*", "fr"}
