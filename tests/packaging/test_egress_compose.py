"""docs/egress.compose.yaml: nobody but the gateway has a way out, and its services do what they are for."""

from pathlib import Path

import yaml
from egress_clients import through_proxy

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
