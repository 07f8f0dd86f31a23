"""gateway.yaml to `Settings`, as strictly as rule files are read: all diagnostics at once, each with its place.

Relative paths are taken from the folder of the file.
"""

import re
from pathlib import Path

import msgspec

from gateway.model.errors import ConfigError, Diagnostic, Severity
from gateway.model.limits import DEFAULT_LIMITS, Limits
from gateway.policy.policy import Policy
from gateway.policy.report import Report, closest
from gateway.policy.source import Mapping, Node, Sequence, read_source
from gateway.runtime.settings import (
    DEFAULT_ADMIN,
    DEFAULT_HEADS_SECONDS,
    DEPLOYMENT,
    FORWARDED_FIELDS,
    FORWARDED_MODES,
    LOG_LEVELS,
    MAX_HEADS_SECONDS,
    Forwarded,
    Listener,
    Settings,
    UpstreamTls,
)
from gateway.runtime.settings_anchors import AnchorsReader
from gateway.runtime.settings_egress import check_targets
from gateway.runtime.settings_egress_reader import EgressReader
from gateway.runtime.settings_identity import IdentityReader
from gateway.runtime.settings_ledger import LEDGER_KEYS, LedgerSettings, read_ledger
from gateway.runtime.settings_listeners import MAX_WORKERS, ListenerNodes
from gateway.runtime.settings_portal import PortalReader

_KEYS = (
    "version",
    "deployment",
    "listeners",
    "admin",
    "workers",
    "rules",
    "state",
    "forwarded",
    "upstream_tls",
    "ledger",
    "identity",
    "portal",
    "egress",
    "limits",
    "log_level",
    "anchors",
    "heads_seconds",
)
_REQUIRED = ("version", "rules", "state")
_INTEGER = re.compile(r"[0-9]{1,15}")
_SIZE = re.compile(r"([0-9]{1,9}) ?(KiB|MiB|GiB)")
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?")
_UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def read_settings(file: str, text: str, base: Path) -> tuple[Settings | None, list[Diagnostic]]:
    """Check the text of a gateway.yaml; returns None for the settings where a diagnostic is an error."""
    report = Report()
    root = read_source(file, text, report)
    settings = _Reader(report, base).settings(root) if root is not None else None
    return (None if report.failed else settings), report.sorted()


