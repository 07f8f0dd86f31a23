"""`privacy-gateway egress map` from the outside."""

import csv
import json

import msgspec
import pytest
from rulebook import TODAY, rules

from gateway.cli.egress_map_places import Place, places, snippet
from gateway.cli.main import main
from gateway.policy.compile import compile_policy
from gateway.policy.decide import permitted
from gateway.policy.hosts import HostTable
from gateway.stores.destinations import DESTINATIONS, Destination, SqliteDestinationStore

MAILER = """
  mailer:
    role: processor
    country: DE
    hosts: [api.mailer.example]
    contract: {ref: A, expires: 2027-03-31}
    may_receive: {contact.email: [service], name: [service]}
routes:
  - name: mail
    match: {host: api.mailer.example, path: /send}
    to: mailer
    request: {fields: {$.to: {is: contact.email, for: service}}}
    response: {rest: pass}
  - name: site
    match: {path: /**}
    to: shop
    request: {rest: pass}
    response: {rest: pass}
"""
DAY = 1_795_000_000.0
KNOWN = Destination(
    host="api.mailer.example",
    recipient="mailer",
    application="shop",
    first_seen=DAY,
    last_seen=DAY + 300,
    messages=3,
    sent=2048,
    received=10,
    classes_sent=frozenset({"user.contact.email", "user.name.last", "user.demographic.date_of_birth"}),
    classes_received=frozenset({"user.unique_id"}),
    ways=frozenset({"proxy"}),
)
UNKNOWN = msgspec.structs.replace(
    KNOWN,
    host="cdn.tracker.example",
    recipient="",
    last_seen=DAY + 100,
    messages=7,
    refused=1,
    unread=2,
    sent=5,
    classes_sent=frozenset({"user.device.cookie_id"}),
    classes_received=frozenset(),
)
OTHER = msgspec.structs.replace(KNOWN, application="crm", messages=1, sent=1, ways=frozenset({"relay"}))


@pytest.fixture
def state(tmp_path):
    store = SqliteDestinationStore(tmp_path / DESTINATIONS, busy_timeout=5)
    store.add([KNOWN, UNKNOWN, OTHER])
    store.close()
    return tmp_path


@pytest.fixture
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("rules")
    (found / "rules.yaml").write_text(rules(MAILER))
    return found


@pytest.fixture
def run(state, capsys):
    def run(*arguments, status=0):
        with pytest.raises(SystemExit) as left:
            main(["egress", "map", "--state", str(state), *map(str, arguments)])
        printed = capsys.readouterr()
        assert left.value.code == status, printed
        return printed.out

    return run


def test_hosts_are_listed_with_what_went_to_them(run):
    text = run()

    lines = [line.split() for line in text.splitlines()]
    (mailer,) = [line for line in lines if line[:1] == ["api.mailer.example"]]
    (tracker,) = [line for line in lines if line[:1] == ["cdn.tracker.example"]]
    assert mailer[1:6] == ["mailer", "crm,", "shop", "2026-11-18", "2026-11-18"]
    assert tracker[1] == "unknown"
    assert "2.0 KiB" in text
    assert "contact.email" in text
    assert "--rules DIR" in text


def test_json_and_csv_say_the_same(run):
    found = json.loads(run("--json"))
    rows = list(csv.DictReader(run("--csv").splitlines()))

    assert found["left_out"] == 0
    assert [each["host"] for each in found["places"]] == [row["host"] for row in rows]
    (tracker,) = [each for each in found["places"] if each["host"] == "cdn.tracker.example"]
    assert (tracker["recipient"], tracker["messages"], tracker["refused"], tracker["unread"]) == (None, 7, 1, 2)
    (mailer,) = [row for row in rows if row["host"] == "api.mailer.example"]
    assert (mailer["messages"], mailer["sent"], mailer["ways"]) == ("4", "2049", "proxy relay")
    assert mailer["applications"] == "crm shop"
    assert mailer["classes_sent"] == "user.contact.email user.demographic.date_of_birth user.name.last"
    assert mailer["first_seen"] == "2026-11-18T11:06:40Z"


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("last", "api.mailer.example"),
        ("messages", "cdn.tracker.example"),
        ("sent", "api.mailer.example"),
        ("host", "api.mailer.example"),
    ],
)
def test_rows_are_sorted(run, sort, first):
    assert json.loads(run("--json", "--sort", sort))["places"][0]["host"] == first


def test_only_unknown_hosts(run):
    assert [each["host"] for each in json.loads(run("--json", "--unknown"))["places"]] == ["cdn.tracker.example"]


