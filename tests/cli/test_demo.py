import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli import demo_stage
from gateway.cli.demo_stage import DemoError, copy_rules, free_address, shipped_rules

GATEWAY = [sys.executable, "-m", "gateway"]
VALUES = (b"ada@example.org", b"Lovelace", b"1815-12-10", b"7946", b"analytical engine", b"5a7539d87d6cbce5")


def run(*words, timeout=60):
    command = [*GATEWAY, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def show(home):
    done = run("demo", "--once", "--json", "--listen", "127.0.0.1:0", "--workers", 1, "--state", home)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def scenes(show):
    return show["scenes"]


def received(side):
    return json.loads(side["received"]["body"])


def header(side, name):
    return [value for key, value in side["received"]["headers"] if key.lower() == name]


def verdicts(scene, direction):
    (record,) = [record for record in scene["records"] if record["direction"] == direction]
    return {field["address"]: (field["action"], field["reason"]) for field in record["fields"]}


def test_both_shops_are_asked_the_same(scenes):
    asked = [(scene["without"]["received"]["method"], scene["without"]["received"]["target"]) for scene in scenes]

    assert [" ".join(each) for each in asked] == [scene["request"] for scene in scenes]


def test_signing_up_gives_away_everything_or_what_is_needed(scenes):
    scene = scenes[0]

    assert {"birth_date", "device_id", "phone"} <= received(scene["without"]).keys()
    assert received(scene["behind"]) == {
        "email": "ada@example.org",
        "name": "Ada Lovelace",
        "password": "analytical engine",
        "phone": "+** ** **** 0000",
    }
    assert header(scene["without"], "cookie")
    assert not header(scene["behind"], "cookie")
    assert not header(scene["behind"], "referer")
    assert header(scene["behind"], "user-agent") != header(scene["without"], "user-agent")
    assert "internal_note" in scene["without"]["answer"]["customer"]
    assert scene["behind"]["answer"]["customer"].keys() == {"id", "email", "name"}
    assert verdicts(scene, "request")["$.birth_date"] == ("drop", "no_consent")


def test_orders_name_nobody(scenes):
    scene = scenes[1]
    people = [item["customer"] for item in scene["behind"]["answer"]["items"]]

    assert all(person.keys() == {"email"} and person["email"].startswith("p1.") for person in people)
    assert "Grace Hopper" in json.dumps(scene["without"]["answer"])
    assert verdicts(scene, "response")["$.items[*].customer.email"] == ("pseudonym", "listed")


def test_consent_counts_at_once_and_so_does_its_withdrawal(scenes):
    before, given, withdrawn = scenes[2:5]

    assert received(before["behind"]) == {}
    assert received(given["behind"]) == {"birth_date": "1815-12-10"}
    assert received(withdrawn["behind"]) == {}
    reasons = [verdicts(scene, "request")["$.birth_date"][1] for scene in (before, given, withdrawn)]
    assert reasons == ["no_consent", "listed", "withdrawn"]
    assert all(received(scene["without"]) for scene in (before, given, withdrawn))


def test_a_refused_request_never_reaches_the_shop(scenes):
    scene = scenes[5]

    assert scene["without"]["status"] == 200
    assert scene["behind"]["status"] == 451
    assert scene["behind"]["received"] is None
    assert scene["behind"]["answer"]["consent"]["purpose"] == "newsletter"
    assert [record["kind"] for record in scene["records"]] == ["refuse"]


def test_the_ledger_verifies_and_holds_no_value(show, home):
    state = show["stage"]["state"]
    ledger = b"".join(path.read_bytes() for path in Path(state, "audit").rglob("*") if path.is_file())

    report = json.loads(run("audit", "verify", state, "--json").stdout)

    assert not [value for value in VALUES if value in ledger]
    assert ledger.count(b'"kind":"disclose"') >= 3
    assert report["logs"], home


def test_its_rules_are_fine_and_its_cases_pass(show):
    assert run("check", show["stage"]["rules"]).returncode == 0
    assert run("test", show["stage"]["rules"]).returncode == 0


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_stays_until_interrupted_and_what_it_says_to_try_works():
    command = [*GATEWAY, "demo", "--listen", "127.0.0.1:0", "--workers", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:
        try:
            text = read_until(demo, "until Ctrl-C")
            tried = {line: attempt(line) for line in things_to_try(text)}
        finally:
            demo.send_signal(signal.SIGINT)
            status = demo.wait(60)

    assert status == 0
    assert all(done.returncode == 0 for line, done in tried.items() if "audit verify" not in line), tried
    outputs = [done.stdout for done in tried.values()]
    statuses = [output.split()[1] for output in outputs if output.startswith("HTTP/1.1")]
    assert statuses == ["201", "200", "451", "400"]
    behind, alone = (done.stdout for line, done in tried.items() if "/api/orders" in line)
    assert "p1." in behind
    assert "grace.hopper@example.net" in alone
    (received,) = (done.stdout for line, done in tried.items() if "/debug/received" in line)
    assert "grace@example.org" in received
    assert "1906-12-09" not in received
    assert outputs[:2] == ["{}", "{}"]  # nobody has opened a page
    assert f":{port_of(text)}/privacy\n" in text
    assert all(words in text for words in ("without the gateway", "Records it left", "$.birth_date"))
    (verified,) = (done for line, done in tried.items() if "audit verify" in line)
    assert verified.stdout.splitlines()[-1] == "UNANCHORED"  # nothing is wrong, but nobody else has seen its heads
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port_of(text))) != 0


