from pathlib import Path

import pytest
import yaml

from gateway.runtime.settings_file import read_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def test_only_the_gateway_can_be_reached(compose):
    services = compose["services"]

    assert [name for name, service in services.items() if "ports" in service] == ["gateway"]
    assert services["shop"]["network_mode"] == "service:gateway"
    assert services["shop"]["command"][-1].startswith("127.0.0.1:")


def test_every_service_is_confined(compose):
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        assert "user" not in service, name


def test_mounts_exist(compose):
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in compose["volumes"] or (ROOT / source).is_dir(), source


def test_the_rules_lead_to_where_the_shop_listens(compose):
    rules = yaml.safe_load((ROOT / "rules/examples/shop/shop.yaml").read_text())
    listens = compose["services"]["shop"]["command"][-1]

    assert rules["recipients"]["shop"]["upstream"] == f"http://{listens}"


def test_all_services_are_the_one_image(compose):
    services = compose["services"].values()

    assert {(service["image"], service["build"]) for service in services} == {("privacy-gateway", ".")}


def test_the_gateway_waits_for_its_keys(compose):
    services = compose["services"]

    assert services["gateway"]["depends_on"] == {"keys": {"condition": "service_completed_successfully"}}
    assert services["keys"]["volumes"][0] in services["gateway"]["volumes"]


def test_the_gateway_is_deployed_as_the_sample_says(compose):
    text = compose["configs"]["gateway"]["content"]
    sample = yaml.safe_load((ROOT / "rules/examples/shop.gateway.yaml").read_text())
    deployed = yaml.safe_load(text)

    settings, diagnostics = read_settings("gateway.yaml", text, Path("/etc/privacy-gateway"))

    assert diagnostics == []
    assert settings.rules == "/etc/privacy-gateway/rules"
    elsewhere = {"listeners", "rules", "state"}
    assert {key: deployed[key] for key in deployed.keys() - elsewhere} == {
        key: sample[key] for key in sample.keys() - elsewhere
    }
    assert compose["services"]["gateway"]["configs"][0]["target"] == compose["services"]["gateway"]["command"][-1]
