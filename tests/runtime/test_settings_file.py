from pathlib import Path

import msgspec
import pytest
from certificates import write_certificate
from cryptography.hazmat.primitives import serialization

from gateway.model.errors import ConfigError, Severity
from gateway.model.limits import DEFAULT_LIMITS, KIB, MIB, Limits
from gateway.runtime.codes import CODES
from gateway.runtime.settings import Forwarded, Listener, Settings, Tls, UpstreamTls
from gateway.runtime.settings_file import load_settings, read_settings
from gateway.runtime.settings_ledger import LEDGER_KEYS, LedgerSettings

MINIMUM = """\
version: 1
listeners: [{address: "127.0.0.1:8080"}]
rules: rules
state: state
"""
EXAMPLE = Path(__file__).parents[2] / "rules" / "gateway.example.yaml"


def test_a_key_with_a_password_is_refused_and_nobody_is_asked(tmp_path):
    path, key_path = write_certificate(tmp_path, "front")
    key = serialization.load_pem_private_key(key_path.read_bytes(), None)
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    _, diagnostics = read(MINIMUM + f"upstream_tls: {{shop: {{certificate: {path}, key: {key_path}}}}}\n")
    assert [found.code for found in diagnostics] == ["PG915"]


def read(text: str, base: Path = Path("/deploy")):
    return read_settings("gateway.yaml", text, base)


def test_the_least_that_a_file_can_say():
    settings, diagnostics = read(MINIMUM)
    assert diagnostics == []
    assert settings == Settings(listeners=(Listener("127.0.0.1", 8080),), rules="/deploy/rules", state="/deploy/state")


def test_everything_that_a_file_can_say(tmp_path):
    write_certificate(tmp_path, "front")
    write_certificate(tmp_path, "upstream")
    settings, diagnostics = read(
        """\
version: 1
deployment: shop.example
listeners:
  - address: "[::1]:8443"
    tls: {certificate: front.pem, key: front.key, client_ca: upstream.pem}
  - address: unix:front.sock
admin: 127.0.0.2:9200
workers: 4
rules: /etc/rules
state: state
forwarded:
  mode: append
  trusted: [10.0.0.0/8, "2001:db8::/32", 192.0.2.1]
  fields: x_forwarded
  hide_client: true
upstream_tls:
  shop: {ca: upstream.pem, certificate: upstream.pem, key: upstream.key}
ledger:
  durability: interval
  interval_ms: 250
  second_directory: /mnt/other
  segment_mib: 16
  segment_minutes: 5
  ballast_mib: 0
  warn_free_percent: 20
log_level: debug
limits: {body: 2MiB, request_line: 4 KiB, header_count: 50, drain_timeout: 2.5, keepalive_timeout: 10}
""",
        tmp_path,
    )
    assert diagnostics == []
    front, upstream = str(tmp_path / "front"), str(tmp_path / "upstream")
    assert settings == Settings(
        listeners=(
            Listener("::1", 8443, tls=Tls(front + ".pem", front + ".key", upstream + ".pem")),
            Listener("", path=str(tmp_path / "front.sock")),
        ),
        admin=Listener("127.0.0.2", 9200),
        workers=4,
        rules="/etc/rules",
        state=str(tmp_path / "state"),
        deployment="shop.example",
        forwarded=Forwarded("append", ("10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32"), "x_forwarded", hide_client=True),
        upstream_tls={"shop": UpstreamTls(upstream + ".pem", upstream + ".pem", upstream + ".key")},
        ledger=LedgerSettings(
            durability="interval",
            interval_ms=250,
            second_directory="/mnt/other",
            segment_mib=16,
            segment_minutes=5,
            ballast_mib=0,
            warn_free_percent=20,
        ),
        log_level="debug",
        limits=msgspec.structs.replace(
            DEFAULT_LIMITS,
            body=2 * MIB,
            request_line=4 * KIB,
            header_count=50,
            drain_timeout=2.5,
            keepalive_timeout=10.0,
        ),
    )


def test_the_example_names_every_limit_with_its_default():
    settings, diagnostics = load_settings(EXAMPLE)
    assert diagnostics == []
    assert settings.limits == Limits()
    assert settings.ledger == LedgerSettings()
    text = EXAMPLE.read_text()
    assert [name for name in LEDGER_KEYS if f"  {name}: " not in text and f"# {name}: " not in text] == []
    assert [name for name in Limits.__struct_fields__ if f"\n  {name}: " not in text] == []


def test_settings_survive_json():
    settings, _ = read(MINIMUM)
    assert msgspec.json.decode(msgspec.json.encode(settings), type=Settings) == settings


