"""Importing and exporting consent events, over files as other tools write them."""

import csv
import io
import json
import sys
from pathlib import Path

import pytest
from people import handle_of

from gateway.audit.commit import GroupWriter
from gateway.audit.operator_log import operator_records
from gateway.cli.main import main
from gateway.model.words import ConsentStatus, Kind
from gateway.runtime.consents import reconcile
from gateway.stores.consent import CONSENTS, SqliteConsentStore
from gateway.stores.consent_rows import COLUMNS
from gateway.stores.event import new_event_id
from gateway.stores.keyfile import create_keys, load_keyring
from gateway.stores.subjects import SUBJECTS, SqliteSubjectStore

S = ConsentStatus
ANN, BOB = "ann@shop.example", "bob@shop.example"
RULES = "purposes: {ads: {basis: consent}, ads.mail: {basis: consent}}\nrecipients: {mailer: {role: partner}}\n"
UUID = "0190d1e8-5a00-7c3e-8000-0123456789ab"
FIRST, SECOND = (new_event_id(1_790_000_000_000_000) for _ in range(2))
ROW = {"id": FIRST, "subject": ANN, "purpose": "ads", "status": "given", "at": "2026-01-31T12:00:00+01:00"}
NOTICE = {"notice": "offers", "notice_version": "2", "notice_digest": "ab" * 32, "language": "de"}


@pytest.fixture
def state(tmp_path):
    create_keys(tmp_path / "state")
    (tmp_path / "state" / "policies").mkdir()
    kept = json.dumps({"digest": "0", "files": {"a.yaml": RULES}})
    (tmp_path / "state" / "policies" / "0.json").write_text(kept)
    return tmp_path / "state"


@pytest.fixture
def run(state, capsys):
    def run(verb, *arguments, status=0):
        with pytest.raises(SystemExit) as left:
            main(["consent", verb, "--state", str(state), *arguments])
        printed = capsys.readouterr()
        assert left.value.code == status, printed.err + printed.out
        assert "@shop" not in printed.out + printed.err
        return printed

    return run


def written(state, form, *rows):
    path = state.parent / f"consents.{form}"
    if form == "csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
        path.write_text(out.getvalue(), newline="")
    elif form == "json":
        path.write_text(json.dumps(rows, indent=1))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def events(state, identifier=ANN):
    store = SqliteConsentStore(state / CONSENTS)
    found = store.history(handle_of(state, identifier))
    store.close()
    return found


def known(state, identifier):
    store = SqliteSubjectStore(state / SUBJECTS, load_keyring(state))
    found = store.find(identifier)
    store.close()
    return found is not None


@pytest.mark.parametrize("form", ["csv", "json", "jsonl"])
def test_events_of_every_format_count_and_are_records(run, state, form):
    full = {
        **ROW,
        **NOTICE,
        "id": UUID,
        "purpose": "ads.mail",
        "recipient": "mailer",
        "status": "dpv:RenewedConsentGiven",
        "valid_until": "2036-01-31T12:00:00Z",
        "method": 'paper, "signed"',
        "assurance": "substantial",
        "actor": "desk",
        "served_at": "2026-01-31T11:59:59.5+01:00",
    }
    withdrawn = {**ROW, "id": SECOND, "subject": BOB, "status": "withdrawn", "purpose": "*"}
    path = written(state, form, ROW, full, withdrawn)
    assert "3 event(s) of 2 people recorded, 0 were there already" in run("import", path, "--by", "dpo").out

    first, second = events(state)
    assert (first.id, first.at, first.method, first.actor) == (FIRST, 1_769_857_200_000_000, "import", "dpo")
    assert (second.status, second.recipient, second.assurance) == (S.RENEWED, "mailer", "substantial")
    assert (second.method, second.actor, second.notice_version) == ('paper, "signed"', "desk", "2")
    assert second.valid_until > second.at == first.at
    assert [event.status for event in events(state, BOB)] == [S.WITHDRAWN]
    records = [record for _, record in operator_records(state / "audit", Kind.CONSENT)]
    assert {record["event"] for record in records} == {first.id, second.id, SECOND}
    assert not any(b"@shop" in file.read_bytes() for file in state.rglob("*") if file.is_file())

    again = json.loads(run("import", path, "--json").out)
    assert (again["new"], again["there"]) == (0, 3)
    assert len(operator_records(state / "audit", Kind.CONSENT)) == 3


