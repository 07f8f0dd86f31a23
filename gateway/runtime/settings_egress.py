"""The `egress:` section of gateway.yaml: where applications send from, who they are, and how partners are reached."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from gateway.model.errors import ConfigError, Diagnostic, Severity
from gateway.model.words import UnknownDestinations
from gateway.policy.destinations import destinations
from gateway.policy.policy import Policy
from gateway.runtime.listener import Listener
from gateway.runtime.settings_identity import IdentitySettings

if TYPE_CHECKING:
    from gateway.runtime.settings import Settings

Mode: TypeAlias = Literal["regular", "upstream", "reverse"]

DEFAULT_EGRESS_ADMIN = Listener("127.0.0.1", 9101)
AUTHORITY_DIRECTORY = "egress-ca"
"""The directory of the authority for interception below the state directory, unless `ca` names another one."""
AUTHORITY_FILE = "mitmproxy-ca.pem"
"""Key and certificate of that authority, as mitmproxy calls and reads them."""


class ProxyListener(msgspec.Struct, frozen=True):
    """A port that intercepts TLS.

    `regular`: clients name the partner in each request or CONNECT. `upstream`: the same, and partners are
    reached through the proxy `parent` (URL), with the credentials in the file `parent_secret`. `reverse`:
    clients take the port for the partner `to` (URL).
    """

    listener: Listener
    mode: Mode = "regular"
    parent: str | None = None
    to: str | None = None
    parent_secret: str | None = None


class RelayListener(msgspec.Struct, frozen=True):
    """A port for clients that can be pointed at a URL. `to` maps a path prefix, or a host, to the partner's URL.

    Prefixes begin with '/' and do not end in it, but for '/' itself; hosts are in lower case; URLs have no path.
    """

    listener: Listener
    to: dict[str, str]


class ApplicationSettings(msgspec.Struct, frozen=True):
    """What proves who sends: the file of a secret, the networks (CIDR) that it sends from, or either."""

    secret: str | None = None
    networks: tuple[str, ...] = ()


class EgressSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section. `ca` is the directory of the authority for interception."""

    proxies: tuple[ProxyListener, ...] = ()
    relays: tuple[RelayListener, ...] = ()
    applications: dict[str, ApplicationSettings] = {}
    ca: str
    admin: Listener = DEFAULT_EGRESS_ADMIN
    workers: int = 1

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """All ports, those of proxies first."""
        return (*(each.listener for each in self.proxies), *(each.listener for each in self.relays))

    def bound_to(self, listeners: tuple[Listener, ...]) -> "EgressSettings":
        """The same with the ports that were bound, in the order of `listeners`."""
        assert len(listeners) == len(self.proxies) + len(self.relays)
        bound = iter(listeners)
        return msgspec.structs.replace(
            self,
            proxies=tuple(msgspec.structs.replace(each, listener=next(bound)) for each in self.proxies),
            relays=tuple(msgspec.structs.replace(each, listener=next(bound)) for each in self.relays),
        )

    def targets(self) -> list[str]:
        """URLs of partners to which a port always leads."""
        return [
            *(each.to for each in self.proxies if each.to is not None),
            *(url for each in self.relays for url in each.to.values()),
        ]

    def paths(self) -> list[str]:
        """Files whose change asks for new workers."""
        secrets = [each.secret for each in self.applications.values()]
        parents = [each.parent_secret for each in self.proxies]
        authority = str(Path(self.ca) / AUTHORITY_FILE) if self.proxies else None
        return [path for path in (*secrets, *parents, authority) if path is not None]


def egress_view(settings: "Settings", file: str = "gateway.yaml") -> "Settings":
    """The settings as egress runs by them: its own ports, and none of what people at ingress have.

    Raises:
        ConfigError: there is no egress section in `file`.
    """
    egress = settings.egress
    if egress is None:
        hint = "add 'egress:' with a proxy or relay and the applications that send (docs/egress.md)"
        raise ConfigError([Diagnostic(file, 1, 1, "PG953", Severity.ERROR, "there is no section 'egress'", hint)])
    return msgspec.structs.replace(
        settings,
        listeners=egress.listeners,
        admin=egress.admin,
        workers=egress.workers,
        identity=IdentitySettings(),
        portal=None,
    )


def ingress_view(settings: "Settings", file: str = "gateway.yaml") -> "Settings":
    """The settings as `serve` runs by them: what is said of egress changes nothing in it.

    Raises:
        ConfigError: there is no listener in `file`.
    """
    if not settings.listeners:
        message, hint = "there is no listener for `serve`", "add 'listeners: [{address: 127.0.0.1:8080}]'"
        raise ConfigError([Diagnostic(file, 1, 1, "PG911", Severity.ERROR, message, hint)])
    return msgspec.structs.replace(settings, egress=None)


def check_targets(egress: EgressSettings, policy: Policy, file: str) -> list[Diagnostic]:
    """Partners to which a proxy or relay always leads, and whom no recipient of the rules is."""
    if policy.egress.unknown is UnknownDestinations.OBSERVE:
        return []
    owners = destinations(policy)
    hosts = {urlsplit(url).netloc for url in egress.targets() if owners.find(urlsplit(url).netloc) is None}
    hint = "declare who that is: 'NAME: {role: processor, hosts: [%s]}' under 'recipients' of the rules"
    message = "egress: a proxy or relay leads to '%s', a host of no recipient: all it is sent would be refused"
    return [Diagnostic(file, 1, 1, "PG960", Severity.ERROR, message % host, hint % host) for host in sorted(hosts)]
