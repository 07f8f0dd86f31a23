"""The `identity:` section: everything it can say, and everything that it may not."""

import json
import re
from pathlib import Path

import msgspec
import pytest
import yaml
from certificates import Authority, write_certificate
from rulebook import compiled
from tokens import Issuer

from gateway.model.errors import Severity
from gateway.model.identity import CertificatePart
from gateway.runtime.settings import Settings, Tls
from gateway.runtime.settings_file import check_policy, read_settings
from gateway.runtime.settings_identity import (
    IDENTITY_KEYS,
    SESSION_KEYS,
    TOKEN_KEYS,
    IdentitySettings,
    SessionSettings,
    TokenSettings,
    TrustedHeader,
    VisitorSettings,
)

HEAD = "version: 1\nrules: rules\nstate: state\n"
PLAIN = HEAD + 'listeners: [{address: "127.0.0.1:8080"}]\n'
TOKEN = "keys: keys.json, algorithms: [ES256], issuer: i, audience: a"


@pytest.fixture
def place(tmp_path):
    (tmp_path / "keys.json").write_bytes(Issuer().jwks())
    write_certificate(tmp_path, "front")
    Authority(tmp_path, "clients")
    return tmp_path


def read(place, text):
    return read_settings("gateway.yaml", text, place)


def codes(place, section, head=PLAIN):
    _, diagnostics = read(place, f"{head}identity: {section}\n")
    return [found.code for found in diagnostics]


def test_everything_that_it_can_say(place):
    settings, diagnostics = read(
        place,
        HEAD
        + """\
listeners:
  - address: 127.0.0.1:8443
    tls: {certificate: front.pem, key: front.key, client_ca: clients.pem, client_certificate: optional}
forwarded: {trusted: [10.0.0.0/8]}
identity:
  client_certificate: san_uri
  token:
    keys: https://id.example/keys
    ca: clients.pem
    algorithms: [RS256, ES256, RS256]
    issuer: https://id.example
    audience: shop
    claim: email
    in: cookie:access_token
    leeway: 5
    refresh_seconds: 60
  trusted_header: {name: X-Forwarded-User, from: [10.1.0.0/16, 10.2.0.1]}
  session: {cookie: JSESSIONID, hours: 8, rotated: end}
  visitor: {days: 90}
""",
    )
    assert diagnostics == []
    files = [str(place / name) for name in ("front.pem", "front.key", "clients.pem")]
    assert settings.listeners[0].tls == Tls(*files, "optional")
    assert settings.identity == IdentitySettings(
        client_certificate=CertificatePart.SAN_URI,
        token=TokenSettings(
            keys="https://id.example/keys",
            algorithms=("RS256", "ES256"),
            issuer="https://id.example",
            audience="shop",
            claim="email",
            place="cookie",
            name="access_token",
            leeway=5,
            refresh_seconds=60,
            ca=files[2],
        ),
        trusted_header=TrustedHeader("x-forwarded-user", ("10.1.0.0/16", "10.2.0.1/32")),
        session=SessionSettings("JSESSIONID", 8, "end"),
        visitor=VisitorSettings(90),
    )
    assert msgspec.json.decode(msgspec.json.encode(settings), type=Settings) == settings


def test_the_least_for_a_token(place):
    settings, diagnostics = read(place, PLAIN + f"identity: {{token: {{{TOKEN}}}}}\n")
    assert diagnostics == []
    token = settings.identity.token
    assert (token.place, token.name, token.claim, token.leeway) == ("header", "authorization", "sub", 30)
    assert settings.authority_paths() == [place / "keys.json"]


def test_the_least_for_visitors(place):
    settings, diagnostics = read(place, PLAIN + "identity: {visitor: {}}\n")
    assert (diagnostics, settings.identity.visitor) == ([], VisitorSettings(180))
    assert settings.identity.any


