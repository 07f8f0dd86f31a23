"""What a deployment says about itself: where to listen, what to trust, where state lives. Rules are not here.

`settings_file.py` reads them from gateway.yaml; `serve` without a file builds them from its options.
Everything is plain text and numbers, so that the supervisor can hand them to its workers as JSON.
"""

import re
import socket
from pathlib import Path

import msgspec

from gateway.audit.anchors import AnchorSettings
from gateway.model.limits import DEFAULT_LIMITS, Limits
from gateway.policy.policy import Policy
from gateway.runtime.listener import Listener, ListenerAddressError, Tls, parse_listener
from gateway.runtime.settings_egress import EgressSettings
from gateway.runtime.settings_identity import IdentitySettings
from gateway.runtime.settings_ledger import LedgerSettings
from gateway.runtime.settings_portal import PortalSettings

__all__ = [
    "DEFAULT_ADMIN",
    "DEFAULT_DEPLOYMENT",
    "DEFAULT_HEADS_SECONDS",
    "DEPLOYMENT",
    "FORWARDED_FIELDS",
    "FORWARDED_MODES",
    "LOG_LEVELS",
    "MAX_HEADS_SECONDS",
    "Forwarded",
    "Listener",
    "ListenerAddressError",
    "Settings",
    "Tls",
    "UpstreamTls",
    "parse_listener",
]

LOG_LEVELS = ("debug", "info", "warning", "error")
FORWARDED_MODES = ("off", "append")
FORWARDED_FIELDS = ("both", "forwarded", "x_forwarded")
DEFAULT_ADMIN = Listener("127.0.0.1", 9100)
DEFAULT_DEPLOYMENT = "privacy-gateway"
DEPLOYMENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
DEFAULT_HEADS_SECONDS = 60
MAX_HEADS_SECONDS = 3600

_NOT_IN_AN_ORIGIN = re.compile(r"[^A-Za-z0-9._-]")


class Forwarded(msgspec.Struct, frozen=True):
    """What becomes of Forwarded and X-Forwarded-*: `off` removes them all, `append` adds the peer.

    What peers outside `trusted` (CIDR networks) send is removed in both modes. `fields` says which of
    the two families is written; with `hide_client` it says that there is a client, but not which.
    """

    mode: str = "off"
    trusted: tuple[str, ...] = ()
    fields: str = "both"
    hide_client: bool = False


class UpstreamTls(msgspec.Struct, frozen=True):
    """Paths of PEM files towards one recipient: whom to believe, and who we are."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment. Exactly one of `rules` (a directory) and `upstream` (a URL, observed) is set.

    All paths are absolute, or relative to the working directory of `serve`. `anchors` keep the heads of
    all logs, which are written down every `heads_seconds`.
    """

    listeners: tuple[Listener, ...]
    state: str
    rules: str | None = None
    upstream: str | None = None
    admin: Listener = DEFAULT_ADMIN
    workers: int = 1
    deployment: str = DEFAULT_DEPLOYMENT
    forwarded: Forwarded = Forwarded()
    upstream_tls: dict[str, UpstreamTls] = {}
    ledger: LedgerSettings = LedgerSettings()
    identity: IdentitySettings = IdentitySettings()
    portal: PortalSettings | None = None
    egress: EgressSettings | None = None
    limits: Limits = DEFAULT_LIMITS
    log_level: str = "info"
    anchors: tuple[AnchorSettings, ...] = ()
    heads_seconds: int = DEFAULT_HEADS_SECONDS

    def origin(self, slot: str) -> str:
        """Name for the log of a slot that has none yet; one that exists keeps its name for ever."""
        host = _NOT_IN_AN_ORIGIN.sub("-", socket.gethostname()) or "localhost"
        return f"{self.deployment}/{host}/{slot}"

    def tls_by_url(self, policy: Policy) -> dict[str, UpstreamTls]:
        """TLS files by upstream URL, for the recipients that the policy declares."""
        return {
            recipient.upstream: self.upstream_tls[name]
            for name, recipient in policy.recipients.items()
            if recipient.upstream is not None and name in self.upstream_tls
        }

    def tls_of(self, recipient: str) -> UpstreamTls | None:
        """TLS files towards a recipient of the rules, whether ingress forwards to it or egress calls it."""
        return self.upstream_tls.get(recipient)

    def certificate_paths(self) -> list[Path]:
        """Files that are loaded again into the running listeners when they change."""
        return [Path(path) for each in self.listeners if each.tls for path in (each.tls.certificate, each.tls.key)]

    def authority_paths(self) -> list[Path]:
        """Files whose change asks for new workers: client CAs, keys for tokens, a logo, all towards upstreams.

        Of egress, the authority for interception and all secrets.
        """
        clients = [each.tls.client_ca for each in self.listeners if each.tls]
        upstreams = [path for each in self.upstream_tls.values() for path in (each.ca, each.certificate, each.key)]
        logo = self.portal.theme.logo if self.portal is not None else None
        egress = self.egress.paths() if self.egress is not None else []
        return [
            Path(path) for path in (*clients, *upstreams, *self.identity.paths(), logo, *egress) if path is not None
        ]
