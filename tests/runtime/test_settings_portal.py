"""The `portal:` section: everything it can say, and everything that it may not."""

import msgspec
import pytest
from rulebook import compiled

from gateway.model.errors import Severity
from gateway.runtime.settings import Settings
from gateway.runtime.settings_file import check_policy, read_settings
from gateway.runtime.settings_identity import IdentitySettings, TrustedHeader
from gateway.runtime.settings_portal import (
    DARK_GROUND,
    LEAST_CONTRAST,
    LIGHT_GROUND,
    PortalSettings,
    Rate,
    Theme,
    contrast,
)

HEAD = 'version: 1\nrules: rules\nstate: state\nlisteners: [{address: "127.0.0.1:8080"}]\n'
ROUTE = "routes: [{name: all, match: {path: %s}, to: shop, response: {rest: pass}}]"
SOME = IdentitySettings(trusted_header=TrustedHeader("x-user", ("10.0.0.0/8",)))


@pytest.fixture
def place(tmp_path):
    (tmp_path / "logo.svg").write_text("<svg/>")
    (tmp_path / "logo.gif").write_text("GIF")
    return tmp_path


def read(place, section):
    return read_settings("gateway.yaml", f"{HEAD}{section}\n", place)


def test_without_the_section_there_are_no_pages(place):
    settings, _ = read(place, "")
    assert settings.portal is None


def test_everything_that_it_can_say(place):
    settings, found = read(
        place,
        """portal:
  prefix: /your/privacy
  languages: [de, en, de]
  theme: {accent: "#123456", accent_dark: "#ABCDEF", font: serif, logo: logo.svg}
  rate: {person: 5, peer: 6}""",
    )
    assert found == []
    logo = str(place / "logo.svg")
    expected = PortalSettings(
        "/your/privacy", ("de", "en"), Theme("#123456", "#abcdef", "serif", logo), Rate(person=5, peer=6)
    )
    assert settings.portal == expected
    assert msgspec.json.decode(msgspec.json.encode(settings), type=Settings).portal == expected
    assert str(settings.authority_paths()[-1]) == logo


def test_nothing_has_to_be_said(place):
    settings, found = read(place, "portal: {}")
    assert (settings.portal, found) == (PortalSettings(), [])


@pytest.mark.parametrize(
    ("section", "codes"),
    [
        ("{prefix: privacy}", ["PG914"]),
        ("{prefix: /}", ["PG914"]),
        ("{prefix: /privacy/}", ["PG914"]),
        ("{prefix: /a b}", ["PG914"]),
        ("{prefix: /../a}", ["PG914"]),
        ("{prefix: '/a?b'}", ["PG914"]),
        ("{prefix: /%61}", ["PG914"]),
        ("{languages: [fr]}", ["PG913"]),
        ("{languages: []}", ["PG914"]),
        ("{languages: en}", ["PG912"]),
        ('{theme: {accent: "#777"}}', ["PG914"]),
        ('{theme: {accent: "#8a8a8a"}}', ["PG950"]),
        ('{theme: {accent_dark: "#333333"}}', ["PG950"]),
        ("{theme: {font: comic}}", ["PG913"]),
        ("{theme: {logo: logo.gif}}", ["PG914"]),
        ("{theme: {logo: none.svg}}", ["PG915"]),
        ("{theme: {colour: red}}", ["PG910"]),
        ("{rate: {person: 0, peer: x}}", ["PG914", "PG914"]),
        ("{pages: all}", ["PG910"]),
        ("yes", ["PG912"]),
    ],
)
def test_what_it_may_not_say(place, section, codes):
    settings, found = read(place, f"portal: {section}")
    assert settings is None
    assert [each.code for each in found] == codes
    assert all(each.severity is Severity.ERROR and each.line == 5 for each in found)


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.48),
        ("#0000ff", "#ffffff", 8.59),
    ],
)
def test_contrast_is_that_of_wcag(one, other, ratio):
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.005)


def test_the_colours_that_are_given_can_be_read():
    assert contrast(Theme().accent, LIGHT_GROUND) >= LEAST_CONTRAST
    assert contrast(Theme().accent_dark, DARK_GROUND) >= LEAST_CONTRAST


@pytest.mark.parametrize(
    ("path", "identity", "codes"),
    [
        ("/**", SOME, []),
        ("/privacy", SOME, ["PG952"]),
        ("/privacy/**", SOME, ["PG952"]),
        ("/privacy-policy", SOME, []),
        ("/**", IdentitySettings(), ["PG951"]),
    ],
)
def test_what_rules_and_pages_cannot_both_have(path, identity, codes):
    settings = Settings(listeners=(), state="state", rules="rules", portal=PortalSettings(), identity=identity)
    found = check_policy(settings, compiled(ROUTE % path), "gateway.yaml")
    assert [each.code for each in found] == codes
    assert check_policy(msgspec.structs.replace(settings, portal=None), compiled(ROUTE % path), "gateway.yaml") == []


def test_pages_stand_in_front_of_no_call_that_goes_out():
    outgoing = """
  mailer: {role: processor, hosts: api.mailer.example, contract: {ref: A}}
routes:
  - name: all
    match: {host: api.mailer.example, path: /privacy}
    to: mailer
    caller: shop
    response: {rest: pass}
"""
    settings = Settings(listeners=(), state="state", rules="rules", portal=PortalSettings(), identity=SOME)
    assert check_policy(settings, compiled(outgoing), "gateway.yaml") == []
