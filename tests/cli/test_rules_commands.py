"""`check`, `test`, `explain` and `diff` as a person runs them."""

import json
from pathlib import Path

import pytest
from processes import cli
from rulebook import rules

ROUTES = """
routes:
  - name: sign-up
    match: {method: POST, path: /customers}
    to: shop
    subject: {field: $.email}
    request:
      fields:
        $.email: {is: contact.email, for: service}
        $.born: {is: demographic.date_of_birth, for: ads, otherwise: drop}
    response: {rest: pass}
"""
CASES = """
version: 1
cases:
  - name: without consent the birth date stays out
    request: {method: POST, path: /customers, json: {email: a@b.c, born: 1990-01-02, x: 1}}
    expect:
      forward: {json: {email: a@b.c}}
      record: {kind: collect, fields: {$.email: keep, $.born: drop, 'body:*': drop}}
"""


@pytest.fixture
def folder(tmp_path):
    rules_folder = tmp_path / "old"
    rules_folder.mkdir()
    (rules_folder / "shop.yaml").write_text(rules(ROUTES))
    (rules_folder / "shop.cases.yaml").write_text(CASES)
    return rules_folder


def test_check_is_content_with_good_rules(folder):
    result = cli("check", folder)

    assert "1 routes, 2 fields, digest " in result.stdout


def test_check_prints_twelve_mistakes_with_line_and_column_at_once():
    mistakes = Path(__file__).parents[1] / "policy" / "mistakes" / "twelve.yaml"
    result = cli("check", mistakes, "--json", check=False)

    found = json.loads(result.stdout)["diagnostics"]
    errors = [each for each in found if each["severity"] == "error"]
    assert len(found) == 12
    assert result.returncode == 2
    assert len(errors) == 12
    assert all(each["line"] > 0 and each["column"] > 0 and each["hint"] for each in errors)
    assert len({(each["line"], each["code"]) for each in errors}) == 12


def test_test_runs_the_cases_and_says_how_many_rules_were_reached(folder):
    assert "1 passed, 0 failed, 100% of the rules reached" in cli("test", folder).stdout


def test_a_broken_rule_fails_its_case_side_by_side(folder):
    path = folder / "shop.yaml"
    path.write_text(path.read_text().replace("$.born:", "$.bron:"))
    result = cli("test", folder, check=False)

    assert result.returncode == 2
    assert "FAILED shop.cases.yaml:4: without consent the birth date stays out" in result.stdout
    assert "expected" in result.stdout
    assert "got" in result.stdout
    assert "sign-up" in result.stdout
    assert "$.bron" in result.stdout
    assert "0 passed, 1 failed, 50% of the rules reached" in result.stdout


def test_zero_cases_is_no_success(folder):
    (folder / "shop.cases.yaml").unlink()
    result = cli("test", folder, check=False)

    assert result.returncode == 1
    assert "no case found" in result.stderr


def test_a_misspelt_expectation_is_a_diagnostic(folder):
    path = folder / "shop.cases.yaml"
    path.write_text(path.read_text().replace("forward:", "foward:"))
    result = cli("test", folder, check=False)

    assert result.returncode == 1
    assert "shop.cases.yaml:7:7: error PG105" in result.stderr
    assert "did you mean 'forward'?" in result.stderr


@pytest.mark.parametrize("as_file", [False, True])
def test_explain_names_route_verdicts_and_what_would_be_sent(folder, tmp_path, as_file):
    body = '{"email":"a@b.c","born":"1990-01-02","x":1}'
    if as_file:
        capture = tmp_path / "capture.http"
        capture.write_text(f"POST /customers HTTP/1.1\nHost: shop.example\nContent-Type: application/json\n\n{body}\n")
        given = ("--request", capture)
    else:
        given = ("--curl", f"curl http://shop.example/customers -H 'Content-Type: application/json' -d '{body}'")
    found = json.loads(cli("explain", "--rules", folder, *given, "--consent", "ads=given", "--json").stdout)

    assert found["route"] == "sign-up"
    assert [
        (each["address"], each["action"], each["reason"], each["count"]) for each in found["request"]["fields"]
    ] == [
        ("$.email", "keep", "listed", 1),
        ("$.born", "keep", "listed", 1),
    ]
    assert found["request"]["message"].endswith('\n\n{"email":"a@b.c","born":"1990-01-02"}')
    assert found["request"]["unlisted"] == {"body": 1}
    assert found["request"]["record"]["kind"] == "collect"


