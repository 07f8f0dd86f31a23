"""docs/egress.md and the files beside it: examples compile and mean what the text says, names are those of the code."""

import re
from pathlib import Path

import pytest
import yaml
from egress_clients import PROGRAMS, through_proxy
from rulebook import NOW

from gateway.engine.engine import Engine
from gateway.engine.judge import judge
from gateway.engine.refusals import ANSWERS
from gateway.engine.trial import PAPER_KEYS
from gateway.model.limits import DEFAULT_LIMITS
from gateway.policy.cases import read_cases
from gateway.policy.compile import compile_policy
from gateway.runtime.settings_file import check_policy, read_settings

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "egress.md").read_text()
RULES, SETTINGS, MODES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
KUBERNETES = list(yaml.safe_load_all((DOCS / "egress.kubernetes.yaml").read_text()))
CASES = read_cases(
    {
        "doc.cases.yaml": """\
version: 1
cases:
  - name: the mailer gets the value, the key of the application, and nothing else
    request:
      {method: POST, host: api.mailer.example, path: /v1/send, headers: {Authorization: Bearer key, Cookie: a=b},
       json: {to: ada@example.org, more: 1}}
    expect: {forward: {headers: {Authorization: Bearer key}, json: {to: ada@example.org}}}
  - name: without consent for it the other partner gets nothing
    request: {method: POST, host: in.tally.example, path: /events, json: {user: ada@example.org}}
    facts: {consents: {analytics: {mailer: given}}}
    expect: {refuse: no_consent}
  - name: with consent it gets a pseudonym
    request: {method: POST, host: in.tally.example, path: /events, json: {user: ada@example.org, more: 1}}
    facts: {consents: {analytics: {tally: given}}}
    expect: {forward: {json: {user: p1.00q1a.Ag39I_MJZFxBMsjk2PAaXg}}}
"""
    }
)
GATEWAY = {"app": "privacy-gateway-egress"}
NAME = "kubernetes.io/metadata.name"


def configured(directory, text, name="gateway.yaml"):
    """The settings as they are read with every secret that they name in place, and the codes of diagnostics."""
    for path in re.findall(r"secret: ([\w/]+)", text):
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(0o600)
        file.write_text("name:a secret that is long enough")
    settings, diagnostics = read_settings(name, text, directory)
    return settings, [each.code for each in diagnostics]


def policy():
    found, diagnostics = compile_policy({"example.yaml": RULES}, today="2026-11-24")
    assert diagnostics == []
    return found


def test_the_settings_are_read_and_agree_with_the_rules(tmp_path):
    settings, diagnostics = configured(tmp_path, SETTINGS)

    assert diagnostics == []
    assert check_policy(settings, policy(), "gateway.yaml") == []
    assert set(settings.egress.applications) == {"shop", "billing"}
    assert [each.listener.port for each in settings.egress.proxies] == [8081]
    assert settings.egress.relays[0].to == {"/mailer": "https://api.mailer.example"}


