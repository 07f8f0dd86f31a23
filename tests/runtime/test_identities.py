"""The order of the sources, what each is believed, and what is remembered of it."""

import itertools
import time

import pytest
from tokens import Issuer, terms

from gateway.crypto import signed_token
from gateway.model.identity import CertificatePart, Identity, IdentitySource
from gateway.model.message import RequestHead
from gateway.runtime import identities as module
from gateway.runtime.identities import Identities, Tokens
from gateway.runtime.key_source import KeyFile, open_keys
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings_identity import IdentitySettings, TrustedHeader

ISSUER = Issuer()
OTHER = Issuer()
HEADER = TrustedHeader("x-user", ("10.0.0.0/8", "::1/128"))
FOREVER = float("inf")


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys.json"
    path.write_bytes(ISSUER.jwks())
    return path


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def sources(keys, metrics):
    return open_sources(metrics, keys)


def open_sources(metrics, keys, **changed):
    token = terms(keys, **changed)
    settings = IdentitySettings(client_certificate=CertificatePart.SAN_EMAIL, token=token, trusted_header=HEADER)
    return Identities(settings, Tokens(token, KeyFile(token)), metrics)


def head(*headers, certified=None):
    return RequestHead("GET", b"/", "shop.example", tuple(headers), certified=certified)


def bearer(token):
    return (b"Authorization", b"Bearer " + token)


CERTIFIED = Identity(IdentitySource.CERTIFICATE, "certified", FOREVER)
SPEAK = {
    "certificate": {"good": "certified", "bad": None},
    "token": {"good": "tokened", "bad": None},
    "header": {"good": "headed"},
}


@pytest.mark.parametrize(
    ("certificate", "token", "header"),
    list(itertools.product((None, "good", "bad"), (None, "good", "bad"), (None, "good"))),
)
def test_the_first_source_that_speaks_decides(sources, metrics, certificate, token, header):
    headers = []
    if token is not None:
        headers.append(bearer((ISSUER if token == "good" else OTHER).token("tokened")))
    if header is not None:
        headers.append((b"X-User", b"headed"))
    certified = {None: None, "good": CERTIFIED, "bad": Identity(IdentitySource.CERTIFICATE, "", FOREVER)}[certificate]
    spoken = [(source, how) for source, how in zip(SPEAK, (certificate, token, header), strict=True) if how]
    expected = SPEAK[spoken[0][0]][spoken[0][1]] if spoken else None

    found = sources.resolve(head(*headers, certified=certified))

    assert (None if found is None else found.name) == expected
    if expected is not None:
        assert found.source == spoken[0][0]
    counted = {source for source, _ in metrics.identities}
    assert counted == ({spoken[0][0]} if spoken else set())


@pytest.mark.parametrize(
    ("name", "until", "expected"),
    [("ann", FOREVER, "ann"), ("ann", 1.0, None), ("", FOREVER, None)],
)
def test_a_certificate_is_believed_until_it_expires(sources, name, until, expected):
    found = sources.resolve(head(certified=Identity(IdentitySource.CERTIFICATE, name, until)))
    assert (None if found is None else found.name) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"Bearer %b", "ann@shop.example"),
        (b"bearer  %b", "ann@shop.example"),
        (b"Bearer\t%b", None),
        (b"Bearer %b x", "malformed"),
        (b"Bearer", "malformed"),
        (b"Bearer %b,", "malformed"),
        (b"Bearerx %b", None),
        (b"Basic %b", None),
        (b"%b", None),
    ],
)
def test_how_authorization_carries_a_token(sources, metrics, line, expected):
    found = sources.resolve(head((b"Authorization", line % ISSUER.token() if b"%" in line else line)))
    outcome = next((word for _, word in metrics.identities), None)
    assert (found.name if found else outcome) == expected