def port_of(text):
    return int(re.search(r"127.0.0.1:(\d+)/api/orders", text)[1])


def things_to_try(text):
    lines = [line.strip() for line in text.partition("What to try")[2].splitlines() if line.startswith("  ")]
    commands = [line for line in lines if not line.startswith("http") and not line.endswith(".yaml")]
    # A number apiece: the same request before and after the withdrawal is two attempts.
    return [f"{line} #{number}" for number, line in enumerate(commands)]


def attempt(line):
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False, timeout=30)


def read_until(demo, words):
    text = ""
    for line in demo.stdout:
        text += line
        if words in line:
            return text
    raise AssertionError(text)


def test_a_gateway_that_cannot_start_ends_the_demo_with_one_line(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("demo", "--once", "--listen", f"127.0.0.1:{taken.getsockname()[1]}", "--state", tmp_path)

    assert done.returncode == 1
    assert done.stderr.startswith("error: the gateway did not start")
    assert "Traceback" not in done.stderr


def test_a_busy_default_port_makes_way_for_a_free_one():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        assert free_address(f"127.0.0.1:{port}") == "127.0.0.1:0"
    assert free_address(f"127.0.0.1:{port}") == f"127.0.0.1:{port}"


def test_rules_are_copied_with_the_address_of_the_shop(tmp_path):
    copy_rules(tmp_path / "rules", "http://127.0.0.1:4321")

    text = (tmp_path / "rules" / "shop.yaml").read_text()
    assert 'upstream: "http://127.0.0.1:4321"' in text
    assert demo_stage.UPSTREAM not in text
    assert (tmp_path / "rules" / "shop.cases.yaml").is_file()


def test_rules_that_name_no_shop_are_an_error(tmp_path, monkeypatch):
    (tmp_path / "shop.yaml").write_text("version: 1\n")
    monkeypatch.setattr(demo_stage, "shipped_rules", lambda: tmp_path)

    with pytest.raises(DemoError):
        copy_rules(tmp_path / "copy", "http://127.0.0.1:4321")


@pytest.mark.parametrize("place", ["gateway/rules", "rules"])
def test_rules_are_found_in_the_package_and_beside_it(tmp_path, monkeypatch, place):
    home = tmp_path / place / "examples" / "shop"
    home.mkdir(parents=True)
    (home / "shop.yaml").touch()
    monkeypatch.setattr(demo_stage.gateway, "__file__", str(tmp_path / "gateway" / "__init__.py"))

    assert shipped_rules() == home


def test_missing_rules_are_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(demo_stage.gateway, "__file__", str(tmp_path / "gateway" / "__init__.py"))

    with pytest.raises(DemoError):
        shipped_rules()
