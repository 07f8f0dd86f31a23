"""Reads which signals of browsers count, and how."""

from gateway.policy import forms, schema
from gateway.policy.declarations import Declarations, read_date
from gateway.policy.policy import Carriers, Signals
from gateway.policy.reader import Reader
from gateway.policy.shape import Shape
from gateway.policy.source import Node


def read_signals(reader: Reader, node: Node, into: Declarations) -> None:
    """The file key `signals:`; a policy has one."""
    if not into.claim(reader, "key", "signals", node):
        return
    keys = reader.keys(node, schema.SIGNALS)
    dnt = reader.word(keys["dnt"], forms.DNT_WORDS, "meaning of DNT") if "dnt" in keys else None
    into.signals = Signals(
        gpc_updated=_gpc_updated(reader, keys["gpc"]) if "gpc" in keys else None,
        dnt=dnt == "objection",
        tcf=_carriers(reader, keys["tcf"], schema.TCF) if "tcf" in keys else None,
        gpp=_carriers(reader, keys["gpp"], schema.GPP) if "gpp" in keys else None,
    )


def _gpc_updated(reader: Reader, node: Node) -> str | None:
    keys = reader.keys(node, schema.GPC)
    return read_date(reader, keys["last_update"]) if "last_update" in keys else None


def _carriers(reader: Reader, node: Node, shape: Shape) -> Carriers:
    keys = reader.keys(node, shape)
    if keys.keys().isdisjoint(("cookie", "query")) and reader.entries(node, shape.noun) is not None:
        hint = "the cookie or the query parameter in which the string comes"
        reader.report.add("PG106", node, f"{shape.noun} needs 'cookie' or 'query'", hint)
    return Carriers(
        cookie=reader.text(keys["cookie"], "'cookie'") if "cookie" in keys else None,
        query=reader.text(keys["query"], "'query'") if "query" in keys else None,
        vendor=reader.whole(keys["vendor"], "'vendor'", forms.TCF_VENDORS) if "vendor" in keys else None,
    )
