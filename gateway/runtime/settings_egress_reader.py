"""How the `egress:` section of gateway.yaml is read; what is wrong is noted, all of it at once."""

import ipaddress
import re
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from gateway.model.network import is_loopback
from gateway.policy.forms import NAME, UPSTREAM
from gateway.policy.pattern import PatternError, parse_host
from gateway.policy.report import Located
from gateway.policy.source import Mapping, Node, Scalar, Sequence
from gateway.runtime.listener import Listener, Tls
from gateway.runtime.settings_egress import (
    AUTHORITY_DIRECTORY,
    DEFAULT_EGRESS_ADMIN,
    ApplicationSettings,
    EgressSettings,
    Mode,
    ProxyListener,
    RelayListener,
)
from gateway.runtime.settings_listeners import MAX_WORKERS, ListenerNodes
from gateway.stores.secret_file import SecretError, read_credentials, read_secret

EGRESS_KEYS = ("admin", "workers", "proxy", "relay", "ca", "applications")
PROXY_KEYS = ("listen", "mode", "parent", "parent_secret", "to", "tls")
RELAY_KEYS = ("listen", "to", "tls")
APPLICATION_KEYS = ("secret", "from")
MODES = ("regular", "upstream", "reverse")

_NAME = re.compile(NAME)
_SEGMENT = r"/[A-Za-z0-9][A-Za-z0-9._~-]*"
_PREFIX = re.compile(rf"/|(?:{_SEGMENT})+/?")
_ORIGIN = re.compile(UPSTREAM)
_OWN_PORTS = {"https": ":443", "http": ":80"}


