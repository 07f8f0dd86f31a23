"""Whom a client's certificate names. That a trusted authority issued it, TLS has verified before."""

from collections.abc import Mapping

from cryptography import x509
from cryptography.x509.oid import NameOID

from gateway.model.identity import CertificatePart, Identity, IdentitySource

_NAMES: Mapping[CertificatePart, type[x509.UniformResourceIdentifier | x509.RFC822Name | x509.DNSName]] = {
    CertificatePart.SAN_URI: x509.UniformResourceIdentifier,
    CertificatePart.SAN_EMAIL: x509.RFC822Name,
    CertificatePart.SAN_DNS: x509.DNSName,
}


def identity_of_certificate(encoded: bytes, part: CertificatePart) -> Identity | None:
    """The holder by that part of a certificate (DER).

    None where the certificate has no such part: it is a machine's, and another source may name the
    person. One that names several, or that cannot be read, is an identity without a name.
    """
    try:
        certificate = x509.load_der_x509_certificate(encoded)
        until = certificate.not_valid_after_utc.timestamp()
        names = _common_names(certificate) if part is CertificatePart.SUBJECT_CN else _alternatives(certificate, part)
    except (ValueError, x509.DuplicateExtension):
        return Identity(IdentitySource.CERTIFICATE, "", float("inf"))
    if not names:
        return None
    return Identity(IdentitySource.CERTIFICATE, names[0] if len(names) == 1 else "", until)


def _common_names(certificate: x509.Certificate) -> list[str]:
    values = [each.value for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return [value.decode("latin-1") if isinstance(value, bytes) else value for value in values]


def _alternatives(certificate: x509.Certificate, part: CertificatePart) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [str(name) for name in extension.value.get_values_for_type(_NAMES[part])]
