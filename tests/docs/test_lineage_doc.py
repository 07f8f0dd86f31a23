"""docs/lineage.md: its rules compile, its messages become what the text says, and the command prints what it shows."""

import json
import re
import shlex
from pathlib import Path

import pytest
from processes import Client, GatewayProcess, cli, request
from upstream import RecordingUpstream

from gateway.policy.compile import compile_policy

TEXT = (Path(__file__).parents[2] / "docs" / "lineage.md").read_text()
(RULES,) = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
(COMMAND,) = re.findall(r"^```sh\n(.*?)\n```", TEXT, re.MULTILINE | re.DOTALL)
(SHOWN,) = re.findall(r"^```text\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
SIGN_UP, SEND = (body.encode() for body in re.findall(r"`(\{\"(?:email|to)\": .*?\})`", TEXT))
JSON = "Content-Type: application/json"


def compared(printed: str) -> list[str]:
    """Lines with one space between words, and without what differs each time."""
    for varying in (r"\d{4}-\d\d-\d\d[ T][\d:.]+Z?", r"s1\.[\w-]{22}", r"w0/\d+"):
        printed = re.sub(varying, "…", printed)
    return [" ".join(line.split()) for line in printed.splitlines()]


def test_the_rules_have_no_mistake():
    policy, diagnostics = compile_policy({"example.yaml": RULES}, today="2026-11-23")
    assert policy is not None
    assert diagnostics == []


def test_the_example_does_and_prints_what_the_text_says(tmp_path):
    with RecordingUpstream() as service:
        with GatewayProcess(tmp_path, RULES.replace("http://127.0.0.1:8000", service.url)) as gateway:
            client = Client(gateway.port)
            assert client.send(request("POST", "/api/customers", SIGN_UP, JSON))[0] == 200
            ann = json.loads(service.requests[0].body)["email"]
            assert SEND.count("p1.26q4a.…".encode()) == 1
            mail = SEND.replace("p1.26q4a.…".encode(), ann.encode())
            assert client.send(request("POST", "/v1/send", mail, JSON))[0] == 200
            client.close()
            words = [str(gateway.state) if word == "state" else word for word in shlex.split(COMMAND)[1:]]
            printed = cli(*words).stdout
        received = [json.loads(each.body) for each in service.requests]

    assert received[0] == {"email": ann, "name": "Ann"}
    assert list(received[1]) == ["to"]
    assert received[1]["to"] != ann
    assert compared(printed) == compared(SHOWN)


@pytest.mark.parametrize("option", re.findall(r"`(--[a-z]+)", TEXT.partition("| option |")[2]))
def test_every_option_is_one_of_the_command(option):
    assert re.search(rf"^ +{option} ", cli("audit", "lineage", "--help").stdout, re.MULTILINE)


def test_every_option_of_the_command_is_explained():
    offered = set(re.findall(r"^ +(--[a-z]+) ", cli("audit", "lineage", "--help").stdout, re.MULTILINE))
    assert offered - {"--state", "--help"} == set(re.findall(r"`(--[a-z]+)", TEXT.partition("| option |")[2]))
