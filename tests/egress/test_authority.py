"""The authority for interception: what is on disk, what others make of it, and what is refused."""

import datetime as dt
import ipaddress
import math
import socket
import ssl
import subprocess
import threading

import pytest
from certificates import Authority as OtherAuthority
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from mitmproxy.certs import CertStore

from gateway.egress.authority import (
    create_authority,
    load_authority,
    next_authority,
    read_authority,
    retire_authority,
    rotate_authority,
    trusted_by_clients,
)
from gateway.egress.authority_certificate import Permitted, host_name, permitted_hosts
from gateway.egress.authority_watch import check_authority, days_left_metric
from gateway.model.errors import StoreDown
from gateway.model.words import Posture
from gateway.runtime.listener import Listener
from gateway.runtime.settings import Settings
from gateway.runtime.settings_egress import EgressSettings, ProxyListener

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
DAY = dt.timedelta(days=1)
MAILER = Permitted(("mailer.example",))


@pytest.fixture
def place(tmp_path):
    tmp_path.chmod(0o700)
    return tmp_path / "egress-ca"


def modes(place):
    return {path.name: path.stat().st_mode & 0o777 for path in place.iterdir()}


def test_what_lies_in_the_directory(place):
    create_authority(place)
    assert place.stat().st_mode & 0o777 == 0o700
    assert modes(place) == {"mitmproxy-ca.pem": 0o600, "mitmproxy-dhparam.pem": 0o600, "authority.pem": 0o600}
    assert b"PRIVATE" not in (place / "authority.pem").read_bytes()


def test_what_the_certificate_says(place):
    authority = create_authority(place, owner="shop.example", now=NOW)
    certificate = authority.certificate
    extensions = certificate.extensions
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.digital_signature) == (True, True, False)
    identifier = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
    assert extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value == identifier
    assert "O=shop.example" in certificate.subject.rfc4514_string()
    assert authority.until == NOW + 730 * DAY
    assert authority.permitted is None


