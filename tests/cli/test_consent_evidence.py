"""What a decision rests on: notices that were shown, other evidence, and what must have been before."""

import json
from hashlib import sha256

import pytest
from people import handle_of

from gateway.audit.commit import GroupWriter
from gateway.audit.operator_log import operator_records
from gateway.cli.main import main
from gateway.model.words import ConsentStatus, Kind
from gateway.stores.consent import CONSENTS, SqliteConsentStore
from gateway.stores.keyfile import create_keys

S = ConsentStatus
TEXT = b"We would like to show you offers.\n"
DIGEST = sha256(TEXT).hexdigest()


@pytest.fixture
def state(tmp_path):
    create_keys(tmp_path / "state")
    (tmp_path / "notice.txt").write_bytes(TEXT)
    return tmp_path / "state"


@pytest.fixture
def run(state, capsys):
    def run(verb, *arguments, subject="ann@shop.example", status=0):
        with pytest.raises(SystemExit) as left:
            main(["consent", verb, "--state", str(state), "--subject", subject, *arguments])
        printed = capsys.readouterr()
        assert left.value.code == status, printed.err + printed.out
        return printed

    return run


def serve(run, state, version="2", **others):
    arguments = ["--notice", "offers", "--notice-version", version, "--language", "en"]
    return run("served", *arguments, "--file", str(state.parent / "notice.txt"), **others)


def history(state, identifier="ann@shop.example"):
    store = SqliteConsentStore(state / CONSENTS)
    found = store.history(handle_of(state, identifier))
    store.close()
    return found


def statuses(state):
    store = SqliteConsentStore(state / CONSENTS)
    found = [consent.status for consent in store.state(handle_of(state, "ann@shop.example")).consents.values()]
    store.close()
    return found


def test_a_grant_cites_the_notice_as_it_was_last_shown(run, state):
    serve(run, state, "1")
    serve(run, state, "2")
    run("grant", "--purpose", "ads", "--notice", "offers")
    run("grant", "--purpose", "ads", "--notice", "offers", "--notice-version", "1", "--notice-digest", DIGEST)

    cited = [(event.notice, event.notice_version, event.notice_digest) for event in history(state)]
    assert cited == [("offers", "2", DIGEST), ("offers", "1", DIGEST)]
    records = [record for _, record in operator_records(state / "audit", Kind.CONSENT)]
    assert [(record["notice_version"], record["notice_digest"]) for record in records] == [("2", DIGEST), ("1", DIGEST)]
    shown = json.loads(run("show", "--json").out)
    assert [(each["version"], each["language"]) for each in shown["notices"]] == [("1", "en"), ("2", "en")]
    assert shown["history"][0]["dpv"] == "https://w3id.org/dpv#ConsentGiven"
    assert "Notices shown" in run("show").out


@pytest.mark.parametrize(
    "cited",
    [
        ["--notice", "terms"],
        ["--notice", "offers", "--notice-version", "3"],
        ["--notice", "offers", "--notice-digest", "ab" * 32],
        ["--notice", "offers", "--notice-version", "1", "--notice-digest", "ab" * 32],
    ],
)
def test_consent_to_a_notice_that_was_never_shown_is_refused(run, state, cited):
    serve(run, state, "1")
    serve(run, state, "3", subject="bob@shop.example")

    assert run("grant", "--purpose", "ads", *cited, status=1).err.startswith("error: notice_not_served: ")
    printed = json.loads(run("grant", "--purpose", "ads", *cited, "--json", status=1).out)
    assert printed["code"] == "notice_not_served"
    assert history(state) == []
    assert not (state / "audit").exists()


def test_other_evidence_is_recorded_and_names_nobody(run, state):
    run("grant", "--purpose", "ads", "--evidence", "paper form 2026-17", "--assurance", "high", "--by", "desk")

    (event,) = history(state)
    assert (event.method, event.assurance, event.actor, event.notice) == ("paper form 2026-17", "high", "desk", None)
    for text in ("mail from ANN@shop.example", "p1.26q4a.x ann@shop.example", "x" * 201, "two\nlines", ""):
        assert "--evidence" in run("grant", "--purpose", "ads", "--evidence", text, status=1).err
    assert len(history(state)) == 1
    run("grant", "--purpose", "ads", "--evidence", "p1.26q4a.7")
    assert history(state)[-1].method == "p1.26q4a.7"