def token(**changed):
    said = {"keys": "keys.json", "algorithms": ["ES256"], "issuer": "i", "audience": "a"} | changed
    return json.dumps({"token": {key: value for key, value in said.items() if value is not None}})


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (token(keys=None), ["PG911"]),
        (token(issuer=None), ["PG911"]),
        (token(audience=None), ["PG911"]),
        (token(algorithms=None), ["PG911"]),
        (token(algorithms=[]), ["PG911"]),
        (token(algorithms=["none"]), ["PG913"]),
        (token(algorithms=["HS256"]), ["PG913"]),
        (token(algorithms=["ES256", "ES256K"]), ["PG913"]),
        (token(algorithms=["RS256"]), ["PG915"]),
        (token(keys="front.pem"), ["PG915"]),
        (token(keys="missing.json"), ["PG915"]),
        (token(keys="ftp://id.example/keys"), ["PG914"]),
        (token(keys="https://me:secret@id.example/keys"), ["PG914"]),
        (token(keys="https://"), ["PG914"]),
        (token(keys="http://id.example/keys"), ["PG943"]),
        (token(keys="http://127.0.0.1:1/keys"), []),
        (token(keys="http://localhost/keys"), []),
        (token(leeway="301"), ["PG914"]),
        (token(refresh_seconds="9"), ["PG914"]),
        (token(**{"in": "query:token"}), ["PG914"]),
        (token(**{"in": "header:Host"}), ["PG914"]),
        (token(**{"in": "header:X_Token"}), ["PG914"]),
        (token(**{"in": "header:Authorization"}), []),
        (token(**{"in": "header:X-Assertion"}), []),
        (token(ca="front.key"), ["PG915"]),
        (token(secret="x"), ["PG910"]),
        ("{password: x}", ["PG910"]),
        ("{session: {cookie: sid}}", []),
        ("{session: {cookie: __Host-sid, hours: 9600}}", []),
        ("{session: {hours: 1}}", ["PG911"]),
        ("{session: sid}", ["PG912"]),
        ("{session: {cookie: 'sid; x'}}", ["PG914"]),
        ("{session: {cookie: sid=1}}", ["PG914"]),
        ("{session: {cookie: __Host-privacy-visitor}}", ["PG914"]),
        ("{session: {cookie: sid, hours: 0}}", ["PG914"]),
        ("{session: {cookie: sid, hours: 9601}}", ["PG914"]),
        ("{session: {cookie: sid, rotated: maybe}}", ["PG913"]),
        ("{session: {cookie: sid, name: x}}", ["PG910"]),
        ("{visitor: {days: 1}}", []),
        ("{visitor: {days: 400}}", []),
        ("{visitor: {days: 401}}", ["PG914"]),
        ("{visitor: {days: 0}}", ["PG914"]),
        ("{visitor: {cookie: x}}", ["PG910"]),
        ("{visitor: 180}", ["PG912"]),
        ("{client_certificate: san_email}", ["PG941"]),
        ("{trusted_header: {from: [10.0.0.0/8]}}", ["PG911"]),
        ("{trusted_header: {name: X-User}}", ["PG940"]),
        ("{trusted_header: {name: X-User, from: []}}", ["PG940"]),
        ("{trusted_header: {name: X-User, from: [0.0.0.0/0]}}", ["PG940"]),
        ("{trusted_header: {name: X-User, from: ['::/0']}}", ["PG940"]),
        ("{trusted_header: {name: X-User, from: [10.0.0.1/8]}}", ["PG914", "PG940"]),
        ("{trusted_header: {name: X_User, from: [10.0.0.0/8]}}", ["PG914"]),
        ("{trusted_header: {name: Host, from: [10.0.0.0/8]}}", ["PG914"]),
        ("{trusted_header: {name: Cookie, from: [10.0.0.0/8]}}", ["PG914"]),
        ("{trusted_header: {name: Remote-User, from: [10.0.0.0/8]}}", []),
        ("{trusted_header: {name: X-Forwarded-User, from: [10.0.0.0/8]}}", ["PG942"]),
        ("{trusted_header: {name: X-Forwarded-User, from: [10.0.0.0/8]}}\nforwarded: {trusted: [10.0.0.0/7]}", []),
        (
            "{trusted_header: {name: X-Forwarded-User, from: [10.0.0.0/8]}}\nforwarded: {trusted: [10.0.0.0/9]}",
            ["PG942"],
        ),
    ],
)
def test_what_is_wrong_has_its_code(place, section, expected):
    assert sorted(codes(place, section)) == expected


