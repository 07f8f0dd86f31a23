"""TLS towards upstreams: always verified, TLS 1.2 or newer, HTTP/1.1 only.

There is no switch that turns verification off: a gateway that hands personal data to whoever
answers is none. A private authority is named with `ca` and then is the only one trusted.
"""

import ssl
from pathlib import Path

import msgspec


class UpstreamTls(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files that shape TLS towards one upstream, all PEM.

    Without `ca` the system's authorities count. `certificate` with `key` (or both in one file) is
    what the gateway shows if the upstream asks for a client certificate. `server_name` replaces
    the URL's host in SNI and in the check of the certificate.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str = ""


def upstream_ssl_context(tls: UpstreamTls) -> ssl.SSLContext:
    """Build the context for connections to one upstream.

    Raises:
        ValueError: a file is missing or unusable, or `key` stands without `certificate`. The text
            names the file's role and never its content.
    """
    if tls.key is not None and tls.certificate is None:
        raise ValueError("a client key needs its client certificate")
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=tls.ca)
    except (OSError, ValueError) as error:
        raise ValueError("the file of trusted authorities cannot be used") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if tls.certificate is not None:
        try:
            # An empty password keeps OpenSSL from asking at the terminal for an encrypted key.
            context.load_cert_chain(tls.certificate, tls.key, password="")
        except (OSError, ValueError) as error:
            raise ValueError("the client certificate or its key cannot be used") from error
    return context
