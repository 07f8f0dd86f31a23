"""docs/egress.compose.yaml: nobody but the gateway has a way out, and its services do what they are for."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from egress_clients import through_proxy
from processes import CLI

from gateway.runtime.reload import load_directory
from gateway.runtime.settings_file import check_policy, read_settings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docs/egress.compose.yaml").read_text())
SERVICES = COMPOSE["services"]
SETTINGS = COMPOSE["configs"]["gateway"]["content"]


def test_the_application_is_on_no_network_with_a_way_out():
    assert SERVICES["shop"]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert [name for name, each in SERVICES.items() if "outside" in each.get("networks", ())] == ["egress"]
    assert SERVICES["keys"]["network_mode"] == "none"
    assert [name for name, each in SERVICES.items() if each.keys() & {"ports", "network_mode"}] == ["keys"]


def test_every_service_is_confined_and_the_application_sees_no_state():
    for name, service in SERVICES.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / "docs" / source).is_dir(), source
    assert SERVICES["shop"]["volumes"] == ["trust:/trust:ro"]
    assert all(SERVICES[name]["read_only"] is True for name in ("keys", "egress"))


def test_the_image_has_the_directory_that_is_shared():
    assert "--chown=10001:10001 /empty/trust /trust" in (ROOT / "Dockerfile").read_text()


def test_the_settings_fit_the_rules_and_the_network(tmp_path):
    settings, diagnostics = read_settings("gateway.yaml", SETTINGS, tmp_path)
    policy, warnings = load_directory(ROOT / "rules/examples/partners")

    assert {each.code for each in diagnostics} <= {"PG959"}
    assert warnings == []
    assert check_policy(settings, policy, "gateway.yaml") == []
    (network,) = COMPOSE["networks"]["inside"]["ipam"]["config"]
    assert settings.egress.applications["shop"].networks == (network["subnet"],)
    proxies = {value for key, value in SERVICES["shop"]["environment"].items() if key.lower().endswith("s_proxy")}
    assert proxies == {f"http://egress:{settings.egress.proxies[0].listener.port}"}


def test_the_application_is_told_what_docs_tell():
    told = SERVICES["shop"]["environment"]

    assert set(through_proxy("http://127.0.0.1:1", "shop", Path("ca.pem"))) <= told.keys()
    shared = {value for key, value in told.items() if key.endswith(("_FILE", "_BUNDLE", "_CERTS"))}
    assert shared == {"/trust/gateway-ca.pem"}
    assert shared.pop() in SERVICES["keys"]["entrypoint"][-1]


@pytest.mark.slow
def test_the_services_work_together(tmp_path):
    places = {
        "/state": str(tmp_path / "state"),
        "/trust": str(tmp_path / "trust"),
        "/etc/privacy-gateway": str(tmp_path),
        "0.0.0.0:8081": "127.0.0.1:0",
        "0.0.0.0:8082": "127.0.0.1:0",
        "127.0.0.1:9101": "127.0.0.1:0",
        "172.31.81.0/24": "127.0.0.0/8",
    }
    (tmp_path / "trust").mkdir()
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "privacy-gateway"
    program.write_text(f'#!/bin/sh\nexec {" ".join(CLI)} "$@"\n')
    program.chmod(0o755)
    shutil.copytree(ROOT / "rules/examples/partners", tmp_path / "rules")
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}

    def here(text, more=()):
        for written, instead in (*places.items(), *more):
            text = text.replace(written, instead)
        return text

    (tmp_path / "gateway.yaml").write_text(here(SETTINGS))
    for _ in range(2):
        done = subprocess.run(
            [here(word) for word in SERVICES["keys"]["entrypoint"]],
            env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    command = [program, *(here(word) for word in SERVICES["egress"]["command"]), "--json"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as gateway:
        try:
            (proxy,) = json.loads(gateway.stdout.readline())["proxies"]
            told = {
                key: here(value, [("http://egress:8081", proxy)])
                for key, value in SERVICES["shop"]["environment"].items()
            }
            command = [sys.executable, *SERVICES["shop"]["command"][1:]]
            said = subprocess.run(command, env=told, capture_output=True, text=True, check=True, timeout=60).stdout
        finally:
            gateway.terminate()

    assert "403" in said
    assert gateway.returncode == 0
