"""docs/egress.md, step by step: rules, settings and commands as they stand, but for ports, secret and partner."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from egress_clients import PartnerTls
from processes import CLI, cli
from upstream import RecordingUpstream

PAGE = (Path(__file__).parents[2] / "docs" / "egress.md").read_text()
RULES, SETTINGS, _ = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS, CALLS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SECRET = "0123456789abcdef0123456789abcdef0123456789abcdef"

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def test_the_steps_lead_from_nothing_to_calls_that_arrive(tmp_path):
    tls = PartnerTls(tmp_path)
    with RecordingUpstream(context=tls.context) as mailer:
        begin(tmp_path, mailer.host, tls.path)
        *before, last = [line for line in COMMANDS.replace("\\\n", "").splitlines() if line]
        for line in before:
            run(line, tmp_path)
        words = [*CLI, *last.split()[1:], "--json"]
        with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as gateway:
            try:
                ready = json.loads(gateway.stdout.readline())
                places = {
                    "http://shop:SECRET@127.0.0.1:8081": ready["proxies"][0].replace("//", f"//shop:{SECRET}@"),
                    "http://127.0.0.1:8082": ready["relays"][0],
                    "SECRET": SECRET,
                    "api.mailer.example": mailer.host,
                }
                for line in CALLS.replace("\\\n", "").splitlines():
                    run(placed(line, places), tmp_path)
            finally:
                gateway.terminate()

    assert [each.body for each in mailer.requests] == [b'{"to":"ada@example.org"}'] * 2
    found = json.loads(cli("audit", "search", "--state", tmp_path / "state", "--recipient", "mailer", "--json").stdout)
    assert [each["record"]["caller"] for each in found] == ["application:shop"] * 2


def begin(directory, host, authority):
    """What the first two steps write."""
    (directory / "rules").mkdir()
    (directory / "rules" / "rules.yaml").write_text(
        RULES.replace("hosts: [api.mailer.example]", f'hosts: ["{host}"]').replace(
            "host: api.mailer.example", f'host: "{host}"'
        )
    )
    ports = {"127.0.0.1:8081": "127.0.0.1:0", "127.0.0.1:8082": "127.0.0.1:0", "api.mailer.example": host}
    more = f"upstream_tls: {{mailer: {{ca: {authority}}}}}\n"
    settings = placed(SETTINGS, ports).replace("egress:\n", "egress:\n  admin: 127.0.0.1:0\n")
    (directory / "gateway.yaml").write_text(settings + more)
    secrets = directory / "secrets"
    secrets.mkdir(0o700)
    (secrets / "shop").touch(0o600)
    (secrets / "shop").write_text(SECRET + "\n")


def placed(text, places):
    for written, instead in places.items():
        text = text.replace(written, instead)
    return text


def run(line, directory):
    """A line of a shell, with the program of this checkout."""
    line = re.sub(r"^privacy-gateway\b", " ".join(CLI), line)
    done = subprocess.run(["bash", "-c", line], cwd=directory, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
