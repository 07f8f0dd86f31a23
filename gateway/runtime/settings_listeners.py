"""How listeners of gateway.yaml are read, whatever they are for: addresses, certificates, the number of workers."""

import ssl

from gateway.policy.source import Node, Scalar
from gateway.runtime.listener import Listener, ListenerAddressError, Tls, parse_listener
from gateway.runtime.settings_nodes import SettingsNodes

MAX_WORKERS = 256
CLIENT_CERTIFICATE = ("required", "optional")
"""Whether a listener with a `client_ca` takes clients without a certificate."""
TLS_KEYS = ("certificate", "key", "client_ca", "client_certificate")

_NO_PASSWORD = ""


class ListenerNodes(SettingsNodes):
    """What the readers of listeners share."""

    def _listener(self, scalar: Scalar | None, tls: Tls | None) -> Listener | None:
        if scalar is None:
            return None
        try:
            return parse_listener(scalar.text, base=self._base, tls=tls)
        except ListenerAddressError as problem:
            self._add("PG914", scalar, f"'{scalar.text}' is not an address to listen on", str(problem))
            return None

    def _tls(self, node: Node | None, known: tuple[str, ...] = TLS_KEYS) -> Tls | None:
        if node is None:
            return None
        keys = self._entries(node, known, ("certificate", "key"))
        certificate, key = self._pair(node, keys.get("certificate"), keys.get("key"))
        authority = self._authority(keys.get("client_ca"))
        asked = self._word(keys.get("client_certificate"), CLIENT_CERTIFICATE, "required")
        if "client_certificate" in keys and "client_ca" not in keys:
            hint = "add 'client_ca: FILE' with the authorities, or leave it out"
            self._add("PG941", keys["client_certificate"], "no authority is named for clients' certificates", hint)
        return Tls(certificate, key, authority, asked) if certificate is not None and key is not None else None

    def _pair(self, at: Node, certificate: Node | None, key: Node | None) -> tuple[str | None, str | None]:
        """Certificate and key as paths, once it is sure that they can be loaded together."""
        paths = self._file(certificate), self._file(key)
        if paths[0] is not None and paths[1] is not None:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(paths[0], paths[1], password=_NO_PASSWORD)
            except (ssl.SSLError, ValueError):
                hint = "both are PEM; the key has no password and belongs to the first certificate of the file"
                self._add("PG915", at, "certificate and key cannot be used together", hint)
        return paths

    def _admin(self, node: Node | None, default: Listener) -> Listener:
        scalar = self._text(node)
        listener = self._listener(scalar, None)
        if scalar is None or listener is None:
            return default
        if not listener.is_loopback:
            hint = "let it listen on 127.0.0.1, or keep others away with a firewall"
            self._add("PG918", scalar, "anyone who reaches this address can read health and counts", hint)
        return listener
