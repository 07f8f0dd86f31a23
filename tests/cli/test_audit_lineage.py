"""`privacy-gateway audit lineage` from the outside."""

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

ANN = "ann@shop.example"
PSEUDONYM = "p1.26q4a." + "x" * 21 + "A"
EMAIL, NAME = "user.contact.email", "user.name"


def record(kind, minute, subject, *classes, recipient="shop", action="keep", caller="anonymous", **more):
    fields = [{"action": action, "basis": "contract", "class": each, "count": 1, "purpose": "service",
               "reason": "listed"} for each in classes]  # fmt: skip
    before = {"caller": caller, "direction": "request", "fields": fields}
    after = {"kind": kind, "recipient": recipient, "route": f"to-{recipient}", "subject": subject,
             "time": f"2026-11-23T13:{minute:02}:00.000000Z", "version": 1} | more  # fmt: skip
    halves = (json.dumps(dict(sorted(half.items())), separators=(",", ":")).encode() for half in (before, after))
    first, last = halves
    return first[:-1] + b",", last[1:]


@pytest.fixture
def state(tmp_path):
    """Collected by w0, sent on by e0, and one message about somebody else; every record a segment of its own."""
    create_keys(tmp_path)
    ann, bob = handle_of(tmp_path, ANN), handle_of(tmp_path, "bob")
    mailer = {"recipient": "mailer", "caller": "application:crm"}
    write(tmp_path, "w0", [
        record("collect", 0, ann, EMAIL, NAME, action="pseudonym"),
        record("collect", 1, bob, EMAIL),
        record("policy", 2, None),
        record("collect", 5, ann, EMAIL),
    ])  # fmt: skip
    write(tmp_path, "e0", [
        record("disclose", 3, ann, EMAIL, **mailer),
        record("refuse", 4, ann, NAME, reason="contract_expired", **mailer),
        record("disclose", 6, ann, EMAIL, **mailer | {"recipient": "ads"}),
    ])  # fmt: skip
    return tmp_path


def write(state, slot, records):
    home = state / "audit" / slot
    home.mkdir(parents=True)
    key = SigningKey(f"example.org/log/{slot}", bytes(range(32)))
    writer = GroupWriter(home, Tree(), key, origin=key.name, opened={}, segment_bytes=100, segment_seconds=3600)
    writer.start(())
    for each in records:
        writer.append([each])
    writer.close()
    publish_key(home, key)


def run(state, *arguments, exit_code=0, stdin=None):
    words = ["lineage", "--state", str(state), *map(str, arguments)]
    result = CliRunner().invoke(command, words, input=stdin)
    assert result.exit_code == exit_code, (result.output, result.exception)
    return result.output


def told(state, *arguments, **more):
    """By class, recipients and outcomes of what was collected and of what went."""
    found = json.loads(run(state, "--json", *arguments, **more))
    return {
        each["class"]: [
            [f"{flow['recipient']} {flow['outcome']} {flow['records']}" for flow in each[side]]
            for side in ("collected", "went")
        ]
        for each in found["classes"]
    }


ALL = {
    EMAIL: [["shop passed 1", "shop passed 1"], ["mailer passed 1", "ads passed 1"]],
    NAME: [["shop passed 1"], ["mailer refused 1"]],
}


def place(state, minute):
    """SLOT/INDEX of the record of that minute."""
    result = CliRunner().invoke(command, ["search", "--state", str(state), "--json"])
    [entry] = [each for each in json.loads(result.output) if each["record"]["time"][14:16] == f"{minute:02}"]
    return f"{entry['slot']}/{entry['index']}"


def test_a_person_is_given_by_identifier_handle_pseudonym_or_standard_input(state):
    holders = open_holders(state, load_keyring(state))
    holders.keep({ANN: [PSEUDONYM]})
    holders.close()
    for said in (ANN, "ANN@shop.example", handle_of(state, ANN), PSEUDONYM):
        assert told(state, "--subject", said) == ALL
    assert told(state, "--subject", "-", stdin=ANN + "\n") == ALL