def test_a_dry_run_leaves_no_trace(run, state):
    path = written(state, "csv", ROW, {**ROW, "id": SECOND, "subject": BOB})
    found = json.loads(run("import", path, "--dry-run", "--json").out)

    assert found == {"diagnostics": [], "new": 2, "there": 0, "people": 2, "dry_run": True}
    assert not known(state, ANN)
    assert "0 event(s)" not in run("import", path, "--dry-run").out
    assert not (state / "audit").exists()
    store = SqliteConsentStore(state / CONSENTS)
    assert store.is_empty()
    store.close()


MISTAKES = {
    "CI201": ({"at": ""}, "at"),
    "CI202": ({"id": "17"}, "id"),
    "CI205": ({"status": "ConsentRequested"}, "status"),
    "CI205 expired": ({"status": "expired"}, "status"),
    "CI206": ({"purpose": "adz"}, "purpose"),
    "CI207": ({"recipient": "mialer"}, "recipient"),
    "CI208 zone": ({"at": "2026-01-31T12:00:00"}, "at"),
    "CI208 day": ({"at": "2026-02-31T12:00:00Z"}, "at"),
    "CI208 form": ({"valid_until": "next year"}, "valid_until"),
    "CI209": ({"at": "2999-01-31T12:00:00Z"}, "at"),
    "CI209 end": ({"valid_until": "2026-01-31T11:00:00Z"}, "valid_until"),
    "CI209 served": ({**NOTICE, "served_at": "2026-01-31T11:00:01Z"}, "served_at"),
    "CI210": ({"status": "refused", "valid_until": "2036-01-31T11:00:00Z"}, "valid_until"),
    "CI211 name": ({"notice_version": "2"}, "notice_version"),
    "CI211 language": ({**NOTICE, "language": "", "served_at": "2026-01-01T11:00:00Z"}, "language"),
    "CI212 text": ({"method": "two\nlines"}, "method"),
    "CI212 long": ({"actor": "x" * 201}, "actor"),
    "CI212 person": ({"method": f"mail of {ANN.upper()}"}, "method"),
    "CI212 digest": ({**NOTICE, "notice_digest": "ab"}, "notice_digest"),
    "CI212 language": ({**NOTICE, "language": "Deutsch!"}, "language"),
    "CI212 assurance": ({"assurance": "sure"}, "assurance"),
    "CI213": ({"subject": "  "}, "subject"),
    "CI214": ({"purpose": "*"}, "purpose"),
    "CI215": ({**NOTICE}, "notice"),
}


