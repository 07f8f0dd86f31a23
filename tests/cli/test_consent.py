import io
import json
import sys

import pytest
from people import handle_of

from gateway.cli import consent_decide as module
from gateway.cli.main import main
from gateway.model.words import ConsentStatus
from gateway.stores.consent import SqliteConsentStore
from gateway.stores.event import ConsentEvent, new_event_id, now_microseconds
from gateway.stores.keyfile import create_keys

S = ConsentStatus
DAY = 24 * 3600


@pytest.fixture
def state(tmp_path):
    create_keys(tmp_path)
    return tmp_path


@pytest.fixture
def run(state, capsys):
    def run(verb, *arguments, subject="Ann@shop.example", status=0):
        with pytest.raises(SystemExit) as left:
            main(["consent", verb, "--state", str(state), "--subject", subject, *arguments])
        printed = capsys.readouterr()
        assert left.value.code == status, printed.err
        return printed

    return run


@pytest.fixture
def ann(state):
    return handle_of(state, "ann@shop.example")


def standings(state, subject):
    store = SqliteConsentStore(state / "consent.sqlite")
    found = {key: consent.status for key, consent in store.state(subject).consents.items()}
    store.close()
    return found


@pytest.mark.parametrize(
    ("verb", "arguments", "key", "status"),
    [
        ("grant", ["--purpose", "ads"], ("ads", "*"), S.GIVEN),
        ("grant", ["--purpose", "ads.mail", "--recipient", "mailer"], ("ads.mail", "mailer"), S.GIVEN),
        ("withdraw", ["--purpose", "ads"], ("ads", "*"), S.WITHDRAWN),
        ("withdraw", ["--purpose", "*"], ("*", "*"), S.WITHDRAWN),
        ("refuse", ["--purpose", "ads", "--recipient", "mailer"], ("ads", "mailer"), S.REFUSED),
        ("object", ["--purpose", "ads"], ("ads", "*"), S.OBJECTED),
        ("restrict", ["--purpose", "*"], ("*", "*"), S.RESTRICTED),
    ],
)
def test_a_decision_is_recorded_under_the_handle_alone(run, state, ann, verb, arguments, key, status):
    printed = run(verb, *arguments)

    assert standings(state, ann) == {key: status}
    assert printed.out.startswith(f"{status}: {key[0]} for ")
    assert "nn@shop" not in printed.out + printed.err
    assert all(b"nn@shop" not in file.read_bytes() for file in state.rglob("*") if file.is_file())


def test_json_of_a_decision(run, ann):
    printed = json.loads(run("grant", "--purpose", "ads", "--valid-days", "3", "--json").out)
    event = printed["event"]

    assert printed["warning"] is None
    assert (event["subject"], event["purpose"], event["recipient"], event["status"]) == (ann, "ads", "*", "given")
    assert (event["method"], event["at"][10:20:9], event["at"][-1]) == ("command line", "T.", "Z")


def test_validity_counts_in_days_from_now(run, state, ann):
    before = now_microseconds()
    run("grant", "--purpose", "ads", "--valid-days", "3")
    (event,) = SqliteConsentStore(state / "consent.sqlite").history(ann)

    assert event.valid_until - event.at == 3 * DAY * 1_000_000
    assert before <= event.at <= now_microseconds()


def test_a_withdrawal_counts_although_the_clock_went_back(run, state, ann, monkeypatch):
    run("grant", "--purpose", "ads")
    monkeypatch.setattr(module, "now_microseconds", lambda: 1_000_000_000_000_000)
    run("withdraw", "--purpose", "ads")

    assert standings(state, ann) == {("ads", "*"): S.WITHDRAWN}


def test_the_identifier_can_come_from_standard_input(run, state, ann, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"ann@SHOP.example\n")))
    run("grant", "--purpose", "ads", subject="-")

    assert standings(state, ann) == {("ads", "*"): S.GIVEN}


@pytest.mark.parametrize(
    ("first", "then", "warning"),
    [
        (
            ["withdraw", "--purpose", "ads"],
            ["grant", "--purpose", "ads", "--recipient", "mailer"],
            "ads is still withdrawn for any recipient",
        ),
        (["refuse", "--purpose", "ads"], ["grant", "--purpose", "ads.mail"], "ads is still refused for any recipient"),
        (["withdraw", "--purpose", "*"], ["grant", "--purpose", "ads"], "* is still withdrawn for any recipient"),
        (["grant", "--purpose", "ads"], ["withdraw", "--purpose", "adz"], "nothing was recorded for adz before"),
        (["withdraw", "--purpose", "ads"], ["grant", "--purpose", "ads"], None),
        (
            ["withdraw", "--purpose", "ads", "--recipient", "mailer"],
            ["grant", "--purpose", "ads", "--recipient", "shop"],
            None,
        ),
        (["withdraw", "--purpose", "ads.mail"], ["grant", "--purpose", "ads"], None),
        (["grant", "--purpose", "ads"], ["withdraw", "--purpose", "ads", "--recipient", "mailer"], None),
        (["grant", "--purpose", "ads.mail"], ["withdraw", "--purpose", "ads"], None),
        (["grant", "--purpose", "ads"], ["withdraw", "--purpose", "*"], None),
    ],
)
def test_what_the_operator_may_not_have_meant_is_said(run, first, then, warning):
    run(*first)
    printed = json.loads(run(*then, "--json").out)

    assert (printed["warning"] or "").startswith(warning or "")
    assert bool(printed["warning"]) == bool(warning)


