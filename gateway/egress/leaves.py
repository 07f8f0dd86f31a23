"""The certificates that clients see: one leaf for each host that they ask for, signed by the gateway's authority.

All leaves of one process share a key that is made when it starts and never written down. A leaf names its host
and nothing else, and ends after days, so that there is little to be had from one.
"""

import datetime as dt
import ipaddress
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from mitmproxy import certs
from mitmproxy.addons.tlsconfig import AppData, TlsConfig
from mitmproxy.proxy.context import Context
from mitmproxy.tls import TlsData

LEAVES_AT_MOST = 1000
"""Hosts whose leaves are kept; the one that was asked for least recently goes."""
VALID_DAYS = 7
_RENEWED = dt.timedelta(days=2)
_BACKDATED = dt.timedelta(days=1)
_LONGEST_COMMON_NAME = 64


class Leaves(TlsConfig):
    """mitmproxy's part that opens TLS towards clients, with leaves of our own making.

    The names of `mitmproxy.addons.tlsconfig` stay: `get_cert` is what `tls_start_client` calls.
    """

    def __init__(self, authority: x509.Certificate, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
        # The parent's hooks would make an authority of mitmproxy's own; none of them but tls_start_client is called.
        self.certstore: Any = SimpleNamespace(dhparams=None)
        self._authority = authority
        self._key = key
        self._own_key = ec.generate_private_key(ec.SECP256R1())
        self._leaves: OrderedDict[str, tuple[Any, dt.datetime]] = OrderedDict()

    @classmethod
    def of(cls, pem: Path) -> "Leaves":
        """The leaves of the authority whose key and certificate are in the file `pem`.

        Raises:
            OSError: it cannot be read.
            ValueError: it holds no key and certificate; `load_authority` has looked before.
        """
        raw = pem.read_bytes()
        key = load_pem_private_key(raw, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
        return cls(x509.load_pem_x509_certificate(raw), key)

    def __len__(self) -> int:
        return len(self._leaves)

    def tls_start_client(self, tls_start: TlsData) -> None:
        """Open TLS with the leaf of the host, in HTTP/2 with every client that offers it, however it orders its offers.

        mitmproxy would take what the client names first, and clients count on the server to choose (RFC 7301).
        """
        super().tls_start_client(tls_start)
        assert tls_start.ssl_conn is not None
        chosen = b"h2" if b"h2" in tls_start.context.client.alpn_offers else None
        tls_start.ssl_conn.set_app_data(AppData(client_alpn=chosen, server_alpn=None, http2=True))

    def get_cert(self, conn_context: Context) -> Any:
        """The leaf for the host that the tunnel, or the port, leads to: the client may ask for no other."""
        assert conn_context.server.address is not None
        return self.leaf(conn_context.server.address[0])

    def leaf(self, host: str) -> Any:
        """The leaf of a host, made where there is none that is valid for a while yet."""
        now = dt.datetime.now(dt.UTC)
        kept = self._leaves.get(host)
        if kept is not None and kept[1] > now:
            self._leaves.move_to_end(host)
            return kept[0]
        certificate = certs.Cert(self._signed(host, now))
        # The store's own class says RSA, but takes whatever key signs.
        entry = certs.CertStoreEntry(certificate, self._own_key, None, [])  # type: ignore[arg-type]
        self._leaves[host] = (entry, now + dt.timedelta(days=VALID_DAYS) - _RENEWED)
        if len(self._leaves) > LEAVES_AT_MOST:
            self._leaves.popitem(last=False)
        return entry

    def _signed(self, host: str, now: dt.datetime) -> x509.Certificate:
        authority = self._authority
        common = [x509.NameAttribute(NameOID.COMMON_NAME, host)] if len(host) <= _LONGEST_COMMON_NAME else []
        return (
            x509.CertificateBuilder()
            .issuer_name(authority.subject)
            .subject_name(x509.Name(common))
            .public_key(self._own_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(min(now + dt.timedelta(days=VALID_DAYS), authority.not_valid_after_utc))
            # RFC 5280 section 4.2.1.6: critical where the subject is empty.
            .add_extension(x509.SubjectAlternativeName([_alternative(host)]), critical=not common)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(_key_identifier(authority), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_identifier(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        own = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        key: Any = authority.public_key()
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