def test_with_rules_it_says_what_they_lack(run, folder):
    text = run("--rules", folder, status=2)

    assert "2027-03-31" in text
    assert "may_receive does not name it: demographic.date_of_birth\n" in text
    assert "  tracker:\n    role: partner" in text
    assert "hosts: [cdn.tracker.example]" in text
    assert "# may_receive: {device.cookie_id: PURPOSE}" in text


def test_with_rules_that_know_all_of_it_there_is_nothing_to_say(run, folder):
    known = (
        rules(MAILER)
        .replace("may_receive: {", "may_receive: {demographic: [service], ")
        .replace(
            "routes:\n", "  tracker: {role: processor, hosts: ['*.tracker.example'], contract: {ref: B}}\nroutes:\n", 1
        )
    )
    (folder / "rules.yaml").write_text(known)

    found = json.loads(run("--rules", folder, "--json"))["places"]
    assert {each["recipient"] for each in found} == {"mailer", "tracker"}
    assert [each["add"] for each in found] == [None, None]
    assert run("--rules", folder, "--unknown") == "nothing to show: no such call went out, as far as the map knows\n"


def test_where_nothing_went_out_there_is_no_map(tmp_path_factory, capsys):
    with pytest.raises(SystemExit) as left:
        main(["egress", "map", "--state", str(tmp_path_factory.mktemp("empty"))])

    assert left.value.code == 0
    assert "nothing to show" in capsys.readouterr().out


def test_a_map_that_cannot_be_read_says_what_to_do(run, state, capsys):
    (state / DESTINATIONS).write_bytes(b"no database" * 100)
    with pytest.raises(SystemExit) as left:
        main(["egress", "map", "--state", str(state)])

    printed = capsys.readouterr()
    assert left.value.code == 1
    assert "cannot be read" in printed.err
    assert "can be deleted" in printed.err


@pytest.mark.parametrize(
    "host",
    [
        "cdn.tracker.example",
        "*.ingest.sentry.io",
        "*.tracker.example:8443",
        "cdn.tracker.example:8443",
        "203.0.113.*",
        "[2001:db8:1::*]",
        "10.1.2.3",
        "localhost",
        "*",
        "*.com",
        "1und1.de",
        "mailer.example",
    ],
)
def test_what_it_says_to_add_compiles_and_permits_nothing_yet(host):
    place = Place(
        host=host, recipient=None, applications=(), ways=(), first_seen="", last_seen="", messages=1, refused=0,
        unread=0, sent=1, received=1, classes_sent=("user.contact.email", "user.name"), classes_received=(),
    )  # fmt: skip
    base = rules(MAILER)
    text = snippet(place, {"shop", "mailer"}).replace("recipients:\n", "")
    policy, diagnostics = compile_policy({"rules.yaml": base.replace("routes:\n", text + "routes:\n", 1)}, today=TODAY)
    assert policy is not None, diagnostics
    (name,) = set(policy.recipients) - {"shop", "mailer"}
    added = policy.recipients[name]

    assert not permitted(added, "user.contact.email", "service")
    whole = "*" not in host or host.startswith(("*.ingest", "*.tracker"))
    assert bool(added.hosts) is whole
    if whole:
        assert HostTable([(added.hosts[0], True)]).find(host.replace("*", "x"))


def test_names_for_recipients_are_free(folder):
    found = [msgspec.structs.replace(UNKNOWN, host=host) for host in ("a.mailer.example", "b.mailer.example")]
    policy, _ = compile_policy({"rules.yaml": rules(MAILER)}, today=TODAY)
    added = [place.add for place in places(found, policy)]

    assert "  mailer-2:\n" in added[0]
    assert "  mailer-3:\n" in added[1]


def test_gateway_yaml_names_state_and_rules(state, folder, capsys):
    settings = folder / "gateway.yaml"
    listeners = "version: 1\nlisteners: [{address: '127.0.0.1:8080'}]"
    settings.write_text(f"{listeners}\nstate: {state}\nrules: {folder / 'rules'}\n")
    (folder / "rules").mkdir()
    (folder / "rules.yaml").rename(folder / "rules" / "rules.yaml")
    for arguments in (["egress", "-c", str(settings), "map"], ["egress", "map", "-c", str(settings)]):
        with pytest.raises(SystemExit) as left:
            main([*arguments, "--json"])

        assert left.value.code == 2
        assert {each["role"] for each in json.loads(capsys.readouterr().out)["places"]} == {"processor", None}


def test_without_a_state_it_says_what_to_give(capsys):
    with pytest.raises(SystemExit) as left:
        main(["egress", "map"])

    assert left.value.code == 1
    assert "give --state DIR" in capsys.readouterr().err