def test_a_refused_url_does_not_repeat_its_password(place):
    _, diagnostics = read(place, PLAIN + f"identity: {token(keys='https://me:secret@id.example/keys')}\n")
    assert not any("secret" in found.message + found.hint for found in diagnostics)


@pytest.mark.parametrize(
    ("tls", "expected"),
    [
        ("client_ca: clients.pem, client_certificate: optional", []),
        ("client_ca: clients.pem, client_certificate: required", []),
        ("client_ca: clients.pem, client_certificate: never", ["PG913"]),
        ("client_certificate: required", ["PG941"]),
    ],
)
def test_what_a_listener_asks_of_its_clients(place, tls, expected):
    listener = f"listeners: [{{address: 127.0.0.1:1, tls: {{certificate: front.pem, key: front.key, {tls}}}}}]\n"
    assert [found.code for found in read(place, HEAD + listener)[1]] == expected


ROUTE = """
routes:
  - name: me
    match: {path: /me}
    to: shop
    subject: identity
    response: {rest: pass}
"""


def test_a_route_that_asks_for_an_identity_needs_a_source(place):
    policy = compiled(ROUTE)
    without, _ = read(place, PLAIN)
    [found] = check_policy(without, policy, "gateway.yaml")
    assert (found.code, found.severity, found.file) == ("PG944", Severity.ERROR, "rules.yaml")
    assert (policy.files["rules.yaml"].splitlines()[found.line - 1][found.column - 1 :], "'me'" in found.message) == (
        "identity",
        True,
    )
    with_one, _ = read(place, PLAIN + "identity: {trusted_header: {name: X-User, from: [10.0.0.0/8]}}\n")
    assert check_policy(with_one, policy, "gateway.yaml") == []


SIGNING = """
routes:
  - name: {name}
    match: {{path: /x}}
    to: shop
    subject: {{field: "query:who"}}
    response: {{rest: pass}}
    {keys}
"""


@pytest.mark.parametrize("keys", ["signs_in: {status: 204}", "signs_out: true"])
def test_a_route_that_signs_in_or_out_needs_a_session(place, keys):
    policy = compiled(SIGNING.format(name="x", keys=keys))
    [found] = check_policy(read(place, PLAIN + "identity: {visitor: {}}\n")[0], policy, "gateway.yaml")
    assert (found.code, found.severity, found.file) == ("PG945", Severity.ERROR, "rules.yaml")
    line = policy.files["rules.yaml"].splitlines()[found.line - 1]
    assert line.strip() == keys
    assert check_policy(read(place, PLAIN + "identity: {session: {cookie: sid}}\n")[0], policy, "gateway.yaml") == []


PAGE = (Path(__file__).parents[2] / "docs" / "identity.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=["certificate", "token", "header", "session", "visitor"])
def test_the_manual_can_be_copied(place, example):
    (place / "tls").mkdir()
    for name, source in (("certificate.pem", "front.pem"), ("key.pem", "front.key"), ("clients.pem", "clients.pem")):
        (place / "tls" / name).write_bytes((place / source).read_bytes())
    settings, diagnostics = read(place, (HEAD if "listeners:" in example else PLAIN) + example)
    assert diagnostics == []
    assert settings.identity.any


def test_the_example_of_a_deployment_shows_every_key():
    text = (Path(__file__).parents[2] / "rules" / "gateway.example.yaml").read_text()
    section = text.partition("\nidentity: {}\n")[2].partition("\n\n")[0]
    shown = yaml.safe_load("identity:\n" + re.sub(r"(?m)^#", "", section))["identity"]
    assert tuple(shown) == IDENTITY_KEYS
    assert set(shown["token"]) == set(TOKEN_KEYS)
    assert set(shown["session"]) == set(SESSION_KEYS)