def test_openssl_reads_the_same(place):
    authority = create_authority(place, permitted=MAILER)
    command = ["openssl", "x509", "-in", str(place / "authority.pem"), "-noout", "-fingerprint", "-sha256", "-text"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"sha256 Fingerprint={authority.fingerprint}" in said
    assert "CA:TRUE, pathlen:0" in said
    assert "DNS:mailer.example" in said


def test_the_parameters_are_the_group_of_the_rfc(place):
    create_authority(place)
    found = serialization.load_pem_parameters((place / "mitmproxy-dhparam.pem").read_bytes()).parameter_numbers()
    # RFC 7919, appendix A.1: p = 2^2048 - 2^1984 + {[2^1918 * e] + 560316} * 2^64 - 1
    scale = 1 << 2200
    e = sum(scale // math.factorial(n) for n in range(400))
    p = 2**2048 - 2**1984 + ((2**1918 * e // scale) + 560316) * 2**64 - 1
    assert (found.p, found.g) == (p, 2)


class Front:
    """A TLS server on loopback that shows what mitmproxy makes for a host."""

    def __init__(self, place, folder, host):
        store = CertStore.from_store(place, "mitmproxy", 2048)
        try:
            names = [x509.IPAddress(ipaddress.ip_address(host))]
        except ValueError:
            names = [x509.DNSName(host)]
        entry = store.get_cert(host, names)
        self.leaf, pair = folder / "leaf.pem", folder / "pair.pem"
        self.leaf.write_bytes(entry.cert.to_pem())
        key = entry.privatekey.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        pair.write_bytes(self.leaf.read_bytes() + key)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pair)

    def judged_by_openssl(self, trusted):
        command = ["openssl", "verify", "-x509_strict", "-CAfile", str(trusted), str(self.leaf)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def judged_by_python(self, trusted, host):
        context = ssl.create_default_context(cafile=str(trusted))
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        mine, theirs = socket.socketpair()
        mine.settimeout(5)
        theirs.settimeout(5)
        thread = threading.Thread(target=self._greet, args=(theirs,))
        thread.start()
        try:
            with context.wrap_socket(mine, server_hostname=host) as secure:
                return secure.recv(5) == b"hello"
        except ssl.SSLCertVerificationError:
            return False
        finally:
            mine.close()
            thread.join()

    def _greet(self, connection):
        with connection:
            try:
                with self._context.wrap_socket(connection, server_side=True) as secure:
                    secure.sendall(b"hello")
            except OSError:
                return  # The client does not trust it.


@pytest.mark.parametrize(
    ("permitted", "host", "trusted"),
    [
        (None, "api.mailer.example", True),
        (None, "127.0.0.1", True),
        (MAILER, "mailer.example", True),
        (MAILER, "api.mailer.example", True),
        (MAILER, "notmailer.example", False),
        (MAILER, "bank.example", False),
        (MAILER, "127.0.0.1", False),
        (MAILER, "::1", False),
        (Permitted((), ("127.0.0.1/32",)), "127.0.0.1", True),
        (Permitted((), ("127.0.0.1/32",)), "127.0.0.2", False),
        (Permitted((), ("127.0.0.1/32",)), "::1", False),
        (Permitted((), ("127.0.0.1/32",)), "bank.example", False),
        (Permitted((), ("::1/128",)), "::1", True),
        (Permitted((), ("::1/128",)), "bank.example", False),
    ],
)
def test_what_mitmproxy_makes_is_trusted_for_what_is_permitted(place, tmp_path, permitted, host, trusted):
    create_authority(place, permitted=permitted)
    before = modes(place)
    front = Front(load_authority(place).pem_for_mitmproxy().parent, tmp_path, host)
    assert front.judged_by_openssl(place / "authority.pem") is trusted
    assert front.judged_by_python(place / "authority.pem", host) is trusted
    assert modes(place) == before


def test_nothing_is_overwritten(place):
    create_authority(place)
    before = (place / "mitmproxy-ca.pem").read_bytes()
    with pytest.raises(FileExistsError, match="never overwritten"):
        create_authority(place)
    assert (place / "mitmproxy-ca.pem").read_bytes() == before
    rotate_authority(place)
    following = (place / "next-ca.pem").read_bytes()
    with pytest.raises(FileExistsError, match="begun already"):
        rotate_authority(place)
    assert (place / "next-ca.pem").read_bytes() == following


def test_a_rotation(place, tmp_path):
    first = create_authority(place, owner="shop.example", permitted=MAILER)
    second = rotate_authority(place, days=10, now=NOW)
    assert second.until == NOW + 10 * DAY
    assert second.permitted == MAILER
    assert "O=shop.example" in second.certificate.subject.rfc4514_string()
    assert second.certificate.subject != first.certificate.subject
    assert second.certificate.public_key() != first.certificate.public_key()
    # Until it is retired, the first signs, and clients are to trust both.
    assert load_authority(place).fingerprint == first.fingerprint
    assert [each.fingerprint for each in trusted_by_clients(place)] == [first.fingerprint, second.fingerprint]
    old = tmp_path / "old.pem"
    old.write_bytes(first.pem())
    both = tmp_path / "both.pem"
    both.write_bytes((place / "authority.pem").read_bytes())
    assert both.read_bytes() == first.pem() + second.pem()
    assert Front(place, tmp_path, "mailer.example").judged_by_openssl(old)
    assert retire_authority(place).fingerprint == second.fingerprint
    assert next_authority(place) is None
    front = Front(place, tmp_path, "mailer.example")
    assert not front.judged_by_python(old, "mailer.example")
    assert front.judged_by_python(both, "mailer.example")
    assert (place / "authority.pem").read_bytes() == second.pem()
    assert modes(place)["mitmproxy-ca.pem"] == 0o600
    key = serialization.load_pem_private_key((place / "mitmproxy-ca.pem").read_bytes(), None)
    assert key.public_key() == second.certificate.public_key()


def test_a_rotation_to_other_hosts(place):
    create_authority(place, permitted=MAILER)
    assert rotate_authority(place, permitted=Permitted(("other.example",))).permitted == Permitted(("other.example",))


def refused(call, *arguments):
    with pytest.raises(StoreDown) as caught:
        call(*arguments)
    assert caught.value.posture is Posture.KEY_PROVIDER_DOWN
    return caught.value.why


def test_nothing_to_retire(place):
    create_authority(place)
    assert "egress ca rotate" in refused(retire_authority, place)


def foreign_key(place):
    other = place.parent / "other"
    create_authority(other)
    content = (other / "mitmproxy-ca.pem").read_bytes().partition(b"-----BEGIN CERTIFICATE")[0]
    (place / "mitmproxy-ca.pem").write_bytes(content + read_authority(place).pem())


def leaf_only(place):
    certificate, key = OtherAuthority(place.parent).issue("leaf", x509.DNSName("a.example"))
    (place / "mitmproxy-ca.pem").write_bytes(key.read_bytes() + certificate.read_bytes())


SPOILED = {
    "missing": (lambda place: (place / "mitmproxy-ca.pem").unlink(), "egress ca init"),
    "group reads": (lambda place: (place / "mitmproxy-ca.pem").chmod(0o640), "chmod"),
    "others read": (lambda place: (place / "mitmproxy-ca.pem").chmod(0o604), "chmod"),
    "others write the directory": (lambda place: place.chmod(0o777), "chmod"),
    "empty": (lambda place: (place / "mitmproxy-ca.pem").write_bytes(b""), "damaged"),
    "no key": (lambda place: (place / "mitmproxy-ca.pem").write_bytes(read_authority(place).pem()), "damaged"),
    "no certificate": (
        lambda place: (place / "mitmproxy-ca.pem").write_bytes(
            (place / "mitmproxy-ca.pem").read_bytes().partition(b"-----BEGIN CERTIFICATE")[0]
        ),
        "damaged",
    ),
    "key of another": (foreign_key, "does not belong"),
    "no authority": (leaf_only, "not one of an authority"),
}


@pytest.mark.parametrize(("spoil", "said"), SPOILED.values(), ids=SPOILED)
def test_what_cannot_be_used(place, spoil, said):
    create_authority(place)
    spoil(place)
    assert said in refused(load_authority, place)


def test_where_others_could_replace_it_none_is_made(place):
    place.mkdir()
    place.chmod(0o770)
    assert "chmod" in refused(create_authority, place)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("moment", "left", "warned", "said"),
    [
        (NOW, 60, False, ""),
        (NOW + 30 * DAY, 30, False, ""),
        (NOW + 31 * DAY, 29, True, ""),
        (NOW + 60 * DAY, 0, True, ""),
        (NOW + 60 * DAY + dt.timedelta(seconds=1), -1, True, "has ended on"),
        (NOW - 2 * DAY, 62, False, "check the clock"),
    ],
)
def test_the_end_is_warned_of_and_kept(place, moment, left, warned, said):
    authority = create_authority(place, days=60, now=NOW)
    assert authority.days_left(moment) == left
    settings = Settings(
        listeners=(),
        state="state",
        egress=EgressSettings(ca=str(place), proxies=(ProxyListener(Listener("127.0.0.1", 0)),)),
    )
    if said:
        assert said in refused(check_authority, settings, "gateway.yaml", moment)
        assert said in refused(load_authority, place, moment)
    else:
        assert load_authority(place, moment).fingerprint == authority.fingerprint
        found = check_authority(settings, "gateway.yaml", moment)
        assert [(each.code, f" {left} days" in each.message) for each in found] == [("PG961", True)] * warned


def test_the_days_that_are_left_are_a_metric(place):
    def shown(*proxies):
        egress = EgressSettings(ca=str(place), proxies=proxies)
        metrics = days_left_metric(Settings(listeners=(), state="state", egress=egress))
        return [sample.value for each in metrics for sample in each.samples]

    port = ProxyListener(Listener("127.0.0.1", 0))
    assert shown(port) == []
    create_authority(place, days=5, now=NOW - 10 * DAY)
    assert shown(port) in ([-5], [-6])
    assert shown() == []
    assert days_left_metric(Settings(listeners=(), state="state")) == []


def test_one_that_has_ended_can_be_rotated(place):
    create_authority(place, days=1, now=NOW - 10 * DAY)
    assert "egress ca rotate" in refused(load_authority, place)
    rotate_authority(place)
    retire_authority(place)
    assert load_authority(place).days_left(NOW) >= 729


@pytest.mark.parametrize(
    ("pattern", "name", "covered"),
    [
        ("mailer.example", "mailer.example", True),
        ("api.mailer.example:8443", "api.mailer.example", True),
        ("*.mailer.example", "mailer.example", True),
        ("*.example", "example", False),
        ("notmailer.example", "notmailer.example", False),
        ("10.0.0.1:8443", "10.0.0.1", True),
        ("10.0.0.2", "10.0.0.2", False),
        ("[::1]:8443", "::1", True),
        ("[::2]", "::2", False),
    ],
)
def test_hosts_of_rules_and_what_covers_them(pattern, name, covered):
    assert host_name(pattern) == name
    permitted = Permitted(("mailer.example",), ("10.0.0.1/32", "::1/128"))
    assert permitted.covers(pattern) is covered
    assert permitted_hosts([pattern]).covers(pattern)


def test_no_constraint_holds_every_host():
    with pytest.raises(ValueError, match="every host"):
        permitted_hosts(["a.example", "*"])


def test_what_is_permitted_is_read_back(place):
    permitted = permitted_hosts(["*.b.example", "a.example:8443", "10.0.0.1", "[::1]:80"])
    assert permitted == Permitted(("a.example", "b.example"), ("10.0.0.1/32", "::1/128"))
    create_authority(place, permitted=permitted)
    assert read_authority(place).permitted == permitted