def test_explain_reads_a_har_with_its_answer(folder, tmp_path):
    asked = {
        "method": "POST",
        "url": "https://shop.example/customers",
        "postData": {"text": '{"email":"a@b.c"}'},
        "headers": [{"name": "Content-Type", "value": "application/json"}],
    }
    answered = {"status": 201, "headers": [{"name": "X-Id", "value": "7"}], "content": {"text": "fine"}}
    entry = {"request": asked, "response": answered}
    path = tmp_path / "one.har"
    path.write_text(json.dumps({"log": {"entries": [entry]}}))
    found = json.loads(cli("explain", "--rules", folder, "--request", path, "--json").stdout)

    assert found["response"]["message"] == "201\nX-Id: 7\nVary: Sec-GPC\n\nfine"


def test_explain_says_why_nothing_passes(folder):
    curl = "curl http://shop.example/customers -H 'Content-Type: application/json' -d '{broken'"
    result = cli("explain", "--rules", folder, "--curl", curl, check=False)

    assert result.returncode == 2
    assert "refused: unparsable_body" in result.stdout


def test_explain_reads_what_browsers_copy(folder):
    body = '$\'{"email":"a@b.c","x":"it\\\'s"}\''
    curl = (
        f"curl 'http://shop.example/customers' \\\n -H 'Content-Type: application/json' --data-raw {body} --compressed"
    )
    found = json.loads(cli("explain", "--rules", folder, "--curl", curl, "--json").stdout)

    assert found["request"]["message"].endswith('\n\n{"email":"a@b.c"}')


def test_explain_reads_forms_with_parts(folder):
    curl = "curl http://shop.example/customers -F email=a@b.c -F 'note=b;type=text/plain'"
    found = json.loads(cli("explain", "--rules", folder, "--curl", curl, "--json").stdout)

    assert found["request"]["unlisted"] == {"body": 2}


@pytest.mark.parametrize(
    "curl",
    [
        "curl",
        "wget http://a",
        "curl -F a=@f http://a",
        "curl --next http://a",
        "curl -d @file http://a",
        "curl -X",
        "curl http://a -H",
    ],
)
def test_explain_guesses_nothing_about_curl(folder, curl):
    result = cli("explain", "--rules", folder, "--curl", curl, check=False)

    assert result.returncode == 1
    assert "Error: " in result.stderr
    assert "Traceback" not in result.stderr


def test_diff_names_exactly_the_fields_that_change_and_the_facts(folder, tmp_path):
    newer = tmp_path / "newer"
    newer.mkdir()
    text = (folder / "shop.yaml").read_text()
    changed = text.replace("for: ads, otherwise: drop", "for: analytics, otherwise: drop")
    changed = changed.replace("$.email: {is: contact.email, for: service}",
                              "$.email: {is: contact.email, for: service, as: pseudonym}")  # fmt: skip
    (newer / "shop.yaml").write_text(changed)
    result = cli("diff", folder, newer, "--json", check=False)

    changes = json.loads(result.stdout)["changes"]
    assert result.returncode == 2
    assert {change["address"] for change in changes} == {"$.email", "$.born"}
    email = [change for change in changes if change["address"] == "$.email"]
    assert all(change["old"].startswith("keep") and change["new"].startswith("pseudonym") for change in email
               if "listed" in change["old"])  # fmt: skip


def test_diff_tells_consent_states_apart(folder, tmp_path):
    newer = tmp_path / "newer"
    newer.mkdir()
    text = (folder / "shop.yaml").read_text().replace("for: ads, otherwise: drop", "for: ads, otherwise: blank")
    (newer / "shop.yaml").write_text(text)
    changes = json.loads(cli("diff", folder, newer, "--json", check=False).stdout)["changes"]

    facts = {fact for change in changes for fact in change["facts"]}
    assert {change["address"] for change in changes} == {"$.born"}
    assert "consent given" not in facts
    assert {"consent given, Sec-GPC", "consent withdrawn", "no person"} <= facts


def test_diff_tells_consent_for_one_recipient_from_consent_for_any(folder, tmp_path):
    newer, newest = tmp_path / "newer", tmp_path / "newest"
    text = (folder / "shop.yaml").read_text()
    narrower = text.replace("ads: {basis: consent", "ads: {consent_scope: recipient, basis: consent")
    assert narrower != text
    for directory, kept in ((newer, narrower), (newest, narrower.replace("otherwise: drop", "otherwise: blank"))):
        directory.mkdir()
        (directory / "shop.yaml").write_text(kept)

    def facts(old, new):
        changes = json.loads(cli("diff", old, new, "--json", check=False).stdout)["changes"]
        return {fact for change in changes for fact in change["facts"]}

    assert facts(folder, newer) == {"consent given", "consent renewed", "consent expired"}
    assert {"consent given", "consent expired for shop alone"} <= facts(newer, newest)
    assert "consent given for shop alone" not in facts(newer, newest)