@pytest.mark.parametrize(
    ("place", "name", "fields"),
    [
        ("header", "x-assertion", [(b"X-Assertion", b"%b")]),
        ("header", "x-assertion", [(b"x-assertion", b"Bearer %b")]),
        ("cookie", "session_token", [(b"Cookie", b"a=1; session_token=%b; b=2")]),
    ],
)
def test_other_places_for_a_token(keys, metrics, place, name, fields):
    under = open_sources(metrics, keys, place=place, name=name)
    lines = [(key, value % ISSUER.token()) for key, value in fields]
    assert under.resolve(head(*lines)).name == "ann@shop.example"
    twice = [*lines, *[(key, value % ISSUER.token("eve")) for key, value in fields], (b"X-User", b"ann")]
    assert under.resolve(head(*twice)) is None
    assert metrics.identities["token", "repeated"] == 1
    assert under.resolve(head(bearer(ISSUER.token()))) is None


def test_a_cookie_line_that_servers_read_differently_carries_no_token(keys, metrics):
    under = open_sources(metrics, keys, place="cookie", name="t")
    odd = head((b"Cookie", b't="a;b"; t=%b' % ISSUER.token()), (b"X-User", b"ann"))
    assert under.resolve(odd) is None
    assert metrics.identities["token", "malformed"] == 1


def verifications(monkeypatch):
    """The tokens whose signature was checked."""
    seen = []

    def spy(token, *rest):
        seen.append(token)
        return signed_token.verify_token(token, *rest)

    monkeypatch.setattr(module, "verify_token", spy)
    return seen


def test_a_signature_is_checked_once(sources, monkeypatch):
    seen = verifications(monkeypatch)
    token = ISSUER.token()
    for _ in range(3):
        assert sources.resolve(head(bearer(token))).name == "ann@shop.example"
    assert len(seen) == 1
    again = head(bearer(token))
    assert sources.resolve(again) is sources.resolve(again)


def test_a_token_that_expires_while_it_is_remembered_is_none(sources, metrics, monkeypatch):
    request = head(bearer(ISSUER.token(exp=int(time.time()) + 5)))
    assert sources.resolve(request) is not None
    later = time.time() + 36
    monkeypatch.setattr(time, "time", lambda: later)
    assert sources.resolve(request) is None
    assert sources.resolve(head(*request.headers)) is None
    assert metrics.identities["token", "expired"] == 2


def test_what_is_remembered_is_bounded_and_what_was_refused_is_not(sources, monkeypatch):
    monkeypatch.setattr(module, "VERIFIED_AT_MOST", 3)
    tokens = [ISSUER.token(f"person {number}") for number in range(5)]
    for token in [*tokens, OTHER.token()]:
        sources.resolve(head(bearer(token)))
    assert [each.name for each in sources._tokens._verified.values()] == ["person 2", "person 3", "person 4"]


def test_new_keys_forget_what_was_verified_with_the_old(keys, metrics):
    under = open_sources(metrics, keys)
    request = head(bearer(ISSUER.token()))
    assert under.resolve(request) is not None
    keys.write_bytes(OTHER.jwks())
    under._tokens.source = open_keys(terms(keys), metrics, None)
    assert under.resolve(request) is None
    assert under.resolve(head(*request.headers)) is None
    assert metrics.identities["token", "signature"] == 2


@pytest.mark.parametrize(
    ("peer", "listed"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("::1", True),
        ("::1%lo", True),
        ("11.0.0.1", False),
        ("::2", False),
        ("", False),
        ("unix", False),
    ],
)
def test_which_peers_are_listed(sources, peer, listed):
    assert sources.lists(peer) is listed


@pytest.mark.parametrize(("value", "name"), [(b"ann", "ann"), (b" \xc3\xa4nn ", "änn"), (b"", None), (b" ", None)])
def test_what_the_header_names(sources, value, name):
    found = sources.resolve(head((b"X-User", value)))
    assert (None if found is None else found.name) == name


def test_without_a_source_there_is_nobody(metrics):
    none = Identities(IdentitySettings(trusted_header=HEADER), None, metrics)
    assert none.resolve(head(bearer(ISSUER.token()))) is None
    assert none.of_certificate(b"anything") is None
    assert not none.awaits_keys(head(bearer(ISSUER.token())))
