"""What a deployment says about itself: where to listen, what to trust, where state lives. Rules are not here.

`settings_file.py` reads them from gateway.yaml; `serve` without a file builds them from its options.
Everything is plain text and numbers, so that the supervisor can hand them to its workers as JSON.
"""

import ipaddress
import re
import socket
from pathlib import Path

import msgspec

from gateway.audit.anchors import AnchorSettings
from gateway.model.limits import DEFAULT_LIMITS, Limits
from gateway.policy.policy import Policy
from gateway.runtime.settings_identity import IdentitySettings
from gateway.runtime.settings_ledger import LedgerSettings
from gateway.runtime.settings_portal import PortalSettings

LOG_LEVELS = ("debug", "info", "warning", "error")
FORWARDED_MODES = ("off", "append")
FORWARDED_FIELDS = ("both", "forwarded", "x_forwarded")
DEFAULT_DEPLOYMENT = "privacy-gateway"
DEPLOYMENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
MAX_WORKERS = 256
DEFAULT_HEADS_SECONDS = 60
MAX_HEADS_SECONDS = 3600

_TCP = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})")
_NOT_IN_AN_ORIGIN = re.compile(r"[^A-Za-z0-9._-]")
_UNIX_PATH_LIMIT = 107  # sockaddr_un.sun_path, less its final NUL


class ListenerAddressError(ValueError):
    """The text is no address to listen on; the message says what one looks like."""


class Tls(msgspec.Struct, frozen=True):
    """Paths of PEM files. With `client_ca`, clients present a certificate that it signed, or are turned away.

    `client_certificate` says whether one without any certificate is: `required`, `optional`.
    """

    certificate: str
    key: str
    client_ca: str | None = None
    client_certificate: str = "required"


class Listener(msgspec.Struct, frozen=True):
    """A TCP address, or the path of a unix socket (then `host` is empty).

    `descriptor`, if not negative, is an inherited socket that is bound to it and listens already:
    workers can share a TCP port by SO_REUSEPORT, but a unix socket only by inheriting it.
    """

    host: str
    port: int = 0
    path: str = ""
    tls: Tls | None = None
    descriptor: int = -1

    @property
    def address(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        if self.path or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


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
    admin: Listener = Listener("127.0.0.1", 9100)
    workers: int = 1
    deployment: str = DEFAULT_DEPLOYMENT
    forwarded: Forwarded = Forwarded()
    upstream_tls: dict[str, UpstreamTls] = {}
    ledger: LedgerSettings = LedgerSettings()
    identity: IdentitySettings = IdentitySettings()
    portal: PortalSettings | None = None
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

    def certificate_paths(self) -> list[Path]:
        """Files that are loaded again into the running listeners when they change."""
        return [Path(path) for each in self.listeners if each.tls for path in (each.tls.certificate, each.tls.key)]

    def authority_paths(self) -> list[Path]:
        """Files whose change asks for new workers: client CAs, keys for tokens, a logo, all towards upstreams."""
        clients = [each.tls.client_ca for each in self.listeners if each.tls]
        upstreams = [path for each in self.upstream_tls.values() for path in (each.ca, each.certificate, each.key)]
        logo = self.portal.theme.logo if self.portal is not None else None
        return [Path(path) for path in (*clients, *upstreams, *self.identity.paths(), logo) if path is not None]


def parse_listener(text: str, *, base: Path | None = None, tls: Tls | None = None) -> Listener:
    """Read `HOST:PORT`, `[IPV6]:PORT` or `unix:/path`; port 0 lets the system choose one.

    A relative socket path is taken from `base`.

    Raises:
        ListenerAddressError: it is none of these.
    """
    if text.startswith("unix:"):
        path = str(base / text[5:]) if base is not None else text[5:]
        if not text[5:] or len(path.encode()) > _UNIX_PATH_LIMIT or "\0" in path:
            raise ListenerAddressError(f"a socket path has 1 to {_UNIX_PATH_LIMIT} bytes")
        return Listener("", path=path, tls=tls)
    match = _TCP.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        raise ListenerAddressError("write HOST:PORT, [IPV6]:PORT or unix:/path")
    host = match["six"] or match["host"]
    if match["six"]:
        try:
            host = str(ipaddress.IPv6Address(host))
        except ValueError:
            raise ListenerAddressError("write an IPv6 address between the brackets") from None
    return Listener(host, int(match["port"]), tls=tls)