def test_the_modes_are_read(tmp_path):
    sender = "  applications: {shop: {from: [127.0.0.0/8]}}\n"
    settings, diagnostics = configured(tmp_path, f"version: 1\nstate: state\nrules: rules\n{MODES}{sender}")

    rows = re.findall(r"^\| `(\w+)` \|", PAGE.partition("| mode | clients |")[2], re.MULTILINE)
    assert {each.mode for each in settings.egress.proxies} == set(rows) - {"regular"}
    assert set(diagnostics) <= {"PG959"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_rules_do_what_the_text_says(case):
    judged = judge(Engine(policy(), PAPER_KEYS, DEFAULT_LIMITS, outgoing=True), case, now=NOW)

    assert judged.passed, judged


def test_every_client_that_tests_run_is_set_up_as_the_table_says():
    table = PAGE.partition("| client |")[2].partition("\n\n")[0]
    tried = [row for row in table.splitlines() if re.match(r"\| (Python|curl|Node)", row)]
    names = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)(?:=1)?`", "\n".join(tried)))

    assert names == set(through_proxy("http://127.0.0.1:1", "shop", Path("ca.pem")))
    assert len(tried) == len([name for name in PROGRAMS if "http2" not in name])


@pytest.mark.parametrize(
    ("status", "code"), re.findall(r"(\d{3}) `(\w+)`", PAGE.partition("| answer |")[2].partition("\n\n")[0])
)
def test_every_answer_of_the_table_is_one_of_the_code(status, code):
    assert ANSWERS[code].request == int(status)


def test_links_lead_somewhere():
    anchors = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)}
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert target[1:] in anchors if target.startswith("#") else (DOCS / target).exists(), target
    for path in re.findall(r"`((?:tests|rules)/[\w/.]+)`", PAGE):
        assert (DOCS.parent / path).exists(), path


def of_kind(kind, namespace):
    return [each for each in KUBERNETES if each["kind"] == kind and each["metadata"]["namespace"] == namespace]


def test_nothing_leaves_the_namespace_of_the_application_but_to_the_gateway_and_for_names():
    policies = of_kind("NetworkPolicy", "shop")
    ways = [rule for each in policies for rule in each["spec"].get("egress", ())]

    assert all(each["spec"]["podSelector"] == {} for each in policies)
    assert all(each["spec"]["policyTypes"] == ["Egress"] for each in policies)
    assert [each["metadata"]["name"] for each in policies if "egress" not in each["spec"]] == ["nothing-goes-out"]
    assert all(len(rule["to"]) == 1 and rule["to"][0].keys() == {"namespaceSelector", "podSelector"} for rule in ways)
    to = [
        (rule["to"][0]["namespaceSelector"]["matchLabels"][NAME], [each["port"] for each in rule["ports"]])
        for rule in ways
    ]
    assert to == [("privacy", [8081, 8082]), ("kube-system", [53, 53])]
    assert ways[0]["to"][0]["podSelector"]["matchLabels"] == GATEWAY


def test_the_gateway_takes_calls_from_the_application_and_reaches_partners_and_not_the_cluster():
    (found,) = of_kind("NetworkPolicy", "privacy")
    spec = found["spec"]

    assert spec["podSelector"]["matchLabels"] == GATEWAY
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["ingress"][0]["from"] == [{"namespaceSelector": {"matchLabels": {NAME: "shop"}}}]
    block = spec["egress"][0]["to"][0]["ipBlock"]
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(block["except"])
    assert spec["egress"][0]["ports"] == [{"protocol": "TCP", "port": 443}]


def test_the_pod_is_confined_and_all_that_it_mounts_is_there():
    (workload,) = of_kind("StatefulSet", "privacy")
    pod = workload["spec"]["template"]["spec"]
    containers = pod["initContainers"] + pod["containers"]
    volumes = {each["name"] for each in pod["volumes"]}
    volumes |= {each["metadata"]["name"] for each in workload["spec"]["volumeClaimTemplates"]}

    assert workload["spec"]["template"]["metadata"]["labels"] == GATEWAY
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
    for container in containers:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert {each["name"] for each in container["volumeMounts"]} <= volumes
    (service,) = of_kind("Service", "privacy")
    assert service["spec"]["selector"] == GATEWAY
    assert [each["port"] for each in service["spec"]["ports"]] == [8081, 8082]


def test_the_settings_of_the_pod_are_read(tmp_path):
    (found,) = of_kind("ConfigMap", "privacy")
    text = found["data"]["gateway.yaml"].replace("/secrets/applications", str(tmp_path)).replace("/state", "state")
    (tmp_path / "shop").touch(0o600)
    (tmp_path / "shop").write_text("a secret that is long enough")
    settings, diagnostics = read_settings("gateway.yaml", text, tmp_path)

    assert {each.code for each in diagnostics} <= {"PG959"}
    assert [each.port for each in settings.egress.listeners] == [8081, 8082]