def load_settings(path: Path) -> tuple[Settings, list[Diagnostic]]:
    """Read a gateway.yaml; returns the settings and their warnings.

    Raises:
        ConfigError: with every diagnostic.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError([_whole(path, f"cannot read the file: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([_whole(path, f"not UTF-8 at byte {error.start}")]) from None
    settings, diagnostics = read_settings(str(path), text, path.absolute().parent)
    if settings is None:
        raise ConfigError(diagnostics)
    return settings, diagnostics


def check_policy(settings: Settings, policy: Policy, file: str) -> list[Diagnostic]:
    """What settings (of `file`) and rules say that cannot hold together."""
    return [
        *check_recipients(settings, policy, file),
        *_check_identity(settings, policy),
        *_check_portal(settings, policy, file),
        *(check_targets(settings.egress, policy, file) if settings.egress is not None else ()),
    ]


def _check_identity(settings: Settings, policy: Policy) -> list[Diagnostic]:
    """Routes whose person a verified source is to name, where there is none."""
    found = _check_sessions(settings, policy)
    if settings.identity.any:
        return found
    message = "the route '{}' asks who the person is of verified sources, and none is configured"
    hint = "add 'identity:' to gateway.yaml, or name the person with 'subject: {field: ADDRESS}'"
    return found + [
        Diagnostic(place.file, place.line, place.column, "PG944", Severity.ERROR, message.format(route.name), hint)
        for route in policy.routes
        if (place := route.identified) is not None
    ]


def _check_portal(settings: Settings, policy: Policy, file: str) -> list[Diagnostic]:
    """Pages for people whom nothing can tell apart, and routes that the pages stand in front of."""
    portal = settings.portal
    if portal is None:
        return []
    found: list[Diagnostic] = []
    if not settings.identity.any:
        message = "portal: the pages cannot tell who reads them, since no source of identity is configured"
        hint = "add 'identity: {visitor: {days: 180}}', which knows browsers by a cookie of the gateway's own"
        found.append(Diagnostic(file, 1, 1, "PG951", Severity.ERROR, message, hint))
    for route in policy.routes:
        if policy.recipients[route.to].upstream is None:
            continue
        if route.path == portal.prefix or route.path.startswith(portal.prefix + "/"):
            message = f"the route '{route.name}' is never reached: the person's pages are at '{portal.prefix}'"
            hint = "give 'portal: {prefix: …}' in gateway.yaml another path"
            found.append(
                Diagnostic(
                    route.place.file, route.place.line, route.place.column, "PG952", Severity.ERROR, message, hint
                )
            )
    return found


def _check_sessions(settings: Settings, policy: Policy) -> list[Diagnostic]:
    """Routes that sign people in or out, where nobody said which cookie holds the session."""
    if settings.identity.session is not None:
        return []
    message = "the route '{}' is about the application's session, and gateway.yaml does not say which cookie holds it"
    hint = "add 'identity: {session: {cookie: NAME}}' to gateway.yaml"
    return [
        Diagnostic(place.file, place.line, place.column, "PG945", Severity.ERROR, message.format(route.name), hint)
        for route in policy.routes
        if (place := route.session_at) is not None
    ]


def check_recipients(settings: Settings, policy: Policy, file: str) -> list[Diagnostic]:
    """What `upstream_tls` says of recipients that the rules contradict; `file` is named in the diagnostics.

    Egress reaches recipients at their hosts, too.
    """
    found: list[Diagnostic] = []
    owners: dict[str, str] = {}
    for name, files in settings.upstream_tls.items():
        recipient = policy.recipients.get(name)
        url = recipient.upstream if recipient is not None else None
        if url is None or not url.startswith("https:"):
            if recipient is not None and recipient.hosts and settings.egress is not None:
                continue
            message = f"upstream_tls: no rule declares a recipient '{name}' with an https upstream"
            hint = closest(name, [each.name for each in policy.recipients.values() if each.upstream])
            found.append(Diagnostic(file, 1, 1, "PG920", Severity.ERROR, message, hint))
        elif settings.upstream_tls[owners.setdefault(url, name)] != files:
            message = f"upstream_tls: '{name}' and '{owners[url]}' share an upstream and differ in their files"
            found.append(Diagnostic(file, 1, 1, "PG921", Severity.ERROR, message, "give both the same files"))
    return found


def _whole(path: Path, message: str) -> Diagnostic:
    return Diagnostic(str(path), 1, 1, "PG915", Severity.ERROR, message)


class _Reader(ListenerNodes):
    """Reads nodes into settings; what is wrong goes to the report and a default takes its place."""

    def settings(self, root: Mapping) -> Settings:
        keys = self._entries(root, _KEYS, _REQUIRED)
        if "listeners" not in keys and "egress" not in keys:
            self._add("PG911", root, "the key 'listeners' is missing")
        self._version(keys.get("version"))
        state = self._path(keys.get("state")) or ""
        listeners = self._listeners(keys.get("listeners"))
        forwarded = self._forwarded(keys.get("forwarded"))
        admin = self._admin(keys.get("admin"), DEFAULT_ADMIN)
        return Settings(
            listeners=listeners,
            state=state,
            rules=self._path(keys.get("rules")),
            admin=admin,
            workers=self._whole(keys.get("workers"), 1, 1, MAX_WORKERS),
            deployment=self._deployment(keys.get("deployment")),
            forwarded=forwarded,
            upstream_tls=self._upstream_tls(keys.get("upstream_tls")),
            ledger=self._ledger(keys.get("ledger")),
            identity=IdentityReader(self._report, self._base).identity(
                keys.get("identity"),
                certificates=any(each.tls and each.tls.client_ca for each in listeners),
                forwarding=forwarded.trusted,
            ),
            portal=PortalReader(self._report, self._base).portal(keys["portal"]) if "portal" in keys else None,
            egress=EgressReader(self._report, self._base).egress(keys["egress"], state, (*listeners, admin))
            if "egress" in keys
            else None,
            limits=self._limits(keys.get("limits")),
            log_level=self._word(keys.get("log_level"), LOG_LEVELS, "info"),
            anchors=AnchorsReader(self._report, self._base).anchors(keys.get("anchors"), state),
            heads_seconds=self._whole(keys.get("heads_seconds"), DEFAULT_HEADS_SECONDS, 1, MAX_HEADS_SECONDS),
        )

    def _version(self, node: Node | None) -> None:
        scalar = self._text(node)
        if scalar is not None and scalar.text != "1":
            self._add("PG919", scalar, f"version '{scalar.text}' is not known", "write 'version: 1'")

    def _listeners(self, node: Node | None) -> tuple[Listener, ...]:
        found: dict[str, Listener] = {}
        for item in self._items(node):
            keys = self._entries(item, ("address", "tls"), ("address",))
            tls = self._tls(keys.get("tls"))
            address = self._text(keys.get("address"))
            listener = self._listener(address, tls)
            if address is None or listener is None:
                continue
            if listener.address in found and listener.port != 0:
                self._add("PG916", address, f"'{listener.address}' is listened on already")
            found[f"{listener.address}#{len(found)}" if listener.address in found else listener.address] = listener
        if isinstance(node, Sequence) and not node.items:
            self._add("PG911", node, "there is no listener", "write '- address: 127.0.0.1:8080'")
        return tuple(found.values())

    def _deployment(self, node: Node | None) -> str:
        scalar = self._text(node)
        if scalar is not None and not DEPLOYMENT.fullmatch(scalar.text):
            self._add("PG914", scalar, "a deployment is named with letters, digits, '.', '-' and '_', 64 at most")
        return scalar.text if scalar is not None else "privacy-gateway"

    def _forwarded(self, node: Node | None) -> Forwarded:
        keys = self._entries(node, ("mode", "trusted", "fields", "hide_client"))
        trusted = tuple(filter(None, (self._network(item) for item in self._items(keys.get("trusted")))))
        return Forwarded(
            mode=self._word(keys.get("mode"), FORWARDED_MODES, "off"),
            trusted=trusted,
            fields=self._word(keys.get("fields"), FORWARDED_FIELDS, "both"),
            hide_client=self._word(keys.get("hide_client"), ("true", "false"), "false") == "true",
        )

    def _upstream_tls(self, node: Node | None) -> dict[str, UpstreamTls]:
        entries = self._named(node, "a mapping from recipients to their TLS files is expected here")
        return {name.text: self._upstream(value) for name, value in entries}

    def _upstream(self, node: Node) -> UpstreamTls:
        keys = self._entries(node, ("ca", "certificate", "key"))
        if ("certificate" in keys) != ("key" in keys):
            self._add("PG911", node, "certificate and key come together")
        certificate, key = self._pair(node, keys.get("certificate"), keys.get("key"))
        return UpstreamTls(self._authority(keys.get("ca")), certificate, key)

    def _ledger(self, node: Node | None) -> LedgerSettings:
        entries = self._entries(node, LEDGER_KEYS).items()
        given = {name: scalar for name, value in entries if (scalar := self._text(value)) is not None}
        return read_ledger(given, self._base, self._add)

    def _limits(self, node: Node | None) -> Limits:
        names = tuple(Limits.__struct_fields__)
        given: dict[str, int | float] = {}
        for name, value in self._entries(node, names).items():
            scalar = self._text(value)
            if scalar is None or name not in names:
                continue
            number = _seconds(scalar.text) if isinstance(getattr(DEFAULT_LIMITS, name), float) else _size(scalar.text)
            if number:
                given[name] = number
            else:
                is_time = isinstance(getattr(DEFAULT_LIMITS, name), float)
                wanted = "seconds, above 0" if is_time else "a whole number above 0, as in 65536 or 64KiB"
                self._add("PG914", scalar, f"'{scalar.text}' cannot be the limit '{name}'", f"write {wanted}")
        return msgspec.structs.replace(DEFAULT_LIMITS, **given)


def _size(text: str) -> int | None:
    if _INTEGER.fullmatch(text):
        return int(text)
    match = _SIZE.fullmatch(text)
    return int(match[1]) * _UNITS[match[2]] if match else None


def _seconds(text: str) -> float | None:
    return float(text) if _SECONDS.fullmatch(text) else None