@pytest.mark.parametrize(
    ("change", "code", "line", "column"),
    [
        ("listener: []", "PG910", 5, 1),
        ("ledger: {durabilty: group}", "PG910", 5, 10),
        ("ledger: {durability: groups}", "PG913", 5, 22),
        ("ledger: {strict: yes}", "PG913", 5, 18),
        ("ledger: {strict: true, durability: interval, interval_ms: 5}", "PG922", 5, 36),
        ("ledger: {durability: interval}", "PG922", 5, 22),
        ("ledger: {interval_ms: 5}", "PG922", 5, 23),
        ("ledger: {durability: all_sinks}", "PG922", 5, 22),
        ("ledger: {durability: any_sink}", "PG922", 5, 22),
        ("ledger: {segment_mib: 0}", "PG914", 5, 23),
        ("ledger: {warn_free_percent: 100}", "PG914", 5, 29),
        ("ledger: {ballast_mib: 1.5}", "PG914", 5, 23),
        ("ledger: [group]", "PG912", 5, 9),
        ("workers: 0", "PG914", 5, 10),
        ("workers: 257", "PG914", 5, 10),
        ("workers: two", "PG914", 5, 10),
        ("workers: [2]", "PG912", 5, 10),
        ("workers:", "PG914", 5, 9),
        ("log_level: loud", "PG913", 5, 12),
        ("deployment: my shop", "PG914", 5, 13),
        ("deployment: a+b", "PG914", 5, 13),
        ("admin: 9100", "PG914", 5, 8),
        ("forwarded: {mode: on}", "PG913", 5, 19),
        ("forwarded: {trusted: [10.0.0.1/8]}", "PG914", 5, 23),
        ("forwarded: {trusted: 10.0.0.0/8}", "PG912", 5, 22),
        ("forwarded: {fields: all}", "PG913", 5, 21),
        ("forwarded: {hide_client: yes}", "PG913", 5, 26),
        ("forwarded: append", "PG912", 5, 12),
        ("forwarded: {trust: []}", "PG910", 5, 13),
        ("upstream_tls: [shop]", "PG912", 5, 15),
        ("upstream_tls: {shop: {ca: nowhere.pem}}", "PG915", 5, 27),
        ("upstream_tls: {shop: {ca: not_pem}}", "PG915", 5, 27),
        ("upstream_tls: {shop: {key: front.key}}", "PG911", 5, 22),
        ("upstream_tls: {shop: {certificate: front.pem, key: other.key}}", "PG915", 5, 22),
        ("limits: {bodies: 1}", "PG910", 5, 10),
        ("limits: {body: 0}", "PG914", 5, 16),
        ("limits: {body: -1}", "PG914", 5, 16),
        ("limits: {body: 1.5}", "PG914", 5, 16),
        ("limits: {body: 1MB}", "PG914", 5, 16),
        ("limits: {drain_timeout: 30s}", "PG914", 5, 25),
        ("limits: {drain_timeout: inf}", "PG914", 5, 25),
        ("workers: 1\nworkers: 2", "PG102", 6, 1),
        ("limits: &l {body: 1}", "PG103", 5, 9),
        ("limits: {", "PG101", 6, 1),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, change, code, line, column):
    write_certificate(tmp_path, "front")
    write_certificate(tmp_path, "other")
    (tmp_path / "not_pem").write_text("no certificate\n")
    settings, diagnostics = read(MINIMUM + change + "\n", tmp_path)
    assert settings is None
    assert [(found.code, found.line, found.column) for found in diagnostics] == [(code, line, column)]


@pytest.mark.parametrize(
    ("listeners", "code"),
    [
        ("[]", "PG911"),
        ("{address: 127.0.0.1:80}", "PG912"),
        ("[127.0.0.1:80]", "PG912"),
        ("[{address: nowhere}]", "PG914"),
        ("[{addres: 127.0.0.1:80}]", "PG910"),
        ("[{address: 127.0.0.1:80}, {address: 127.0.0.1:80}]", "PG916"),
        ("[{address: 127.0.0.1:80, tls: {certificate: front.pem}}]", "PG911"),
        ("[{address: 127.0.0.1:80, tls: {certificate: front.key, key: front.key}}]", "PG915"),
    ],
)
def test_a_mistake_in_the_listeners_is_named(tmp_path, listeners, code):
    write_certificate(tmp_path, "front")
    text = f"version: 1\nlisteners: {listeners}\nrules: r\nstate: s\n"
    settings, diagnostics = read(text, tmp_path)
    assert settings is None
    assert code in [found.code for found in diagnostics]
    assert {found.line for found in diagnostics} == {2}


def test_all_mistakes_arrive_at_once_and_in_order():
    _, diagnostics = read("workers: many\nlog_level: loud\nlimits: {body: x}\nlisteners: []\n")
    assert [(found.line, found.code) for found in diagnostics] == [
        (1, "PG911"),
        (1, "PG911"),
        (1, "PG911"),
        (1, "PG914"),
        (2, "PG913"),
        (3, "PG914"),
        (4, "PG911"),
    ]


@pytest.mark.parametrize("version", ["2", "one", "1.0"])
def test_another_version_is_refused(version):
    settings, diagnostics = read(MINIMUM.replace("version: 1", f"version: {version}"))
    assert settings is None
    assert [found.code for found in diagnostics] == ["PG919"]


def test_an_admin_listener_that_others_reach_is_a_warning():
    settings, diagnostics = read(MINIMUM + "admin: 0.0.0.0:9100\n")
    assert settings is not None
    assert [(found.code, found.severity) for found in diagnostics] == [("PG918", Severity.WARNING)]


def test_port_0_may_stand_twice():
    settings, diagnostics = read(
        MINIMUM.replace('[{address: "127.0.0.1:8080"}]', "[{address: 127.0.0.1:0}, {address: 127.0.0.1:0}]")
    )
    assert diagnostics == []
    assert len(settings.listeners) == 2


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_a_diagnostic(tmp_path, content):
    path = tmp_path / "gateway.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert [found.code for found in caught.value.diagnostics] == ["PG915"]


def test_every_code_explains_itself_and_belongs_here():
    assert all(code.code == name and name.startswith("PG9") and code.help for name, code in CODES.items())