def test_diff_of_equal_rules_is_silent_success(folder):
    result = cli("diff", folder, folder)

    assert "no verdict changes" in result.stdout


def test_explain_takes_an_identity_as_a_fact(folder):
    path = folder / "shop.yaml"
    path.write_text(path.read_text().replace("subject: {field: $.email}", "subject: identity"))
    curl = """curl --json '{"email":"a@b.c","born":"1990-01-02"}' http://shop.example/customers"""
    given = ("explain", "--rules", folder, "--curl", curl, "--consent", "ads=given", "--json")

    named = json.loads(cli(*given, "--identity", "token:a@b.c").stdout)
    nobody = json.loads(cli(*given, check=False).stdout)

    assert (named["subject"], named["caller"]) == ("resolved", "token")
    assert named["request"]["record"]["caller"].startswith("token:s1.")
    assert (nobody["subject"], nobody["caller"], nobody["request"]["refused"]) == (
        "none",
        "anonymous",
        "unresolved_subject",
    )
    for text in ("a@b.c", "password:a@b.c", "token:"):
        assert "SOURCE:NAME" in cli(*given, "--identity", text, check=False).stderr


PARTNERS = Path(__file__).parents[2] / "rules" / "examples" / "partners"
CALL = """curl --json '{"to":"ada@example.org","order":"o-3"}' https://%s/v1/orders/send"""


@pytest.mark.parametrize("folder", [PARTNERS, PARTNERS.parent / "shop"], ids=lambda folder: folder.name)
def test_check_finds_nothing_in_the_examples(folder):
    assert json.loads(cli("check", folder, "--json").stdout)["diagnostics"] == []


def test_the_cases_of_calls_that_go_out_pass_and_reach_every_rule():
    report = json.loads(cli("test", PARTNERS, "--json").stdout)

    assert (report["coverage"], report["unreached"]) == (100, [])
    assert len(report["cases"]) == 15


def test_a_case_says_true_or_false_of_a_call_that_goes_out(folder):
    (folder / "shop.cases.yaml").write_text(CASES.replace("    expect:", "    facts: {outgoing: maybe}\n    expect:"))
    result = cli("test", folder, check=False)

    assert result.returncode == 1
    assert "shop.cases.yaml:6:23: error PG108: this is true or false" in result.stderr


@pytest.mark.parametrize(
    ("host", "flags", "route", "code"),
    [
        ("api.mailer.example", (), "order-mail", None),
        ("api.mailer.example", ("--outgoing",), "order-mail", None),
        ("api.mailer.example", ("--incoming",), None, "unknown_route"),
        ("tracker.example", (), None, "unknown_route"),
        ("tracker.example", ("--outgoing",), None, "unknown_recipient"),
    ],
)
def test_explain_takes_calls_that_go_out(host, flags, route, code):
    result = cli("explain", "--rules", PARTNERS, "--curl", CALL % host, *flags, "--json", check=False)

    found = json.loads(result.stdout)
    assert (found["route"], found["refused"] and found["refused"]["code"]) == (route, code)
    assert result.returncode == (2 if code else 0)


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ("{unknown: refuse}", "{unknown: observe}", ("*", "unknown hosts", "refuse", "observe")),
        (
            "hosts: events.brightads.example",
            "hosts: [events.brightads.example, b.example]",
            ("brightads-event", "reached at", "events.brightads.example", "b.example,events.brightads.example"),
        ),
        (
            "JC-2026-004, expires: 2099-12-31",
            "JC-2026-004, expires: 2020-12-31",
            ("brightads-event", "contract", "until 2099-12-31", "ended on 2020-12-31"),
        ),
        (
            "{contact.email: analytics}",
            "{name: analytics}",
            ("brightads-event", "$.user", "no_consent", "not_permitted_for_recipient"),
        ),
    ],
)
def test_diff_shows_what_changes_for_calls_that_go_out(tmp_path, old, new, change):
    text = (PARTNERS / "partners.yaml").read_text()
    assert text.count(old) == 1
    (tmp_path / "partners.yaml").write_text(text.replace(old, new))
    changes = json.loads(cli("diff", PARTNERS, tmp_path, "--json", check=False).stdout)["changes"]

    route, address, before, after = change
    assert {each["route"] for each in changes} == {route}
    assert {each["address"] for each in changes} == {address}
    assert any(before in each["old"] and after in each["new"] for each in changes)
