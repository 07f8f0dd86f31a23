"""The `egress:` section: everything it can say, and everything that it may not."""

import re
from pathlib import Path

import msgspec
import pytest
import yaml
from certificates import Authority, write_certificate

from gateway.model.errors import ConfigError, Severity
from gateway.policy.compile import load_policy
from gateway.runtime.listener import Listener, Tls
from gateway.runtime.settings import Settings
from gateway.runtime.settings_egress import (
    ApplicationSettings,
    EgressSettings,
    ProxyListener,
    RelayListener,
    egress_view,
    ingress_view,
)
from gateway.runtime.settings_egress_reader import APPLICATION_KEYS, EGRESS_KEYS, PROXY_KEYS, RELAY_KEYS
from gateway.runtime.settings_file import check_policy, read_settings
from gateway.runtime.sources import Sources

HEAD = "version: 1\nrules: rules\nstate: state\n"
PLAIN = HEAD + 'listeners: [{address: "127.0.0.1:8080"}]\n'
SHOP = "applications: {shop: {secret: shop.egress}}"
MAILER = "https://api.mailer.example"
EXAMPLE = Path(__file__).parents[2] / "rules" / "gateway.example.yaml"


def keep(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)


@pytest.fixture
def place(tmp_path):
    tmp_path.chmod(0o700)
    keep(tmp_path / "shop.egress", "correct horse battery staple\n")
    keep(tmp_path / "billing.egress", "another horse, other staples\n")
    keep(tmp_path / "parent.secret", "gateway:pass\n")
    write_certificate(tmp_path, "front")
    return tmp_path


def read(place, section, head=PLAIN):
    return read_settings("gateway.yaml", f"{head}egress:{section}", place)


def found_in(place, section):
    settings, diagnostics = read(place, f" {section}\n")
    assert (settings is None) == any(each.severity is Severity.ERROR for each in diagnostics)
    assert all(each.line == 5 and each.column > 1 for each in diagnostics)
    return [each.code for each in diagnostics]


def test_everything_that_it_can_say(place):
    settings, diagnostics = read(
        place,
        """
  admin: 127.0.0.2:9200
  workers: 3
  proxy:
    - {listen: "127.0.0.1:8081"}
    - {listen: "127.0.0.1:8083", mode: upstream, parent: "https://Proxy.example:3128/", parent_secret: parent.secret}
    - {listen: "0.0.0.0:8084", mode: reverse, to: "https://API.mailer.example:443/"}
    - {listen: "[::]:8085", tls: {certificate: front.pem, key: front.key}}
  relay:
    - listen: unix:relay.sock
      to: {/mailer/: "https://api.mailer.example", Mailer.Internal: "https://api.mailer.example:8443", /: "http://[::1]:8000"}
  ca: authority
  applications:
    shop: {secret: shop.egress, from: [10.1.0.0/16, "2001:db8::/32"]}
    billing: {from: [10.2.0.7]}
""",
    )
    assert diagnostics == []
    tls = Tls(str(place / "front.pem"), str(place / "front.key"))
    assert settings.egress == EgressSettings(
        admin=Listener("127.0.0.2", 9200),
        workers=3,
        proxies=(
            ProxyListener(Listener("127.0.0.1", 8081)),
            ProxyListener(
                Listener("127.0.0.1", 8083),
                "upstream",
                parent="https://proxy.example:3128",
                parent_secret=str(place / "parent.secret"),
            ),
            ProxyListener(Listener("0.0.0.0", 8084), "reverse", to=MAILER),
            ProxyListener(Listener("::", 8085, tls=tls)),
        ),
        relays=(
            RelayListener(
                Listener("", path=str(place / "relay.sock")),
                {"/mailer": MAILER, "mailer.internal": MAILER + ":8443", "/": "http://[::1]:8000"},
            ),
        ),
        ca=str(place / "authority"),
        applications={
            "shop": ApplicationSettings(str(place / "shop.egress"), ("10.1.0.0/16", "2001:db8::/32")),
            "billing": ApplicationSettings(None, ("10.2.0.7/32",)),
        },
    )
    assert msgspec.json.decode(msgspec.json.encode(settings), type=Settings) == settings


