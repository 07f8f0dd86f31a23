"""`egress ca`: what the commands print, write and refuse."""

import json
import subprocess

import pytest
from cryptography import x509

from gateway.cli.main import main
from gateway.egress.authority import create_authority, load_authority, next_authority

RULES = """\
version: 1
controller: {name: Shop, contact: p@shop.example, jurisdiction: EU}
recipients:
  shop: {role: controller, upstream: "http://127.0.0.1:8000"}
  mailer: {role: processor, hosts: [api.mailer.example, "*.cdn.example", "127.0.0.1:8443"], country: DE}
routes: [{name: all, match: {path: "/**"}, to: shop, mode: observe}]
"""
SETTINGS = """\
version: 1
deployment: shop.example
rules: rules
state: state
egress:
  proxy: [{listen: "127.0.0.1:0"}]
  applications: {shop: {from: [127.0.0.0/8]}}
"""


def run(*arguments):
    with pytest.raises(SystemExit) as left:
        main(["egress", *map(str, arguments)])
    return left.value.code


@pytest.fixture
def place(tmp_path, monkeypatch):
    tmp_path.chmod(0o700)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "shop.yaml").write_text(RULES)
    (tmp_path / "gateway.yaml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "state" / "egress-ca"


def test_init_show_and_export(place, capsys):
    assert run("ca", "init", "-c", "gateway.yaml") == 0
    authority = load_authority(place)
    said = capsys.readouterr().out
    assert authority.fingerprint in said
    assert "every host" in said
    assert "O=shop.example" in authority.certificate.subject.rfc4514_string()
    assert run("-c", "gateway.yaml", "ca", "show") == 0
    said = capsys.readouterr().out
    assert authority.fingerprint in said
    assert "729 days left" in said
    assert str(place / "authority.pem") in said
    assert run("ca", "export", "-c", "gateway.yaml") == 0
    assert capsys.readouterr().out.encode() == authority.pem() == (place / "authority.pem").read_bytes()


def test_init_tells_programs_the_same(place, capsys):
    assert run("ca", "init", "--directory", place, "--days", 90, "--json") == 0
    made = json.loads(capsys.readouterr().out)
    authority = load_authority(place)
    assert (made["sha256"], made["days_left"], made["permitted"]) == (authority.fingerprint, 89, None)
    assert made["path"] == str(place / "mitmproxy-ca.pem")
    assert run("ca", "show", "--directory", place, "--json") == 0
    assert json.loads(capsys.readouterr().out) == made | {
        "left_out": [],
        "next": None,
        "trusted": str(place / "authority.pem"),
    }


def test_a_second_init_changes_nothing(place, capsys):
    run("ca", "init", "-c", "gateway.yaml")
    before = (place / "mitmproxy-ca.pem").read_bytes()
    capsys.readouterr()
    assert run("ca", "init", "-c", "gateway.yaml") == 1
    assert "egress ca rotate" in capsys.readouterr().err
    assert (place / "mitmproxy-ca.pem").read_bytes() == before


@pytest.mark.parametrize("given", [("-c", "gateway.yaml", "--constrain"), ("-c", "gateway.yaml", "--rules", "rules")])
def test_an_authority_for_the_hosts_of_the_rules(place, capsys, given):
    assert run("ca", "init", *given, "--host", "Mailer.Internal") == 0
    assert load_authority(place).permitted.shown == [
        "api.mailer.example",
        "cdn.example",
        "mailer.internal",
        "127.0.0.1/32",
    ]
    assert run("ca", "show", "-c", "gateway.yaml") == 0
    (place.parents[1] / "rules" / "shop.yaml").write_text(RULES.replace("api.mailer", "api.other"))
    capsys.readouterr()
    assert run("ca", "show", "-c", "gateway.yaml", "--json") == 2
    assert json.loads(capsys.readouterr().out)["left_out"] == ["api.other.example"]
    assert run("ca", "show", "-c", "gateway.yaml") == 2
    assert "not for    api.other.example" in capsys.readouterr().out
    # Without its rules nobody can say.
    assert run("ca", "show", "--directory", place) == 0


def test_a_rotation(place, capsys):
    run("ca", "init", "-c", "gateway.yaml", "--constrain")
    first = load_authority(place)
    assert run("ca", "retire", "-c", "gateway.yaml") == 1
    assert "egress ca rotate" in capsys.readouterr().err
    assert run("ca", "rotate", "-c", "gateway.yaml") == 0
    second = next_authority(place)
    assert second.permitted == first.permitted
    assert run("ca", "rotate", "-c", "gateway.yaml") == 1
    assert "egress ca retire" in capsys.readouterr().err
    assert run("ca", "show", "-c", "gateway.yaml", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["sha256"], shown["next"]["sha256"]) == (first.fingerprint, second.fingerprint)
    assert run("ca", "export", "-c", "gateway.yaml") == 0
    assert capsys.readouterr().out.encode() == first.pem() + second.pem()
    assert run("ca", "export", "-c", "gateway.yaml", "--format", "der") == 1
    assert "--format pem" in capsys.readouterr().err
    assert run("ca", "retire", "-c", "gateway.yaml", "--json") == 0
    assert json.loads(capsys.readouterr().out)["sha256"] == load_authority(place).fingerprint == second.fingerprint


def test_der_for_those_who_want_it(place, tmp_path):
    run("ca", "init", "-c", "gateway.yaml")
    assert run("ca", "export", "-c", "gateway.yaml", "--format", "der", "--out", tmp_path / "ca.der") == 0
    assert x509.load_der_x509_certificate((tmp_path / "ca.der").read_bytes()) == load_authority(place).certificate
    command = ["openssl", "x509", "-inform", "DER", "-in", str(tmp_path / "ca.der"), "-noout", "-subject"]
    assert "shop.example" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_no_command_prints_or_exports_the_key(place, tmp_path, capsys):
    run("ca", "init", "-c", "gateway.yaml")
    run("ca", "rotate", "-c", "gateway.yaml")
    for command in ("show", "export"):
        run("ca", command, "-c", "gateway.yaml")
    run("ca", "export", "-c", "gateway.yaml", "--out", tmp_path / "out.pem")
    printed = capsys.readouterr()
    assert "PRIVATE" not in printed.out + printed.err + (tmp_path / "out.pem").read_text()
    assert "PRIVATE" not in (place / "authority.pem").read_text()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("init",), "give -c gateway.yaml or --directory DIR"),
        (("init", "-c", "gateway.yaml", "--directory", "x"), "give -c gateway.yaml or --directory DIR"),
        (("init", "--directory", "x", "--constrain"), "needs -c gateway.yaml or --rules DIR"),
        (("init", "--directory", "x", "--host", "a.example"), "--host needs --constrain"),
        (("init", "-c", "gateway.yaml", "--constrain", "--host", "https://a.example"), "without scheme"),
        (("init", "-c", "gateway.yaml", "--constrain", "--host", "*"), "every host"),
        (("init", "-c", "gateway.yaml", "--days", "0"), "--days"),
        (("init", "-c", "plain.yaml"), "PG953"),
        (("show", "-c", "gateway.yaml"), "egress ca init"),
        (("export", "-c", "gateway.yaml"), "egress ca init"),
        (("rotate", "-c", "gateway.yaml"), "egress ca init"),
        (("retire", "-c", "gateway.yaml"), "egress ca rotate"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(place, tmp_path, capsys, given, said):
    (tmp_path / "plain.yaml").write_text(SETTINGS.partition("egress:")[0] + "listeners: [{address: '127.0.0.1:0'}]\n")
    assert run("ca", *given) == 1
    assert said in capsys.readouterr().err
    assert not place.exists()


def test_an_end_that_is_near_is_a_finding(place, capsys):
    create_authority(place, days=10)
    assert run("ca", "show", "-c", "gateway.yaml") == 2
    assert "egress ca rotate" in capsys.readouterr().out


def test_egress_does_not_start_without_its_authority(place, capsys):
    main_keys = ["keys", "init", "--state", str(place.parent)]
    with pytest.raises(SystemExit):
        main(main_keys)
    capsys.readouterr()
    assert run("-c", "gateway.yaml") == 1
    assert "egress ca init" in capsys.readouterr().err