@pytest.mark.parametrize("form", ["csv", "json", "jsonl"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_said_at_its_place_and_nothing_is_recorded(run, state, form, mistake):
    changes, name = MISTAKES[mistake]
    sound, wrong = {**dict.fromkeys(COLUMNS, ""), **ROW}, {**dict.fromkeys(COLUMNS, ""), **ROW, "id": SECOND, **changes}
    path = written(state, form, sound, wrong)
    (found,) = json.loads(run("import", path, "--json", status=2).out)["diagnostics"]

    assert (found["code"], found["file"]) == (mistake[:5], path)
    line = Path(path).read_bytes().decode().split("\n")[found["line"] - 1]
    at = line[found["column"] - 1 :]
    if form == "csv":
        assert line[: found["column"] - 1].count(",") == COLUMNS.index(name)
    else:
        assert f'"{name}": {at}'.startswith(f'"{name}": {json.dumps(wrong[name])}') or wrong[name] == ""
        assert f'"{name}": ' in line
    assert not known(state, ANN)
    assert events(state) == []


def test_all_mistakes_arrive_at_once_and_quote_nothing(run, state):
    path = state.parent / "all.csv"
    path.write_text(
        "id,subject,purpose,status,at,colour\n"
        f"{FIRST},ann@shop.example,ads,given,2026-01-31T12:00:00Z,red\n"
        f"{FIRST},ann@shop.example,ads,ann@shop.example,ann@shop.example,red\n"
        f"{SECOND},ann@shop.example,ann@shop.example,given\n"
        f'{SECOND},"ann@shop.example,ads\n'
    )
    printed = run("import", str(path), status=2).out

    places = [line.removeprefix(f"{path}:").split()[:3] for line in printed.splitlines() if ": error" in line]
    assert [(place[0], place[2]) for place in places] == [
        ("1:30:", "CI102:"),
        ("3:49:", "CI205:"),
        ("3:66:", "CI208:"),
        ("4:1:", "CI104:"),
        ("5:28:", "CI101:"),
    ]
    assert "5 diagnostics; nothing was recorded" in printed


@pytest.mark.parametrize(
    ("name", "text", "line", "column", "code"),
    [
        ("a.csv", "", 1, 1, "CI101"),
        ("a.csv", "id,id,subject,purpose,status,at\n", 1, 4, "CI103"),
        ("a.csv", 'id,subject\n"a"b,c\n', 2, 1, "CI101"),
        ("a.json", "[", 1, 2, "CI101"),
        ("a.json", "{}x", 1, 3, "CI101"),
        ("a.json", "[{},]", 1, 5, "CI101"),
        ("a.json", '[{"id":"a",}]', 1, 12, "CI101"),
        ("a.json", '[{"id":"\\ud800"}]', 1, 8, "CI101"),
        ("a.json", '[{"id":["a"]}]', 1, 8, "CI101"),
        ("a.jsonl", '{"id":null}\n{"id":1}', 2, 7, "CI104"),
        ("a.jsonl", '{"id":null,\n "id":null}', 2, 2, "CI103"),
        ("a.jsonl", '{"colour":"red"}', 1, 2, "CI102"),
    ],
)
def test_what_is_no_table_is_refused_where_it_breaks(run, state, name, text, line, column, code):
    path = state.parent / name
    path.write_text(text)
    found = json.loads(run("import", str(path), "--json", status=2).out)["diagnostics"]

    assert (line, column, code) in [(each["line"], each["column"], each["code"]) for each in found]


def test_text_that_is_not_utf_8_is_refused(run, state):
    path = state.parent / "a.csv"
    path.write_bytes(b"id,subject\n\xff,x\n")
    (found,) = json.loads(run("import", str(path), "--json", status=2).out)["diagnostics"]
    assert (found["code"], found["line"], found["column"]) == ("CI101", 2, 1)


def test_a_byte_order_mark_quotes_and_empty_lines_are_csv(run, state):
    path = state.parent / "a.csv"
    path.write_bytes(
        b'\xef\xbb\xbf"id",subject,purpose,status,at,method\r\n\r\n'
        + f'{FIRST},"{ANN}",ads,given,2026-01-31T12:00:00Z,"said ""yes"", twice"'.encode()
    )
    run("import", str(path))
    assert [event.method for event in events(state)] == ['said "yes", twice']


def test_an_id_that_means_another_event_is_refused(run, state):
    run("import", written(state, "csv", ROW))
    for changes in ({"subject": BOB}, {"status": "withdrawn"}, {"at": "2026-01-31T12:00:01+01:00"}, {"method": "form"}):
        path = written(state, "csv", {**ROW, **changes}, {**ROW, "id": SECOND})
        (found,) = json.loads(run("import", path, "--json", status=2).out)["diagnostics"]
        assert (found["code"], found["line"], found["column"]) == ("CI204", 2, 1)
    assert len(events(state)) == 1
    path = written(state, "csv", {**ROW, "id": UUID}, {**ROW, "id": UUID.upper()})
    assert json.loads(run("import", path, "--json", status=2).out)["diagnostics"][0]["code"] == "CI203"


def test_an_older_grant_does_not_undo_a_withdrawal(run, state):
    run("withdraw", "--subject", ANN, "--purpose", "ads")
    run("import", written(state, "csv", ROW))
    store = SqliteConsentStore(state / CONSENTS)
    assert store.state(handle_of(state, ANN)).consents["ads", "*"].status is S.WITHDRAWN
    store.close()


def test_a_log_that_fails_half_way_leaves_nothing_that_counts(run, state, monkeypatch):
    rows = [{**ROW, "id": new_event_id(number), "subject": f"p{number}@shop.example"} for number in range(1200)]
    path = written(state, "csv", *rows)
    groups = []
    original = GroupWriter.append

    def full_soon(writer, group):
        groups.append(len(group))
        if len(groups) == 2:
            raise OSError(28, "No space left on device")
        return original(writer, group)

    with monkeypatch.context() as patched:
        patched.setattr(GroupWriter, "append", full_soon)
        assert "counts as soon as" in run("import", path, status=1).err
    store = SqliteConsentStore(state / CONSENTS)
    assert store.is_empty()

    assert json.loads(run("import", path, "--json").out)["there"] == 1200
    run("reconcile")
    assert (reconcile(state, store).alike, store.count()) == (1200, 1200)
    store.close()


def test_without_rules_that_were_in_force_they_have_to_be_named(run, state):
    (state / "policies" / "0.json").unlink()
    path = written(state, "csv", ROW)
    assert "--rules" in run("import", path, status=1).err
    rules = state.parent / "rules"
    rules.mkdir()
    route = "routes: [{name: all, match: {path: /**}, to: shop, response: {rest: pass}}]\n"
    shop = 'recipients: {shop: {role: controller, upstream: "http://127.0.0.1:8000"}}\n'
    (rules / "a.yaml").write_text("version: 1\npurposes: {ads: {basis: consent}}\n" + shop + route)
    run("import", path, "--rules", str(rules))


def test_standard_input_is_read(run, state, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps([ROW]).encode())))
    run("import", "-")
    assert len(events(state)) == 1