def test_the_least_that_it_can_say_and_no_listener_for_ingress(place):
    settings, diagnostics = read(place, f" {{proxy: [{{listen: '127.0.0.1:8081'}}], {SHOP}}}\n", HEAD)
    assert diagnostics == []
    assert (settings.egress.admin, settings.egress.workers) == (Listener("127.0.0.1", 9101), 1)
    assert settings.egress.ca == str(place / "state" / "egress-ca")
    with pytest.raises(ConfigError) as caught:
        ingress_view(settings, "gateway.yaml")
    assert [each.code for each in caught.value.diagnostics] == ["PG911"]


def proxy(rest):
    return f"{{proxy: [{{listen: '127.0.0.1:8081', {rest}}}], {SHOP}}}"


def relay(to, listen="127.0.0.1:8082"):
    return f"{{relay: [{{listen: '{listen}', to: {to}}}], {SHOP}}}"


def applications(text):
    return f"{{proxy: [{{listen: '127.0.0.1:8081'}}], applications: {text}}}"


@pytest.mark.parametrize(
    ("section", "codes"),
    [
        ("yes", ["PG912"]),
        ("{}", ["PG911", "PG953"]),
        (f"{{{SHOP}}}", ["PG953"]),
        (f"{{proxy: [], relay: [], {SHOP}}}", ["PG953"]),
        ("{proxy: [{listen: '127.0.0.1:8081'}]}", ["PG911"]),
        (applications("{}"), ["PG953"]),
        (applications("[shop]"), ["PG912"]),
        (applications("{shop: }"), ["PG912"]),
        (applications("{shop: {}}"), ["PG956"]),
        (applications("{shop: {from: []}}"), ["PG956"]),
        (applications("{shop: {secrets: shop.egress}}"), ["PG956", "PG910"]),
        (applications("{shop: {secret: none}}"), ["PG915"]),
        (applications("{shop: {secret: .}}"), ["PG915"]),
        (applications("{'sh:op': {secret: shop.egress}}"), ["PG914"]),
        (applications("{-: {secret: shop.egress}}"), ["PG914"]),
        (applications("{shop: {from: [10.0.0.1/8]}}"), ["PG914"]),
        (applications("{shop: {from: [0.0.0.0/0]}}"), ["PG956"]),
        (applications("{shop: {from: ['::/0']}}"), ["PG956"]),
        (applications("{shop: {from: [10.0.0.0/8]}, billing: {from: [10.1.0.0/16]}}"), ["PG956"]),
        (applications("{shop: {from: [10.1.0.0/16]}, billing: {from: [10.0.0.0/8]}}"), ["PG956"]),
        (applications("{shop: {from: [10.1.0.0/16, 10.1.2.0/24]}, billing: {from: ['::a01:0/112']}}"), []),
        (applications("{shop: {secret: shop.egress}, billing: {secret: shop.egress}}"), ["PG956"]),
        (applications("{shop: {secret: shop.egress}, billing: {secret: billing.egress}}"), []),
        (proxy("mode: transparent"), ["PG913"]),
        (proxy("mode: upstream"), ["PG954"]),
        (proxy("mode: reverse"), ["PG954"]),
        (proxy("parent: 'http://10.0.0.1:3128'"), ["PG954"]),
        (proxy("to: 'https://a.example'"), ["PG954"]),
        (proxy("mode: upstream, to: 'https://a.example'"), ["PG954", "PG954"]),
        (proxy("mode: reverse, to: 'http://a.example'"), ["PG958"]),
        (proxy("mode: reverse, to: 'http://127.0.0.1:80'"), []),
        (proxy("mode: reverse, to: 'http://localhost:8000'"), []),
        (proxy("mode: reverse, to: 'https://a.example/v1'"), ["PG914"]),
        (proxy("mode: reverse, to: 'https://a.example?x'"), ["PG914"]),
        (proxy("mode: reverse, to: 'https://a.example:0'"), ["PG914"]),
        (proxy("mode: reverse, to: 'https://a.example:65536'"), ["PG914"]),
        (proxy("mode: reverse, to: 'https://*.example'"), ["PG914"]),
        (proxy("mode: reverse, to: 'ftp://a.example'"), ["PG914"]),
        (proxy("mode: reverse, to: 'https://'"), ["PG914"]),
        (proxy("mode: reverse, to: a.example"), ["PG914"]),
        (proxy('mode: reverse, to: "https://a.exa\\tmple"'), ["PG914"]),
        (proxy("mode: upstream, parent: 'https://proxy.example'"), []),
        (proxy("mode: upstream, parent: 'http://me:word@10.0.0.1:3128'"), ["PG914"]),
        (proxy("mode: upstream, parent: 'http://10.0.0.1:3128/x'"), ["PG914"]),
        (proxy("mode: upstream, parent: 'socks5://10.0.0.1:3128'"), ["PG914"]),
        (proxy("mode: upstream, parent: 'https://p.example', parent_secret: parent.secret"), []),
        (proxy("mode: upstream, parent: 'http://localhost:3128', parent_secret: parent.secret"), []),
        (proxy("mode: upstream, parent: 'http://10.0.0.1:3128', parent_secret: parent.secret"), ["PG959"]),
        (proxy("mode: upstream, parent: 'https://p.example', parent_secret: shop.egress"), ["PG955"]),
        (proxy("parent_secret: parent.secret"), ["PG954"]),
        (proxy("tls: {certificate: front.pem}"), ["PG911"]),
        (proxy("tls: {certificate: front.pem, key: front.key, client_ca: front.pem}"), ["PG910"]),
        (f"{{proxy: [{{mode: regular}}], {SHOP}}}", ["PG911"]),
        (f"{{proxy: [{{listen: 'unix:a.sock'}}], {SHOP}}}", ["PG914"]),
        (f"{{proxy: [{{listen: '8081'}}], {SHOP}}}", ["PG914"]),
        (f"{{proxy: [{{listen: '0.0.0.0:8081'}}], {SHOP}}}", ["PG959"]),
        (f"{{proxy: [{{listen: '0.0.0.0:8081', mode: reverse, to: 'https://a.example'}}], {SHOP}}}", []),
        (f"{{proxy: [{{listen: '127.0.0.1:1'}}, {{listen: '127.0.0.1:1'}}], {SHOP}}}", ["PG916"]),
        (f"{{proxy: [{{listen: '127.0.0.1:0'}}, {{listen: '127.0.0.1:0'}}], {SHOP}}}", []),
        (f"{{proxy: [{{listen: '127.0.0.1:8080'}}], {SHOP}}}", ["PG916"]),
        (f"{{proxy: [{{listen: '127.0.0.1:9100'}}], {SHOP}}}", ["PG916"]),
        (f"{{proxy: [{{listen: '127.0.0.1:9101'}}], {SHOP}}}", ["PG916"]),
        (f"{{admin: '127.0.0.1:9100', proxy: [{{listen: '127.0.0.1:1'}}], {SHOP}}}", ["PG916"]),
        (f"{{admin: '0.0.0.0:9101', proxy: [{{listen: '127.0.0.1:1'}}], {SHOP}}}", ["PG918"]),
        (f"{{workers: 0, proxy: [{{listen: '127.0.0.1:1'}}], {SHOP}}}", ["PG914"]),
        (relay("{}"), ["PG957"]),
        (relay("'https://a.example'"), ["PG912"]),
        (relay("{/a: 'https://a.example'}", "0.0.0.0:8082"), ["PG959"]),
        (relay("{/a: 'https://a.example', /a/: 'https://b.example'}"), ["PG957"]),
        (relay("{a.internal: 'https://a.example', A.internal.: 'https://a.example'}"), ["PG957"]),
        (relay("{/a: 'https://a.example', /a/b: 'https://a.example', /A: 'https://a.example'}"), []),
        (relay("{/a: 'http://a.example'}"), ["PG958"]),
        (relay("{/a: }"), ["PG914"]),
        (relay("{//: 'https://a.example'}"), ["PG957"]),
        (relay("{/a//b: 'https://a.example'}"), ["PG957"]),
        (relay("{/../a: 'https://a.example'}"), ["PG957"]),
        (relay("{/.well-known: 'https://a.example'}"), ["PG957"]),
        (relay("{/.well-known/a: 'https://a.example'}"), ["PG957"]),
        (relay("{/%61: 'https://a.example'}"), ["PG957"]),
        (relay("{'/a?b': 'https://a.example'}"), ["PG957"]),
        (relay("{'*.internal': 'https://a.example'}"), ["PG957"]),
        (relay("{a/b: 'https://a.example'}"), ["PG957"]),
        (relay("{'https://a.internal': 'https://a.example'}"), ["PG957"]),
        (f"{{relay: [{{listen: '127.0.0.1:1'}}], {SHOP}}}", ["PG911"]),
        (f"{{relay: {{listen: '127.0.0.1:1'}}, {SHOP}}}", ["PG912"]),
    ],
)
def test_what_it_may_not_say(place, section, codes):
    assert found_in(place, section) == codes


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("correct horse battery staple", 0o640),
        ("correct horse battery staple", 0o604),
        ("fifteen chars..", 0o600),
        ("  fifteen chars.. \n", 0o600),
        ("correct horse\nbattery staple", 0o600),
        ("x" * 513, 0o600),
        ("correct horse \x7f battery", 0o600),
    ],
    ids=["group", "others", "short", "short with space", "two lines", "long", "control"],
)
def test_a_secret_that_is_none(place, text, mode):
    keep(place / "weak", text, mode)
    settings, diagnostics = read(place, f" {applications('{shop: {secret: weak}}')}\n")
    assert settings is None
    assert [each.code for each in diagnostics] == ["PG955"]
    assert diagnostics[0].hint
    assert text.strip() not in f"{diagnostics}"


