import pytest

from gateway.policy.compile import compile_policy

TEXT = """\
version: 1
controller: {name: Example GmbH}
purposes: {service: {basis: contract}}
recipients:
  shop: {role: controller, upstream: "http://127.0.0.1:8000"}
  mailer: {role: partner}
routes:
  - name: one
    match: {path: "/users/{user}/{order}"}
    to: shop
    caller: mailer
    subject: {field: path:user}
    request: {fields: {path:order: {is: name, for: service}}}
    response: {rest: pass}
"""


def told(old="", new=""):
    assert old in TEXT
    _, diagnostics = compile_policy({"a.yaml": TEXT.replace(old, new, 1)}, today="2026-11-23")
    return [(found.code, found.line, found.hint) for found in diagnostics]


def test_everything_that_is_declared_can_be_used():
    assert told() == []


def test_a_caller_need_not_have_an_upstream_nor_be_declared():
    assert told("caller: mailer", "caller: caller") == [("PG405", 6, "")]


def test_requests_need_an_upstream_and_calls_that_go_out_need_hosts():
    hint = "give it an 'upstream:' for requests that come in, or 'hosts:' for calls that go out"
    assert told("to: shop", "to: mailer")[-1] == ("PG203", 10, hint)
    assert told("to: shop", "to: caller")[-1][0] == "PG203"


@pytest.mark.parametrize("reached", ["hosts: api.example", "hosts: [api.example, a.example]", "upstream: 'http://a'"])
def test_a_recipient_is_reached_by_an_upstream_or_by_hosts(reached):
    text = TEXT.replace("{role: partner}", f"{{role: partner, contract: {{ref: A}}, {reached}}}")
    text = text.replace("match: {path", "match: {host: api.example, path").replace("to: shop", "to: mailer")
    _, diagnostics = compile_policy({"a.yaml": text.replace("caller: mailer", "caller: shop")}, today="2026-11-23")

    assert [found.code for found in diagnostics] == []


def test_a_host_that_cannot_be_read_is_told_once():
    changed = TEXT.replace("to: shop", "to: mailer").replace("{role: partner}", "{role: partner, hosts: '/x'}")
    _, diagnostics = compile_policy({"a.yaml": changed}, today="2026-11-23")

    assert [found.code for found in diagnostics] == ["PG405", "PG461", "PG211"]


def test_an_upstream_that_cannot_be_read_is_told_once():
    assert [code for code, _, _ in told("http://127", "htp://127")] == ["PG108"]


def test_path_names_of_fields_and_subjects_have_to_exist():
    assert told("path:user", "path:usr") == [("PG209", 12, "did you mean 'user'?")]
    assert told("path:order:", "path:ordre:") == [("PG209", 13, "did you mean 'order'?")]
    assert [code for code, _, _ in told("/users/{user}/{order}", "/users/*/**")] == ["PG209", "PG209"]


def test_undeclared_names_are_told_where_they_are_used():
    assert told("for: service", "for: servic") == [
        ("PG404", 3, ""),
        ("PG201", 13, "did you mean 'service'?"),
    ]
    assert told("caller: mailer", "caller: mailr")[-1] == ("PG202", 11, "did you mean 'mailer'?")
