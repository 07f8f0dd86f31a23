"""`privacy-gateway audit` from the outside."""

import csv
import io
import json

import pytest
from click.testing import CliRunner
from people import handle_of

from gateway.audit.commit import GroupWriter
from gateway.audit.recovery import publish_key
from gateway.audit.tree import Tree
from gateway.cli.audit import command
from gateway.crypto.sign import SigningKey
from gateway.runtime.open_people import open_holders
from gateway.stores.keyfile import create_keys, load_keyring

ANN = "Ann@Shop.Example"


def record(request, subject, slot, **more):
    field = {"action": "keep", "class": "user.name", "count": 1, "purpose": "service", "reason": "listed"}
    values = {
        "kind": "collect",
        "recipient": "shop",
        "request": request,
        "route": "sign-up",
        "subject": subject,
        "time": f"2026-11-23T13:00:0{request[-1]}.000000Z",
        "version": 1,
    } | more
    begins = {"caller": "application:crm" if slot == "w1" else "anonymous", "direction": "request", "fields": [field]}
    before = json.dumps(begins, separators=(",", ":")).encode()[:-1] + b","
    return before, json.dumps(dict(sorted(values.items())), separators=(",", ":")).encode()[1:]


@pytest.fixture
def state(tmp_path):
    create_keys(tmp_path)
    ann = handle_of(tmp_path, ANN)
    for slot, requests in (("w0", ("req-0", "req-2")), ("w1", ("req-1",))):
        home = tmp_path / "audit" / slot
        home.mkdir(parents=True)
        key = SigningKey(f"example.org/log/{slot}", bytes(range(32)))
        writer = GroupWriter(home, Tree(), key, origin=key.name, opened={}, segment_bytes=1 << 20, segment_seconds=3600)
        writer.start(())
        writer.append([record(request, ann if request == "req-0" else None, slot) for request in requests])
        writer.close()
        publish_key(home, key)
    return tmp_path


def run(*arguments, exit_code=0, stdin=None):
    result = CliRunner().invoke(command, [str(argument) for argument in arguments], input=stdin)
    assert result.exit_code == exit_code, (result.output, result.exception)
    return result.output


def found(state, *filters, stdin=None):
    entries = json.loads(run("search", "--state", state, "--json", *filters, stdin=stdin))
    return [entry["record"]["request"] for entry in entries if "request" in entry["record"]]


def test_search_lists_the_newest_first(state):
    assert found(state) == ["req-2", "req-1", "req-0"]
    text = run("search", "--state", state, "--kind", "collect")
    assert text.index("req-2") < text.index("req-1") < text.index("req-0")
    assert "keep user.name (listed)" in text


def test_a_person_is_found_by_identifier_handle_or_standard_input(state):
    handle = handle_of(state, ANN)
    assert found(state, "--subject", "ann@shop.example ") == ["req-0"]
    assert found(state, "--subject", handle) == ["req-0"]
    assert found(state, "--subject", "-", stdin=ANN + "\n") == ["req-0"]
    assert found(state, "--subject", "bob@shop.example") == []
    assert "ann" not in run("search", "--state", state, "--subject", ANN).lower().replace("channel", "")


def test_a_person_is_found_by_a_pseudonym_that_was_given_out(state):
    keys = load_keyring(state)
    given, forged = (f"p1.26q4a.{letter * 21}A" for letter in "xy")
    assert found(state, "--subject", given) == []
    holders = open_holders(state, keys)
    holders.keep({ANN: [given]})
    holders.close()
    assert found(state, "--subject", given) == ["req-0"]
    assert found(state, "--subject", forged) == []
    assert "no identifier" in run("search", "--state", state, "--subject", given.upper(), exit_code=2)


def test_an_application_is_found_and_counted_by_name_in_the_index(state):
    assert found(state, "--caller", "application:crm") == ["req-1"]
    assert found(state, "--caller", "application:c") == []
    counted = json.loads(run("search", "--state", state, "--kind", "collect", "--by", "caller", "--json"))
    assert counted["values"] == {"anonymous": 2, "application:crm": 1}
    assert (state / "audit" / "index.sqlite").exists()