def test_a_secret_in_a_folder_where_others_can_replace_it(place):
    (place / "open").mkdir()
    (place / "open").chmod(0o777)
    keep(place / "open" / "secret", "correct horse battery staple")
    section = applications("{shop: {secret: open/secret}}")
    assert found_in(place, section) == ["PG955"]
    (place / "open").chmod(0o1777)
    assert found_in(place, section) == []


def test_credentials_in_a_url_are_not_repeated(place):
    _, diagnostics = read(place, " " + proxy("mode: upstream, parent: 'http://me:word@10.0.0.1:3128'") + "\n")
    assert "word@" not in str(diagnostics)
    assert "parent_secret" in diagnostics[0].hint


def section_of_example():
    text = EXAMPLE.read_text().partition("\n# egress:\n")[2].partition("\n\n")[0]
    return "egress:\n" + re.sub(r"(?m)^#", "", text)


def test_the_example_shows_every_key_and_can_be_used(place):
    shown = yaml.safe_load(section_of_example())["egress"]
    assert sorted(shown) == sorted(EGRESS_KEYS)
    assert {key for each in shown["proxy"] for key in each} == set(PROXY_KEYS) - {"tls"}
    assert {key for each in shown["relay"] for key in each} == set(RELAY_KEYS)
    assert {key for each in shown["applications"].values() for key in each} == set(APPLICATION_KEYS)
    (place / "secrets").mkdir(mode=0o700)
    keep(place / "secrets" / "shop", "correct horse battery staple")
    keep(place / "secrets" / "parent", "gateway:pass")
    (place / "tls").mkdir()
    for name, source in (("certificate.pem", "front.pem"), ("key.pem", "front.key")):
        (place / "tls" / name).write_bytes((place / source).read_bytes())
    settings, diagnostics = read_settings("gateway.yaml", PLAIN + section_of_example() + "\n", place)
    assert [each.code for each in diagnostics] == ["PG959"]
    assert [each.mode for each in settings.egress.proxies] == ["regular", "upstream", "reverse"]


