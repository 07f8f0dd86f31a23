"""Reads which signals of browsers count, and how."""

from gateway.policy import schema
from gateway.policy.declarations import Declarations, read_date
from gateway.policy.policy import Signals
from gateway.policy.reader import Reader
from gateway.policy.source import Node


def read_signals(reader: Reader, node: Node, into: Declarations) -> None:
    """The file key `signals:`; a policy has one."""
    if not into.claim(reader, "key", "signals", node):
        return
    keys = reader.keys(node, schema.SIGNALS)
    into.signals = Signals(gpc_updated=_gpc_updated(reader, keys["gpc"]) if "gpc" in keys else None)


def _gpc_updated(reader: Reader, node: Node) -> str | None:
    keys = reader.keys(node, schema.GPC)
    return read_date(reader, keys["last_update"]) if "last_update" in keys else None
