"""Pools to partners of outgoing calls: by recipient and URL, with the TLS files that the recipient has."""

from collections.abc import Mapping
from pathlib import Path
from ssl import SSLContext

import msgspec

from gateway.model.limits import Limits
from gateway.runtime.settings import Settings
from gateway.upstream.address import parse_upstream
from gateway.upstream.parent import Parent
from gateway.upstream.pool import UpstreamPool
from gateway.upstream.tls import UpstreamTls, upstream_ssl_context

POOLS_AT_MOST = 1024
"""Pools that are kept although nothing is open in them; where rules name hosts by pattern, applications choose them."""


class PartnerPools:
    """Two recipients never share a connection. `tls` holds the files of recipients by name; all are reached through
    `parent`, if there is one.

    Raises:
        ValueError: files of a recipient are missing or unusable; the text names the recipient.
    """

    def __init__(self, limits: Limits, tls: Mapping[str, UpstreamTls], parent: Parent | None = None) -> None:
        self._limits = limits
        self._parent = parent
        self._contexts = {recipient: _context(recipient, files) for recipient, files in tls.items()}
        self._pools: dict[tuple[str, str], UpstreamPool] = {}

    @classmethod
    def open(cls, settings: Settings, parent: Parent | None = None) -> "PartnerPools":
        """As the deployment says."""
        named = settings.upstream_tls.items()
        tls = {
            name: UpstreamTls(ca=_path(files.ca), certificate=_path(files.certificate), key=_path(files.key))
            for name, files in named
        }
        return cls(settings.limits, tls, parent)

    def of(self, url: str, recipient: str) -> UpstreamPool:
        """The pool of the server at `url`, made when it is first asked for.

        Raises:
            ValueError: as `parse_upstream`.
        """
        pool = self._pools.get((url, recipient))
        if pool is None:
            if len(self._pools) >= POOLS_AT_MOST:
                self._pools = {key: each for key, each in self._pools.items() if each.stats.open or each.stats.waiting}
            upstream = parse_upstream(url, context=self._trusted(recipient))
            pool = UpstreamPool(msgspec.structs.replace(upstream, parent=self._parent), self._limits)
            self._pools[url, recipient] = pool
        return pool

    def _trusted(self, recipient: str) -> SSLContext:
        """The context for this recipient; those without files of their own share one."""
        context = self._contexts.get(recipient)
        if context is None:
            context = self._contexts.get("")
            if context is None:
                context = self._contexts[""] = upstream_ssl_context(UpstreamTls())
        return context

    def abort(self) -> None:
        """Close everything at once; exchanges under way end with a fault."""
        for pool in self._pools.values():
            pool.abort()


def _context(recipient: str, files: UpstreamTls) -> SSLContext:
    try:
        return upstream_ssl_context(files)
    except ValueError as error:
        raise ValueError(f"upstream_tls of '{recipient}': {error}") from None


def _path(text: str | None) -> Path | None:
    return Path(text) if text is not None else None