SECTION = f"""
  proxy: [{{listen: "127.0.0.1:0"}}]
  relay: [{{listen: "127.0.0.1:0", to: {{/a: "{MAILER}"}}}}]
  {SHOP}
"""


def test_the_view_of_egress(place):
    whole, _ = read(place, SECTION, PLAIN + "identity: {visitor: {days: 1}}\nportal: {}\n")
    view = egress_view(whole)
    assert view.listeners == whole.egress.listeners == (Listener("127.0.0.1", 0), Listener("127.0.0.1", 0))
    assert (view.admin, view.workers) == (Listener("127.0.0.1", 9101), 1)
    assert not view.identity.any
    assert view.portal is None
    bound = view.egress.bound_to((Listener("127.0.0.1", 1), Listener("127.0.0.1", 2)))
    assert [each.listener.port for each in (*bound.proxies, *bound.relays)] == [1, 2]
    assert bound.relays[0].to == {"/a": MAILER}


def test_no_view_of_egress_without_the_section(place):
    whole, _ = read_settings("here.yaml", PLAIN, place)
    with pytest.raises(ConfigError) as caught:
        egress_view(whole, "here.yaml")
    assert [(each.file, each.code) for each in caught.value.diagnostics] == [("here.yaml", "PG953")]


def test_what_is_said_of_egress_changes_nothing_for_ingress(place):
    with_section, _ = read(place, SECTION)
    without, _ = read_settings("gateway.yaml", PLAIN, place)
    assert ingress_view(with_section) == without