def test_a_warning_goes_to_stderr(run):
    assert run("withdraw", "--purpose", "ads").err == (
        "warning: nothing was recorded for ads before: check that the rules spell it so\n"
    )


def test_show_prints_standings_and_history(run, ann):
    run("grant", "--purpose", "ads", "--valid-days", "3")
    run("withdraw", "--purpose", "ads")
    run("grant", "--purpose", "service", "--recipient", "mailer")
    lines = [line.split() for line in run("show").out.splitlines()]

    assert ann in lines[0]
    assert ["ads", "*", "withdrawn"] in lines
    assert ["service", "mailer", "given"] in lines
    assert [line[1:4] for line in lines[-3:]] == [
        ["ads", "*", "given"],
        ["ads", "*", "withdrawn"],
        ["service", "mailer", "given"],
    ]


def test_show_for_programs(run, ann):
    run("grant", "--purpose", "ads")
    run("withdraw", "--purpose", "ads")
    shown = json.loads(run("show", "--json").out)

    assert shown["subject"] == ann
    assert [(row["purpose"], row["recipient"], row["status"]) for row in shown["standings"]] == [
        ("ads", "*", "withdrawn")
    ]
    assert [event["status"] for event in shown["history"]] == ["given", "withdrawn"]
    assert shown["standings"][0]["event"] == shown["history"][1]["id"]


def test_show_says_when_consent_is_over(run, state, ann):
    at = now_microseconds() - 2_000_000
    store = SqliteConsentStore(state / "consent.sqlite")
    store.append(
        ConsentEvent(
            id=new_event_id(at), subject=ann, purpose="ads", status=S.GIVEN, at=at, valid_until=at + 1, method="test"
        )
    )
    store.close()

    assert json.loads(run("show", "--json").out)["standings"][0]["status"] == "expired"


def test_show_of_a_person_nobody_knows(run):
    assert "nothing is recorded" in run("show", subject="bob").out
    assert json.loads(run("show", "--json", subject="bob").out)["history"] == []


@pytest.mark.parametrize(
    ("verb", "arguments", "subject"),
    [
        ("grant", ["--purpose", "*"], "ann"),
        ("grant", [], "ann"),
        ("grant", ["--purpose", "two words"], "ann"),
        ("grant", ["--purpose", ""], "ann"),
        ("grant", ["--purpose", ".ads"], "ann"),
        ("grant", ["--purpose", "ads", "--recipient", "a/b"], "ann"),
        ("grant", ["--purpose", "ads", "--valid-days", "0"], "ann"),
        ("grant", ["--purpose", "ads", "--valid-days", "99999999"], "ann"),
        ("withdraw", ["--purpose", "ads", "--valid-days", "1"], "ann"),
        ("withdraw", ["--purpose", "ads"], "  "),
        ("show", [], ""),
    ],
)
def test_wrong_usage_records_nothing(run, state, verb, arguments, subject):
    printed = run(verb, *arguments, subject=subject, status=1)

    assert "Error: " in printed.err
    assert not (state / "consent.sqlite").exists()


def test_without_keys_the_command_says_what_to_do(tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        main(["consent", "grant", "--state", str(tmp_path), "--subject", "ann", "--purpose", "ads"])

    assert left.value.code == 1
    assert "keys init" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_broken_store_is_one_line(run, state, ann):
    (state / "consent.sqlite").write_bytes(b"not a database" * 100)
    (state / "consent.sqlite").chmod(0o600)

    assert run("show", status=1).err == "error: the consent store cannot be opened\n"
    assert json.loads(run("show", "--json", status=1).out) == {"error": "the consent store cannot be opened"}


def test_a_name_that_no_policy_in_force_knew_is_pointed_out(run, state):
    rules = "purposes: {ads: {basis: consent}, ads.mail: {basis: consent}}\nrecipients: {mailer: {role: partner}}\n"
    (state / "policies").mkdir()
    (state / "policies" / "0.json").write_text(json.dumps({"digest": "0", "files": {"a.yaml": rules}}))

    assert "know a purpose 'adds'; they know: ads, ads.mail" in run("grant", "--purpose", "adds").err
    assert "know a recipient 'mialer'" in run("grant", "--purpose", "ads", "--recipient", "mialer").err
    assert run("grant", "--purpose", "ads", "--recipient", "mailer").err == ""