def test_search_filters(state):
    assert found(state, "--since", "2026-11-23T13:00:01Z", "--kind", "collect") == ["req-2", "req-1"]
    assert found(state, "--until", "2026-11-23T14:00:01+01:00") == ["req-0"]
    assert found(state, "--class", "name", "--purpose", "service", "--limit", "1") == ["req-2"]
    assert "no record matches" in run("search", "--state", state, "--route", "none")
    assert "2026-11-23" in run("search", "--state", state, "--since", "yesterday", exit_code=2)


def test_show_by_request_and_by_index(state):
    [one] = json.loads(run("show", "req-1", "--state", state, "--json"))
    assert (one["entry"]["slot"], one["entry"]["index"], one["checkpoint"]["size"]) == ("w1", 2, 3)
    [same] = json.loads(run("show", "2", "--state", state, "--slot", "w1", "--json"))
    assert same == one
    text = run("show", "req-1", "--state", state)
    assert "size 3" in text
    assert "class=user.name" in text
    assert "w0, w1" in run("show", "2", "--state", state, exit_code=1)
    run("show", "none", "--state", state, exit_code=1)
    run("show", "2", "--state", state, "--slot", "w9", exit_code=1)


def test_a_directory_without_a_log(tmp_path):
    assert "no log" in json.loads(run("search", "--state", tmp_path, "--json", exit_code=1))["error"]
    assert "CANNOT" in run("verify", tmp_path, exit_code=20)


def test_export(state, tmp_path):
    lines = run("export", "--state", state, "--kind", "collect").splitlines()
    assert [json.loads(line)["record"]["request"] for line in lines] == ["req-2", "req-1", "req-0"]
    target = tmp_path / "out.csv"
    run("export", "--state", state, "--format", "csv", "--kind", "collect", "--output", target)
    rows = list(csv.DictReader(io.StringIO(target.read_text(), newline="")))
    assert [(row["origin"], row["request"]) for row in rows] == [
        ("example.org/log/w0", "req-2"),
        ("example.org/log/w1", "req-1"),
        ("example.org/log/w0", "req-0"),
    ]


def test_verify_with_and_without_an_outside_memory(state, tmp_path):
    heads = tmp_path / "heads.note"
    text = run("verify", state, "--save-heads", heads, exit_code=15)
    assert "UNANCHORED" in text
    assert "not independent" in text
    assert "3 collect" in text
    run("verify", state, "--allow-unanchored")
    assert run("verify", state, "--since", heads).splitlines()[-1] == "VERIFIED"
    assert run("verify", state, "--since", heads, "--at", "2027-01-01").splitlines()[-1] == "VERIFIED"
    report = json.loads(run("verify", state, "--since", heads, "--json"))
    assert (report["words"], report["kinds"]["collect"]) == ("VERIFIED", 3)


def test_verify_says_where_it_broke(state, tmp_path):
    path = next((state / "audit" / "w1" / "sealed").glob("*.jsonl"))
    path.write_bytes(path.read_bytes().replace(b"req-1", b"req-7"))
    heads = tmp_path / "heads.note"
    text = run("verify", state, "--save-heads", heads, exit_code=10)
    assert "TAMPERED seg-000000000000.jsonl line 4 from leaf 2 to 3" in text
    assert not heads.exists()


def test_verify_with_a_trust_file(state, tmp_path):
    trust = tmp_path / "trust"
    trust.write_text("".join((state / "audit" / slot / "log.vkey").read_text() for slot in ("w0", "w1")))
    assert "(the trust file)" in run("verify", state, "--trust", trust, "--allow-unanchored")
    trust.write_text((state / "audit" / "w0" / "log.vkey").read_text())
    run("verify", state, "--trust", trust, exit_code=10)
    trust.write_bytes(b"\xff")
    assert "not text" in json.loads(run("verify", state, "--trust", trust, "--json", exit_code=20))["error"]
    run("verify", state, "--since", trust, exit_code=20)
    trust.write_text("not a note\n")
    run("verify", state, "--since", trust, exit_code=20)
