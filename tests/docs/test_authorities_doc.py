"""docs/authorities.md: its commands run as they stand there, and its words are those of the code."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from legal import ANN, RULES, field, given, traffic
from processes import CLI
from receipts import decided
from rulebook import TODAY

from gateway.audit.verify_report import Verdict
from gateway.model.words import Instrument
from gateway.policy.compile import load_policy
from gateway.runtime.production_check import WORDS
from gateway.runtime.reload import keep_policy
from gateway.stores.keyfile import create_keys
from gateway.stores.legal_request import WHAT

PAGE = (Path(__file__).parents[2] / "docs" / "authorities.md").read_text()
COMMANDS = [
    line for block in PAGE.split("```sh\n")[1:] for line in block.partition("```")[0].replace("\\\n", "").splitlines()
]
PLACEHOLDER = "A-2026-7K3QD9"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Where the commands ran, one after the other, and what each printed."""
    folder = tmp_path_factory.mktemp("workflow")
    state = folder / "state"
    create_keys(state)
    decided(state)
    traffic(state, ANN, field("user.contact.email"), field("user.name"))
    keep_policy(state, load_policy({"rules.yaml": RULES}, today=TODAY))
    (folder / "order.pdf").write_bytes(b"an order")
    printed, request = {}, PLACEHOLDER
    for command in COMMANDS:
        words = shlex.split(command.replace(PLACEHOLDER, request))
        into = words.pop().removeprefix(">") if words[-1].startswith(">") else None
        done = subprocess.run([*CLI, *words[1:]], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        printed[command] = done.stdout
        if into is not None:
            (folder / into).write_text(done.stdout)
        if " register " in command:
            request = done.stdout.split()[0]
    return folder, printed


def said(ran, verb):
    return next(text for command, text in ran[1].items() if f" {verb} " in f"{command} ")


def test_the_commands_work_in_their_order(ran):
    assert len(COMMANDS) == 10
    assert "approved" in said(ran, "approve")
    assert said(ran, "check").endswith("VALID\n")
    assert "not secret" in said(ran, "lift-secrecy")
    assert "produced" in said(ran, "list")
    assert "checked with counsel" in said(ran, "authority show")
    assert "outcome" in said(ran, "search")


def test_what_is_given_is_the_scope_of_the_example(ran):
    person = given(ran[0] / "gs-12-26")

    assert len(person["decisions"]) == 8
    # What traffic there was came after the time that is asked for, and notices are not.
    assert (person["records"], person["notices"]) == ([], [])
    assert not (ran[0] / "gs-12-26" / "person-2.json").exists()


def test_the_example_declares_an_authority():
    block = PAGE.partition("```yaml\n")[2].partition("```")[0]
    rules = RULES.partition("recipients:\n")
    policy = load_policy({"rules.yaml": rules[0] + block + rules[2].replace("  police:", "  police-2:")}, today=TODAY)

    assert policy.recipients["police"].role == "authority"


def test_words_are_those_of_the_code():
    register = PAGE.partition("## Register")[2].partition("## Approve")[0]

    assert set(Instrument) == set(re.findall(r"`([a-z]+_[a-z_]+)`", register)) | {"warrant", "subpoena"}
    assert all(f"`{word}`" in register for word in (*WHAT, *Instrument))
    rows = re.findall(r"^\| (\d+) \| ([A-Z]+) \|", PAGE, re.MULTILINE)
    assert {word: int(code) for code, word in rows} == {word: int(verdict) for verdict, word in WORDS.items()}
    assert Verdict.VERIFIED == 0