REVERSE = "proxy: [{listen: '127.0.0.1:0', mode: reverse, to: '%s'}]"
RULES = """\
version: 1
controller: {name: Shop, contact: p@shop.example}
recipients:
  shop: {role: controller, upstream: "http://127.0.0.1:8000"}
  mailer: {role: processor, hosts: [api.mailer.example]}
routes: [{name: all, match: {path: "/**"}, to: shop, mode: observe}]
"""


def test_a_changed_secret_or_authority_asks_for_a_reload_of_egress_only(place):
    (place / "rules").mkdir()
    (place / "rules" / "shop.yaml").write_text(RULES)
    file = place / "gateway.yaml"
    file.write_text(PLAIN + "egress:" + SECTION)
    whole, _ = read(place, SECTION)
    egress, ingress = Sources(file, egress_view), Sources(file)
    before = egress.fingerprint(egress_view(whole)), ingress.fingerprint(ingress_view(whole))
    keep(place / "shop.egress", "quite another horse and staple")
    (place / "state" / "egress-ca").mkdir(parents=True)
    changed = egress.fingerprint(egress_view(whole))
    assert changed != before[0]
    keep(place / "state" / "egress-ca" / "mitmproxy-ca.pem", "new")
    assert egress.fingerprint(egress_view(whole)) != changed
    assert ingress.fingerprint(ingress_view(whole)) == before[1]


@pytest.mark.parametrize(
    ("target", "unknown", "named"),
    [
        (MAILER, "refuse", []),
        (MAILER + ":8443", "refuse", []),
        ("https://mailer.example", "refuse", ["mailer.example"]),
        ("http://127.0.0.1:8000", "refuse", ["127.0.0.1:8000"]),
        ("https://mailer.example", "observe", []),
    ],
)
@pytest.mark.parametrize("port", ["relay: [{listen: '127.0.0.1:0', to: {/a: '%s', /b: '%s'}}]", REVERSE])
def test_a_port_leads_to_a_recipient(place, port, target, unknown, named):
    whole, _ = read(place, f" {{{port.replace('%s', target)}, {SHOP}}}\n")
    policy = load_policy({"shop.yaml": RULES + f"egress: {{unknown: {unknown}}}\n"}, today="2026-11-24")
    found = check_policy(whole, policy, "gateway.yaml")
    assert [(each.code, each.severity) for each in found] == [("PG960", Severity.ERROR)] * len(named)
    assert all(
        f"'{host}'" in each.message and f"[{host}]" in each.hint for host, each in zip(named, found, strict=True)
    )
    assert check_policy(ingress_view(whole), policy, "gateway.yaml") == []


def test_what_is_read_again_is_seen_through_the_same_view(place):
    (place / "rules").mkdir()
    (place / "rules" / "shop.yaml").write_text(RULES)
    file = place / "gateway.yaml"
    file.write_text(PLAIN + "egress:" + SECTION)
    whole, _ = read(place, SECTION)
    again, _, _ = Sources(file, egress_view).read(egress_view(whole), None)
    assert again == egress_view(whole)
    again, _, _ = Sources(file).read(ingress_view(whole), None)
    assert again == ingress_view(whole)


def test_files_towards_a_partner_that_only_egress_reaches(place):
    Authority(place, "partners")
    (place / "rules").mkdir()
    (place / "rules" / "shop.yaml").write_text(RULES)
    text = PLAIN + "upstream_tls: {mailer: {ca: partners.pem}}\n"
    file = place / "gateway.yaml"
    file.write_text(text + "egress:" + SECTION)
    whole, diagnostics = read_settings("gateway.yaml", file.read_text(), place)
    assert diagnostics == []
    again, policy, _ = Sources(file, egress_view).read(egress_view(whole), None)
    assert again.tls_of("mailer").ca == str(place / "partners.pem")
    assert again.tls_of("shop") is None
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        Sources(file).read(ingress_view(whole), policy)
    assert "PG920" in [each.code for each in caught.value.diagnostics]