def test_the_index_and_the_log_itself_say_the_same(state):
    by_index = run(state, "--subject", ANN, "--json")
    (state / "audit" / "index.sqlite").unlink()
    (state / "audit" / "index.lock").unlink()
    (state / "audit" / "index.lock").symlink_to(state / "nowhere")
    result = CliRunner().invoke(command, ["lineage", "--state", str(state), "--subject", ANN, "--json"])
    assert "the log itself is read" in result.stderr
    assert json.loads(result.stdout)["classes"] == json.loads(by_index)["classes"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--recipient", "ads"], {EMAIL: [["shop passed 1"] * 2, ["ads passed 1"]], NAME: [["shop passed 1"], []]}),
        (["--class", "name"], {NAME: ALL[NAME]}),
        (["--since", "2026-11-23T13:05", "--class", "contact"], {EMAIL: [["shop passed 1"] * 2, ["ads passed 1"]]}),
        (["--until", "2026-11-23T13:04"], {EMAIL: [["shop passed 1"], ["mailer passed 1"]],
                                           NAME: [["shop passed 1"], []]}),
    ],
)  # fmt: skip
def test_filters(state, arguments, expected):
    assert told(state, "--subject", ANN, *arguments) == expected


@pytest.mark.parametrize(
    ("minute", "expected"),
    [
        (5, {EMAIL: [["shop passed 1"], ["ads passed 1"]]}),
        (3, {EMAIL: [["shop passed 1"], ["mailer passed 1"]]}),
        (4, {NAME: [["shop passed 1"], ["mailer refused 1"]]}),
    ],
)
def test_a_record_leads_to_what_came_before_it_or_after(state, minute, expected):
    assert told(state, "--record", place(state, minute)) == expected


def test_people_read_a_table_by_class(state):
    text = run(state, "--subject", ANN)
    email, name = text.split(NAME)
    lines = [" ".join(line.split()) for line in email.splitlines()]
    ads = place(state, 6)
    assert f"→ ads to-ads application:crm service (contract) value 2026-11-23 13:06:00 {ads}" in lines
    assert "↛ mailer to-mailer application:crm service (contract) refused: contract_expired" in " ".join(name.split())
    assert f"5 records of {handle_of(state, ANN)}, as of 20" in text
    assert ANN not in text


def test_what_was_not_collected_here_is_pointed_out(state):
    sealed = state / "audit" / "w0" / "sealed"
    for body in sorted(sealed.glob("*.jsonl"))[:-2]:
        body.unlink()
    text = run(state, "--subject", ANN, "--until", "2026-11-23T13:05")
    assert "nothing of it was collected, as far as records say" in text
    assert "note: older records were pruned: what was collected before 20" in text.replace("\n", " ")
    assert json.loads(run(state, "--subject", ANN, "--json"))["pruned_until"].startswith("20")


def test_somebody_who_is_in_no_record(state):
    assert "no such record is about this person" in run(state, "--subject", "carl")
    found = json.loads(run(state, "--subject", "carl", "--json"))
    assert (found["subject"], found["records"], found["classes"], found["pruned_until"]) == (None, 0, [], None)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        ([], 2, "give --subject, or --record"),
        (["--subject", ANN, "--record", "w0/1"], 2, "give --subject, or --record"),
        (["--record", "7"], 2, "SLOT/INDEX"),
        (["--record", "w0"], 2, "SLOT/INDEX"),
        (["--record", "w0/x"], 2, "SLOT/INDEX"),
        (["--record", "w7/1"], 1, "there is no such record"),
        (["--record", "w0/700"], 1, "there is no such record"),
        (["--record", "w0/0"], 1, "no message about one person"),
        (["--subject", " "], 2, "names nobody"),
    ],
)
def test_what_cannot_be_asked(state, arguments, exit_code, said):
    assert said in " ".join(run(state, *arguments, exit_code=exit_code).split())
