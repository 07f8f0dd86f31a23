"""What README.md shows works as shown."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from processes import CLI, GatewayProcess, cli, curl
from rulebook import PREAMBLE, TODAY
from upstream import RecordingUpstream

from gateway.policy.compile import load_policy

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = [
    line
    for block in README.split("```sh\n")[1:]
    for line in block.partition("```")[0].replace("\\\n", "").splitlines()
    if line.startswith("privacy-gateway ")
]

BY_RECIPIENT = next(command for command in COMMANDS if "--by recipient" in command)
"""Where the commands about the ledger begin."""


def run(line: str, directory: Path) -> subprocess.CompletedProcess:
    words = shlex.split(line, comments=True)
    return subprocess.run([*CLI, *words[1:]], cwd=directory, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def checkout(tmp_path):
    shutil.copytree(ROOT / "rules", tmp_path / "rules")
    return tmp_path


def test_the_rules_at_the_top_compile():
    block = README.partition("```yaml\n")[2].partition("```")[0]

    load_policy({"readme.yaml": PREAMBLE % "http://127.0.0.1:1" + block}, today=TODAY)


@pytest.mark.parametrize("verb", ["check", "test", "explain"])
def test_the_commands_for_authors_succeed(checkout, verb):
    (line,) = [command for command in COMMANDS if command.split()[1] == verb]
    result = run(line, checkout)

    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout


def test_the_commands_around_a_running_gateway(tmp_path):
    checkout = tmp_path
    before, ledger = COMMANDS[: COMMANDS.index(BY_RECIPIENT)], COMMANDS[COMMANDS.index(BY_RECIPIENT) :]
    lines = {" ".join(command.split()[1:3]): command for command in before}
    assert run(lines["keys init"], checkout).returncode == 0
    assert run(lines["consent grant"], checkout).returncode == 0
    with RecordingUpstream() as shop:
        text = README.partition("```yaml\n")[2].partition("```")[0]
        rules = PREAMBLE % shop.url + text.replace("host: shop.example, ", "")
        with GatewayProcess(tmp_path, rules) as gateway:
            body = '{"email":"ann@example.com","birth_date":"1990-01-02","spy":1}'
            curl(gateway.url + "/api/customers", "-H", "Content-Type: application/json", "-d", body)
    found = run(lines["audit search"], checkout)
    verdict = run(lines["audit verify"], checkout)

    assert shop.requests[0].body == b'{"email":"ann@example.com","birth_date":"1990-01-02"}'
    assert "sign-up" in found.stdout
    assert "UNANCHORED" in verdict.stdout
    assert verdict.returncode == 15
    for line in ledger:
        result = run(line, checkout)
        assert result.returncode == 0, line + result.stdout + result.stderr
        assert result.stdout, line


def test_every_verb_that_the_readme_names_exists():
    overview = cli("--help").stdout

    assert COMMANDS
    for command in COMMANDS:
        assert f"  {command.split()[1]} " in overview
