"""Reads what people are told before they decide."""

from gateway.policy import forms, schema
from gateway.policy.declarations import Declarations
from gateway.policy.policy import Notice
from gateway.policy.read_texts import read_period, read_text
from gateway.policy.reader import Reader
from gateway.policy.source import Node
from gateway.policy.texts import NO_TEXT

_FORM = "letters, digits, '.', '_' and '-', at most 64, such as '2026-11'"


def read_notice(reader: Reader, node: Node, into: Declarations) -> None:
    """The file key `notice:`; a policy has one."""
    if not into.claim(reader, "key", "notice", node):
        return
    keys = reader.keys(node, schema.NOTICE)
    version = reader.matching(keys["version"], forms.NAME, "a version", _FORM) if "version" in keys else None
    into.notice = Notice(
        version or "",
        read_text(reader, keys["text"], "'text'") if "text" in keys else NO_TEXT,
        read_period(reader, keys["valid"]) if "valid" in keys else None,
    )
