"""What mitmproxy is held to: every option that decides what is read, what passes unread, and what is connected to.

mitmproxy's own add-ons would declare half of these with other defaults. None of them is loaded, so each stands here
with its value and its reason, and nothing can be set from outside: no file of options is read, no command line.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mitmproxy.options import Options

from gateway.model.limits import Limits


class Pinned(NamedTuple):
    """One option. `kind` is its type as mitmproxy declares it."""

    name: str
    kind: Any
    value: object
    why: str


_AEAD = ":".join(
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for key in ("ECDSA", "RSA")
)

PINNED: tuple[Pinned, ...] = (
    Pinned("server", bool, False, "the gateway listens; mitmproxy opens no port"),
    Pinned("rawtcp", bool, False, "what is no HTTP would be passed on unread"),
    Pinned("http3", bool, False, "QUIC is not intercepted, so none may be spoken"),
    Pinned("http2", bool, True, "clients of HTTP/2 are served"),
    Pinned("websocket", bool, False, "frames pass outside of the hooks of a request"),
    Pinned("stream_large_bodies", str | None, None, "what streams has left before the rules see it"),
    Pinned("store_streamed_bodies", bool, False, "nothing streams"),
    Pinned("validate_inbound_headers", bool, True, "heads that two parsers read differently are refused"),
    Pinned("normalize_outbound_headers", bool, True, "answers of HTTP/1.1 go to clients of HTTP/2 in its spelling"),
    Pinned("connection_strategy", str, "lazy", "eager ones connect to the partner before anything is decided"),
    Pinned("upstream_cert", bool, False, "a look at the partner's certificate is a connection to it"),
    Pinned("add_upstream_certs_to_client_chain", bool, False, "the same"),
    Pinned("ssl_insecure", bool, False, "nothing is connected to, and were it, it would be verified"),
    Pinned("keep_host_header", bool, True, "fields are remade by the gateway alone"),
    Pinned("ignore_hosts", Sequence[str], [], "a host in it would be tunnelled unread"),
    Pinned("allow_hosts", Sequence[str], [], "every host outside of it would be tunnelled unread"),
    Pinned("tcp_hosts", Sequence[str], [], "a host in it would be tunnelled unread"),
    Pinned("udp_hosts", Sequence[str], [], "the same"),
    Pinned("show_ignored_hosts", bool, False, "there are none"),
    Pinned("proxyauth", str | None, None, "applications are proven by the gateway"),
    Pinned("client_certs", str | None, None, "certificates for partners are the business of our own connections"),
    Pinned("certs", Sequence[str], [], "clients are shown leaves of the gateway's own authority alone"),
    Pinned("request_client_cert", bool, False, "applications are proven by the gateway"),
    Pinned("tls_version_client_min", str, "TLS1_2", "older versions are broken"),
    Pinned("tls_version_client_max", str, "UNBOUNDED", "the newest that both sides know"),
    Pinned("ciphers_client", str | None, _AEAD, "in TLS 1.2 only authenticated encryption with forward secrecy"),
    Pinned("tls_ecdh_curve_client", str | None, None, "OpenSSL chooses"),
    Pinned("onboarding", bool, False, "mitm.it is a host like any other"),
)


def pinned_options(limits: Limits, authority: Path) -> Options:
    """Mitmproxy's options: `PINNED`, the limits, and the directory of the authority."""
    options = Options()
    of_deployment = (
        Pinned("body_size_limit", str | None, str(limits.body), "a body that rules read is held whole"),
        Pinned("confdir", str, str(authority), "where no authority stands, none may be made"),
    )
    for pinned in (*PINNED, *of_deployment):
        if pinned.name in options:
            options.update(**{pinned.name: pinned.value})
        else:
            options.add_option(pinned.name, pinned.kind, pinned.value, pinned.why)
    return options
