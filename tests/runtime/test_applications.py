"""Who sends: headers that prove it, headers that do not, and networks."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import StoreDown
from gateway.model.words import Posture
from gateway.runtime import applications
from gateway.runtime.applications import Applications, read_basic
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings_egress import ApplicationSettings

SHOP = "correct horse battery stäple"
BILLING = "of:colons:are:many:here"


def basic(text: str | bytes, scheme: bytes = b"Basic ") -> bytes:
    return scheme + base64.b64encode(text if isinstance(text, bytes) else text.encode())


@pytest.fixture
def settings(tmp_path):
    tmp_path.chmod(0o700)
    for name, secret in (("shop", SHOP + "\n"), ("billing", BILLING)):
        (tmp_path / name).write_text(secret)
        (tmp_path / name).chmod(0o600)
    return {
        "shop": ApplicationSettings(str(tmp_path / "shop"), ("10.1.0.0/16", "2001:db8::/32")),
        "billing": ApplicationSettings(str(tmp_path / "billing")),
        "batch": ApplicationSettings(None, ("10.2.0.7/32", "10.0.0.0/8")),
    }


HEADERS = {
    "proven": ([basic(f"shop:{SHOP}")], "shop"),
    "colons in the secret": ([basic(f"billing:{BILLING}")], "billing"),
    "scheme in capitals": ([basic(f"shop:{SHOP}", b"BASIC ")], "shop"),
    "scheme in small letters": ([basic(f"shop:{SHOP}", b"basic   ")], "shop"),
    "no scheme": ([basic(f"shop:{SHOP}", b"")], None),
    "another scheme": ([basic(f"shop:{SHOP}", b"Bearer ")], None),
    "no space": ([basic(f"shop:{SHOP}", b"Basic")], None),
    "a tab": ([basic(f"shop:{SHOP}", b"Basic\t")], None),
    "two headers": ([basic(f"shop:{SHOP}")] * 2, None),
    "two in one": ([basic(f"shop:{SHOP}") + b", " + basic(f"shop:{SHOP}")], None),
    "wrong secret": ([basic("shop:another horse battery")], None),
    "beginning of the secret": ([basic(f"shop:{SHOP[:-1]}")], None),
    "more than the secret": ([basic(f"shop:{SHOP}\n")], None),
    "no secret": ([basic("shop:")], None),
    "no colon": ([basic("shop")], None),
    "secret of another": ([basic(f"shop:{BILLING}")], None),
    "unknown name": ([basic(f"stranger:{SHOP}")], None),
    "name in capitals": ([basic(f"Shop:{SHOP}")], None),
    "no name": ([basic(f":{SHOP}")], None),
    "one without a secret": ([basic("batch:")], None),
    "latin 1": ([basic(f"shop:{SHOP}".encode("latin-1"))], None),
    "control": ([basic("shop:\x00")], None),
    "empty": ([b""], None),
    "nothing behind the scheme": ([b"Basic "], None),
    "no base64": ([b"Basic sh%p"], None),
    "base64 of the web": ([basic("shop:???>>>").replace(b"/", b"_")], None),
    "without padding": ([basic(f"billing:{BILLING}!").rstrip(b"=")], None),
    "white space behind": ([basic(f"shop:{SHOP}") + b" "], None),
    "very long": ([basic(f"shop:{SHOP * 100}")], None),
}


@pytest.mark.parametrize(("authorization", "expected"), HEADERS.values(), ids=HEADERS)
def test_a_header_decides_alone(settings, authorization, expected):
    metrics = Metrics()
    known = Applications(settings, metrics)
    for peer in ("192.0.2.1", "10.1.0.1", "10.2.0.7"):
        assert known.name(authorization, peer) == expected
        assert known.name(authorization, peer) == expected
    assert metrics.applications == {"verified" if expected else "refused": 6}


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("10.1.2.3", "shop"),
        ("10.2.0.7", "batch"),
        ("10.3.0.1", "batch"),
        ("::ffff:10.1.2.3", "shop"),
        ("2001:db8::1%eth0", "shop"),
        ("2001:db9::1", None),
        ("11.0.0.1", None),
        ("", None),
        ("shop", None),
    ],
)
def test_without_a_header_the_longest_network_decides(settings, peer, expected):
    metrics = Metrics()
    known = Applications(settings, metrics)
    assert known.name([], peer) == expected
    assert known.name((), peer) == expected
    assert metrics.applications == {"verified" if expected else "none": 2}


def test_unknown_names_are_compared_as_known_ones_are(settings, monkeypatch):
    compared = []

    def compare(one, other):
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr(applications.hmac, "compare_digest", compare)
    known = Applications(settings)
    assert known.name([basic(f"stranger:{SHOP}")], "") is None
    assert known.name([basic("shop:wrong horse battery staple")], "") is None
    assert compared == [(32, 32), (32, 32)]


def test_what_verified_once_is_not_worked_out_again_and_what_did_not_is(settings, monkeypatch):
    known = Applications(settings)
    right, wrong = [basic(f"shop:{SHOP}")], [basic(f"shop:{BILLING}")]
    assert known.name(right, "") == "shop"
    read = []
    monkeypatch.setattr(applications, "read_basic", read.append)
    assert known.name(right, "") == "shop"
    assert known.name(wrong, "") is None
    assert known.name(wrong, "") is None
    assert read == wrong * 2


def test_what_is_remembered_has_a_bound(settings, monkeypatch):
    monkeypatch.setattr(applications, "_MOST_REMEMBERED", 3)
    known = Applications(settings)
    for spaces in range(1, 10):
        assert known.name([basic(f"shop:{SHOP}", b"Basic" + b" " * spaces)], "") == "shop"
        assert known.name([], f"10.1.0.{spaces}") == "shop"
        assert len(known._headers) <= 3
        assert len(known._peers) <= 3


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.chmod(0o644)], ids=["gone", "exposed"])
def test_a_secret_that_cannot_be_used_says_whose_and_why(settings, tmp_path, spoil):
    spoil(tmp_path / "billing")
    with pytest.raises(StoreDown) as caught:
        Applications(settings)
    assert caught.value.posture is Posture.KEY_PROVIDER_DOWN
    assert "'billing'" in caught.value.why
    assert BILLING not in caught.value.why


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"Basic YTpiYw==", ("a", "bc")),
        (b"Basic YTpiYx==", None),  # the same bytes, written in another way
        (b"Basic YTpiYw=", None),
        (b"Basic YTpiYw", None),
        (basic("a:" + "x" * 512), ("a", "x" * 512)),
        (basic("a:" + "x" * 1024), None),
        (basic("a:b\x00"), None),
        (basic("a:b\x7f"), None),
        (basic("a\n:b"), None),
        (basic("a:b\x85"), None),
    ],
)
def test_one_header_field(value, expected):
    assert read_basic(value) == expected


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
SECRETS = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=100)


@given(NAMES, SECRETS, st.sampled_from([b"Basic ", b"basic ", b"BaSiC  "]))
def test_what_was_written_is_read(name, secret, scheme):
    assert read_basic(basic(f"{name}:{secret}", scheme)) == (name, secret)


@given(st.binary(max_size=80) | st.binary(max_size=60).map(basic))
def test_whatever_comes_is_read_in_one_way_or_not_at_all(value):
    found = read_basic(value)
    if found is not None:
        name, secret = found
        assert ":" not in name
        assert value.lower().startswith(b"basic ")
        assert value.split(b" ")[-1] == base64.b64encode(f"{name}:{secret}".encode())