def test_the_ledger_shows_what_was_decided(run, state, capsys):
    run("grant", "--purpose", "ads.mail", "--recipient", "mailer")
    run("withdraw", "--purpose", "ads")
    for arguments in (["--subject", "ann@shop.example"], ["--kind", "consent"], ["--purpose", "ads"]):
        with pytest.raises(SystemExit):
            main(["audit", "search", "--state", str(state), *arguments])
        printed = capsys.readouterr().out
        assert "withdrawn ads" in printed
        assert ("given ads.mail" in printed) == (arguments[0] != "--purpose")


@pytest.mark.parametrize(
    ("before", "renews"),
    [
        ([], False),
        (["grant"], True),
        (["grant", "renew"], True),
        (["grant", "withdraw"], False),
        (["refuse"], False),
        (["object"], False),
    ],
)
def test_only_consent_that_stands_or_ended_by_itself_is_renewed(run, before, renews):
    for verb in before:
        run(verb, "--purpose", "ads")
    printed = run("renew", "--purpose", "ads", "--valid-days", "30", status=0 if renews else 1)

    assert renews or printed.err.startswith("error: nothing_to_renew: ")
    assert not renews or printed.out.startswith("renewed: ads for any recipient")


@pytest.mark.parametrize("answer", ["grant", "withdraw", "object"])
def test_a_restriction_lies_over_the_answer_until_it_is_lifted(run, state, answer):
    assert run("unrestrict", "--purpose", "ads", status=1).err.startswith("error: not_restricted: ")
    run(answer, "--purpose", "ads")
    before = statuses(state)
    run("restrict", "--purpose", "ads")
    assert statuses(state) == [S.RESTRICTED]
    assert "ads is still restricted" in run("grant", "--purpose", "ads", "--recipient", "mailer").err
    run("withdraw", "--purpose", "ads", "--recipient", "mailer")

    run("unrestrict", "--purpose", "ads")
    assert set(statuses(state)) == {*before, S.WITHDRAWN}


def test_a_withdrawal_that_cannot_be_recorded_yet_counts_and_says_so(run, state, monkeypatch):
    run("grant", "--purpose", "ads")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(GroupWriter, "append", full)
        printed = run("withdraw", "--purpose", "ads")
        assert "it counts, but is not in the log yet" in printed.err
        assert json.loads(run("withdraw", "--purpose", "ads", "--json").out)["recorded"] is False
        assert statuses(state) == [S.WITHDRAWN]
        assert "counts as soon as" in run("grant", "--purpose", "ads", status=1).err
        assert statuses(state) == [S.WITHDRAWN]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--digest", "ab" * 31],
        ["--digest", "zz" * 32],
        ["--digest", "ab" * 32, "--language", "?"],
        ["--digest", "ab" * 32, "--notice", ""],
    ],
)
def test_what_is_no_notice_is_not_recorded(run, arguments):
    run("served", "--notice", "offers", "--notice-version", "1", "--language", "en", *arguments, status=1)

    assert json.loads(run("show", "--json").out)["notices"] == []


def test_reconciling_says_what_does_not_agree(run, state, capsys):
    def reconcile(status, *arguments):
        with pytest.raises(SystemExit) as left:
            main(["consent", "reconcile", "--state", str(state), *arguments])
        assert left.value.code == status
        return capsys.readouterr().out

    run("grant", "--purpose", "ads")
    run("withdraw", "--purpose", "ads")
    assert "2 event(s) stand in the store and in the ledger" in reconcile(0)
    store = SqliteConsentStore(state / CONSENTS)
    (first, second) = store.history(handle_of(state, "ann@shop.example"))
    store._connection.execute("DROP TRIGGER consent_event_stays")
    store._connection.execute("UPDATE consent_event SET status = 'given' WHERE id = ?", (second.id,))
    store.close()
    assert second.id in reconcile(2)
    assert first.id not in reconcile(2)
    assert json.loads(reconcile(2, "--json"))["different"] == [second.id]