class EgressReader(ListenerNodes):
    """Reads the section."""

    def egress(self, node: Node, state: str, taken: tuple[Listener, ...]) -> EgressSettings:
        """What it says; `taken` are the addresses that the rest of the file listens on."""
        keys = self._entries(node, EGRESS_KEYS, ("applications",))
        self._addresses = {each.address for each in taken if each.path or each.port}
        admin = self._admin(keys.get("admin"), DEFAULT_EGRESS_ADMIN)
        self._claim(admin, keys.get("admin", node))
        proxies = tuple(filter(None, (self._proxy(item) for item in self._items(keys.get("proxy")))))
        relays = tuple(filter(None, (self._relay(item) for item in self._items(keys.get("relay")))))
        if isinstance(node, Mapping) and not self._any(keys.get("proxy")) and not self._any(keys.get("relay")):
            hint = "write 'proxy: [{listen: 127.0.0.1:8081}]', or 'relay:' for applications that can be given a URL"
            self._add("PG953", node, "egress has neither a proxy nor a relay", hint)
        return EgressSettings(
            admin=admin,
            workers=self._whole(keys.get("workers"), 1, 1, MAX_WORKERS),
            proxies=proxies,
            relays=relays,
            ca=self._path(keys.get("ca")) or str(Path(state) / AUTHORITY_DIRECTORY),
            applications=self._applications(keys["applications"]) if "applications" in keys else {},
        )

    def _any(self, node: Node | None) -> bool:
        # What is no list is spoken of already.
        return node is not None and not (isinstance(node, Sequence) and not node.items)

    def _claim(self, listener: Listener, at: Located) -> None:
        if listener.address in self._addresses:
            self._add("PG916", at, f"'{listener.address}' is listened on already", "give each listener its own address")
        if listener.path or listener.port:
            self._addresses.add(listener.address)

    def _port(self, keys: dict[str, Node], *, secrets: str) -> Listener | None:
        """Where to listen; `secrets` says what travels in the clear to a listener without TLS, if anything does."""
        node = keys.get("listen")
        tls: Tls | None = self._tls(keys.get("tls"), ("certificate", "key"))
        listener = self._listener(self._text(node), tls)
        if listener is None or node is None:
            return None
        self._claim(listener, node)
        if secrets and not listener.is_loopback and "tls" not in keys:
            hint = "add 'tls: {certificate: FILE, key: FILE}', or listen on 127.0.0.1"
            self._add("PG959", node, f"{secrets} in the clear to '{listener.address}'", hint)
        return listener

    def _proxy(self, item: Node) -> ProxyListener | None:
        keys = self._entries(item, PROXY_KEYS, ("listen",))
        mode = cast("Mode", self._word(keys.get("mode"), MODES, "regular"))
        # Clients of a reverse proxy speak TLS to it as they would to the partner.
        secrets = "" if mode == "reverse" else "secrets of applications travel"
        listener = self._port(keys, secrets=secrets)
        if listener is not None and listener.path:
            self._add("PG914", keys["listen"], "a proxy listens on HOST:PORT", "a relay can listen on a unix socket")
        for key, owner in (("parent", "upstream"), ("to", "reverse")):
            if mode == owner and key not in keys:
                self._add("PG954", item, f"a proxy of mode '{mode}' needs '{key}'", f"write '{key}: URL'")
            elif mode != owner and key in keys:
                hint = f"leave it out, or write 'mode: {owner}'"
                self._add("PG954", keys[key], f"'{key}' is for a proxy of mode '{owner}'", hint)
        parent = self._origin(keys.get("parent"), partner=False)
        secret = self._parent_secret(keys, parent)
        to = self._origin(keys.get("to"), partner=True)
        return ProxyListener(listener, mode, parent, to, secret) if listener is not None else None

    def _parent_secret(self, keys: dict[str, Node], parent: str | None) -> str | None:
        node = keys.get("parent_secret")
        path = self._path(node)
        if node is None or path is None:
            return None
        if "parent" not in keys:
            self._add("PG954", node, "'parent_secret' is for a proxy with a 'parent'", "leave it out")
        self._secret(node, path, credentials=True)
        if parent is not None and parent.startswith("http:") and not is_loopback(urlsplit(parent).hostname or ""):
            hint = "use the https port of that proxy, if it has one"
            self._add("PG959", node, "the credentials for the parent travel in the clear", hint)
        return path

    def _secret(self, node: Node, path: str, *, credentials: bool = False) -> str | None:
        """The secret in a file that only the gateway can read."""
        try:
            return read_credentials(Path(path)) if credentials else read_secret(Path(path))
        except SecretError as problem:
            self._add("PG955", node, str(problem), problem.hint)
        except OSError as problem:
            self._add("PG915", node, f"cannot read this file: {problem.strerror}")
        return None

    def _relay(self, item: Node) -> RelayListener | None:
        keys = self._entries(item, RELAY_KEYS, ("listen", "to"))
        listener = self._port(keys, secrets="secrets of applications, and what they send, travel")
        entries = self._named(keys.get("to"), "a mapping from path prefixes or hosts to partners is expected here")
        to: dict[str, str] = {}
        for name, value in entries:
            origin = self._origin(value, partner=True)
            where = self._where(name)
            if where is not None and where in to:
                self._add(
                    "PG957", name, f"'{where}' has a partner already", "give each partner a prefix or host of its own"
                )
            if where is not None and origin is not None:
                to[where] = origin
        if isinstance(keys.get("to"), Mapping) and not entries:
            hint = "write 'to: {/mailer: \"https://api.mailer.example\"}'"
            self._add("PG957", keys["to"], "this relay leads to nobody", hint)
        return RelayListener(listener, to) if listener is not None else None

    def _where(self, name: Scalar) -> str | None:
        """A path prefix, or a host, in the one way in which it is written."""
        text = name.text
        if text.startswith("/"):
            if not _PREFIX.fullmatch(text):
                hint = (
                    "segments of letters, digits, '.', '_', '~', '-' that begin with none of the marks, as in '/mailer'"
                )
                self._add("PG957", name, f"'{text}' cannot be the prefix of paths", hint)
                return None
            return text.rstrip("/") or "/"
        try:
            host = parse_host(text)
        except PatternError as problem:
            self._add(
                "PG957", name, f"'{text}' is neither a path prefix nor a host", problem.hint or "begin paths with '/'"
            )
            return None
        if "*" in host:
            self._add("PG957", name, f"'{text}' is no host of its own", "write each host that leads to a partner")
            return None
        return host

    def _origin(self, node: Node | None, *, partner: bool) -> str | None:
        """A URL of scheme, host and port, with the port only where it is not the scheme's own."""
        scalar = self._text(node)
        if scalar is None:
            return None
        if "@" in scalar.text:
            hint = "" if partner else "write NAME:PASSWORD into a file, and 'parent_secret: FILE'"
            self._add("PG914", scalar, "credentials do not belong in a URL of gateway.yaml", hint)
            return None
        origin = _read_origin(scalar.text)
        if origin is None:
            message = f"'{scalar.text}' is no URL of a {'partner' if partner else 'proxy'}"
            self._add("PG914", scalar, message, "write https://HOST[:PORT], without a path")
            return None
        if partner and origin.startswith("http:") and not is_loopback(urlsplit(origin).hostname or ""):
            hint = "write https://…; http is for a partner on this machine only"
            self._add("PG958", scalar, "what is sent to this partner would travel in the clear", hint)
        return origin

    def _applications(self, node: Node) -> dict[str, ApplicationSettings]:
        found: dict[str, ApplicationSettings] = {}
        known: dict[str, str] = {}
        entries = self._named(node, "a mapping from the names of applications to what proves them is expected here")
        for name, value in entries:
            if not _NAME.fullmatch(name.text):
                hint = "letters, digits, '.', '_' and '-', 64 at most"
                self._add("PG914", name, f"'{name.text}' cannot be the name of an application", hint)
            keys = self._entries(value, APPLICATION_KEYS)
            networks = self._networks(keys.get("from"), found)
            path = self._path(keys.get("secret"))
            secret = self._secret(keys["secret"], path) if path is not None else None
            if secret is not None and known.setdefault(secret, name.text) != name.text:
                message = f"'{name.text}' and '{known[secret]}' have one secret, so that each can pass for the other"
                self._add("PG956", keys["secret"], message, "give each application a secret of its own")
            if isinstance(value, Mapping) and not self._any(keys.get("from")) and "secret" not in keys:
                hint = "write 'secret: FILE', or 'from: [10.1.0.0/16]', or both"
                self._add("PG956", name, f"the application '{name.text}' has nothing to prove itself by", hint)
            found[name.text] = ApplicationSettings(path, networks)
        if isinstance(node, Mapping) and not entries:
            hint = "write 'applications: {shop: {secret: FILE}}'"
            self._add("PG953", node, "egress has no application that may send", hint)
        return found

    def _networks(self, node: Node | None, others: dict[str, ApplicationSettings]) -> tuple[str, ...]:
        networks: list[str] = []
        for item in self._items(node):
            network = self._network(item)
            if not network:
                continue
            if network.endswith("/0"):
                hint = "list the networks of this one application"
                self._add("PG956", item, "from a network that holds every address, everybody is this application", hint)
                continue
            owner = next((name for name, each in others.items() if _overlaps(network, each.networks)), None)
            if owner is not None:
                message = f"addresses of '{network}' belong to '{owner}' already"
                self._add("PG956", item, message, "give each application networks of its own, or a secret")
            networks.append(network)
        return tuple(networks)


def _overlaps(network: str, others: tuple[str, ...]) -> bool:
    mine = ipaddress.ip_network(network)
    return any(mine.version == other.version and mine.overlaps(other) for other in map(ipaddress.ip_network, others))


def _read_origin(text: str) -> str | None:
    try:
        # What this form lets through, urlsplit does not tidy up in silence.
        url = urlsplit(text if _ORIGIN.fullmatch(text) else "")
        host = parse_host(url.netloc)
        usable = bool(url.hostname) and "*" not in host and url.port != 0
    except (ValueError, PatternError):
        return None
    if not usable:
        return None
    return f"{url.scheme}://{host.removesuffix(_OWN_PORTS[url.scheme])}"
