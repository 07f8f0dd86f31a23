"""An application that we did not write, unmodified: what httpbin echoes is what reached it."""

import json
import shutil
import socket
import subprocess
import sys
import time
from contextlib import closing
from importlib.util import find_spec

import pytest
from processes import GatewayProcess, cli, curl

pytestmark = [
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
    pytest.mark.skipif(find_spec("httpbin") is None, reason="httpbin is not installed"),
]

RULES = """
version: 1
controller: {name: Echo Ltd, contact: privacy@echo.example}
purposes:
  service: {basis: contract}
  ads: {basis: consent}
recipients:
  httpbin: {role: controller, upstream: "%s"}
routes:
  - name: echo
    match: {method: POST, path: /post}
    to: httpbin
    subject: {field: $.email}
    request:
      fields:
        $.email: {is: contact.email, for: service}
        $.phone: {is: contact.phone_number, for: service, as: {mask: {keep_last: 3}}}
        $.friends[*].name: {is: name, for: service, as: pseudonym}
        $.born: {is: demographic.date_of_birth, for: ads, otherwise: drop}
        header:Accept-Language: {is: device, for: service, as: {generalise: language}}
        cookie:session: {is: account, for: service}
        query:page: {is: device, for: service}
    response: {rest: pass}
  - name: profile
    match: {method: GET, path: /response-headers}
    to: httpbin
    request: {rest: {query: pass}}
    response:
      fields:
        $.email: {is: contact.email, for: service, as: drop}
        cookie:track: {is: device.cookie_id, for: service, as: drop}
      rest: {body: pass, headers: pass}
"""
BODY = {
    "email": "ann@example.com",
    "phone": "+49 30 1234567",
    "friends": [{"name": "Bo", "age": 7}, {"name": "Cy", "age": 9}],
    "born": "1990-01-02",
    "note": "planted-note",
}


@pytest.fixture(scope="module")
def httpbin():
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "--log-level", "error", "httpbin:app"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="module")
def gateway(httpbin, tmp_path_factory):
    with GatewayProcess(tmp_path_factory.mktemp("httpbin"), RULES % httpbin) as running:
        yield running


def post(gateway):
    result = curl(
        gateway.url + "/post?page=2&spy=planted-query",
        "-H", "Content-Type: application/json", "-H", "Accept-Language: de-DE;q=0.9,en;q=0.5",
        "-H", "X-Spy: planted-header", "-A", "planted-agent", "-b", "session=s1; track=planted-cookie",
        "-d", json.dumps(BODY),
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_p3_only_what_the_rules_list_reaches_httpbin(gateway):
    text = post(gateway)
    echoed = json.loads(text)

    assert echoed["json"].keys() == {"email", "phone", "friends"}
    assert echoed["json"]["email"] == "ann@example.com"
    assert echoed["json"]["phone"] == "+** ** ****567"
    names = [friend["name"] for friend in echoed["json"]["friends"]]
    assert all(name.startswith("p1.") for name in names)
    assert len(set(names)) == 2
    assert [friend.keys() for friend in echoed["json"]["friends"]] == [{"name"}, {"name"}]
    assert echoed["args"] == {"page": "2"}
    assert echoed["headers"]["Cookie"] == "session=s1"
    assert echoed["headers"]["Accept-Language"] == "de,en"
    assert "planted" not in text


def test_what_comes_back_is_minimised_too(gateway):
    result = curl(gateway.url + "/response-headers?email=ann@example.com&X-Kept=yes&Set-Cookie=track%3Dplanted", "-i")

    head, _, body = result.stdout.replace("\r\n", "\n").partition("\n\n")
    assert "email" not in json.loads(body)
    assert "Set-Cookie" not in head
    assert "X-Kept: yes" in head


def test_an_unlisted_address_is_no_way_around(gateway):
    result = curl(gateway.url + "/anything", "-d", "planted", "-w", "%{http_code}")

    assert result.stdout.endswith("404")
    assert "unknown_route" in result.stdout


def test_p6_each_disclosure_is_a_line_in_the_ledger_without_values(gateway):
    post(gateway)
    found = json.loads(cli("audit", "search", "--state", gateway.state, "--kind", "collect", "--json").stdout)
    raw = b"".join(path.read_bytes() for path in (gateway.state / "audit").rglob("*.jsonl"))

    assert found
    assert b"ann@" not in raw
    assert b"planted" not in raw
    assert b"planted" not in gateway.log.read_bytes()


def test_consent_given_on_the_command_line_lets_the_field_pass(gateway):
    assert "1990" not in post(gateway)
    who = ("--state", gateway.state, "--subject", "ann@example.com", "--purpose", "ads")
    cli("consent", "grant", *who)
    assert json.loads(post(gateway))["json"]["born"] == "1990-01-02"
    cli("consent", "withdraw", *who)
    assert "1990" not in post(gateway)
