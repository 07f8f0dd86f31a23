"""What the certificate of an authority for interception says: who it is, how long, and for which hosts it may speak."""

import datetime as dt
import ipaddress
from collections.abc import Iterable

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.policy.policy import Policy

_SKEW = dt.timedelta(days=1)
"""How far the clocks of clients may be behind."""
_NOBODY = "invalid"
"""A name that no host has (RFC 6761, section 6.4)."""


class Permitted(msgspec.Struct, frozen=True):
    """For whom an authority may speak: `names` with all names below them, and addresses or networks (CIDR)."""

    names: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()

    @property
    def shown(self) -> list[str]:
        return [*self.names, *self.networks]

    def covers(self, host: str) -> bool:
        """Whether a host, a pattern of the rules with or without a port, is among them."""
        name = host_name(host)
        address = _address(name)
        if address is not None:
            return any(address in ipaddress.ip_network(network) for network in self.networks)
        return any(name == each or name.endswith(f".{each}") for each in self.names)


def host_name(pattern: str) -> str:
    """The name or address of a host pattern, without `*.` and port."""
    if pattern.startswith("["):
        return pattern[1:].partition("]")[0]
    return pattern.removeprefix("*.").partition(":")[0]


def permitted_hosts(hosts: Iterable[str]) -> Permitted:
    """What an authority for these host patterns has to be permitted.

    Raises:
        ValueError: one of them is `*`, which no constraint can hold.
    """
    names = list(map(host_name, hosts))
    if "*" in names:
        raise ValueError("'*' stands for every host, so that nothing would be held back")
    networks = {str(ipaddress.ip_network(address)) for name in names if (address := _address(name)) is not None}
    return Permitted(tuple(sorted({name for name in names if _address(name) is None})), tuple(sorted(networks)))


def hosts_of(policy: Policy) -> list[str]:
    """The host patterns of all recipients."""
    return sorted({host for recipient in policy.recipients.values() for host in recipient.hosts})


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def issue_authority(
    key: ec.EllipticCurvePrivateKey, owner: str, permitted: Permitted | None, days: int, now: dt.datetime
) -> x509.Certificate:
    """A certificate that signs itself, for servers only and no authorities below it; each has a name of its own.

    P-256 is what every client that speaks TLS 1.2 reads. The subject key identifier is there since X509_STRICT, which
    Python 3.13 asks for, wants it.
    """
    public = key.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, owner),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Privacy Gateway egress {identifier.digest.hex()[:8]}"),
        ]
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_SIGNS_ONLY, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
    )
    if permitted is not None:
        builder = builder.add_extension(_constraints(permitted), critical=True)
    return builder.sign(key, hashes.SHA256())


_SIGNS_ONLY = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _constraints(permitted: Permitted) -> x509.NameConstraints:
    # A kind of name that is not spoken of is free: where no address is permitted, all are excluded.
    found = [ipaddress.ip_network(network) for network in permitted.networks]
    networks = [x509.IPAddress(network) for network in found]
    # The common name of a host that is an address is that address, and OpenSSL takes it for a name.
    named = [str(network.network_address) for network in found if network.version == 4]
    names = [x509.DNSName(name) for name in (*permitted.names, *named) or (_NOBODY,)]
    everywhere = [x509.IPAddress(ipaddress.ip_network(each)) for each in ("0.0.0.0/0", "::/0")]
    return x509.NameConstraints([*names, *networks], None if networks else everywhere)


def permitted_by(certificate: x509.Certificate) -> Permitted | None:
    """For whom the certificate may speak; None: for everybody."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return None
    subtrees = found.permitted_subtrees or []
    names = [each.value for each in subtrees if isinstance(each, x509.DNSName)]
    return Permitted(
        tuple(name for name in names if name != _NOBODY and _address(name) is None),
        tuple(str(each.value) for each in subtrees if isinstance(each, x509.IPAddress)),
    )