@pytest.mark.parametrize("form", ["csv", "json", "jsonl"])
def test_what_is_exported_is_imported_again_as_the_same(run, state, tmp_path, form):
    full = {**ROW, **NOTICE, "id": SECOND, "served_at": "2026-01-01T00:00:00Z", "valid_until": "2036-01-01T00:00:00Z"}
    run("import", written(state, "csv", ROW, full, {**ROW, "id": UUID, "subject": BOB, "status": "objected"}))
    exported = run("export", "--format", form).out
    path = tmp_path / f"out.{form}"
    path.write_text(exported)
    assert handle_of(state, ANN) in exported
    assert json.loads(run("import", str(path), "--json").out)["there"] == 3

    before = [events(state), events(state, BOB)]
    for name in (CONSENTS, "consent.generation"):
        (state / name).unlink()
    assert json.loads(run("import", str(path), "--json").out)["new"] == 3
    assert [events(state), events(state, BOB)] == before
    assert run("export", "--format", form).out == exported


def test_one_person_is_exported_alone(run, state):
    run("import", written(state, "csv", ROW, {**ROW, "id": SECOND, "subject": BOB}))
    rows = json.loads(run("export", "--json", "--subject", BOB).out)
    assert [(row["id"], row["subject"]) for row in rows] == [(SECOND, handle_of(state, BOB))]
    assert json.loads(run("export", "--json", "--subject", "nobody").out) == []
    assert run("export", "--subject", "nobody").out == ",".join(COLUMNS) + "\n"
