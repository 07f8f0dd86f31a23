"""Rule files to a policy: read everything, check everything, and only then make it immutable.

The stages are `read` (text to drafts), `check_references` (what rules refer to exists), `lint` (what
they say can be meant) and the policy itself. No stage stops at its first finding.
"""

import hashlib
from collections.abc import Mapping
from datetime import date
from types import MappingProxyType

from gateway.model.errors import ConfigError, Diagnostic
from gateway.policy import schema
from gateway.policy.cookies import read_cookies
from gateway.policy.declarations import (
    Declarations,
    read_controller,
    read_default_postures,
    read_purposes,
)
from gateway.policy.destinations import read_egress
from gateway.policy.link import check_references, route_of
from gateway.policy.lint import lint
from gateway.policy.notices import read_notice
from gateway.policy.policy import Place, Policy
from gateway.policy.reader import Reader
from gateway.policy.recipients import read_recipients
from gateway.policy.report import Report
from gateway.policy.router import Router
from gateway.policy.routes import DraftRoute, read_route
from gateway.policy.signals import read_signals
from gateway.policy.source import Node, read_source

VERSION = "1"


def compile_policy(files: Mapping[str, str], *, today: str) -> tuple[Policy | None, list[Diagnostic]]:
    """Compile all rule files of one directory.

    Args:
        files: text of each file by its relative name (`*.yaml`, without `*.cases.yaml`).
        today: ISO date against which contracts are judged.

    Returns:
        The policy, None where a diagnostic is an error; and all diagnostics, sorted by place.
    """
    report = Report()
    known = Declarations()
    drafts = _read(files, known, report)
    check_references(drafts, known, report)
    lint(drafts, known, date.fromisoformat(today), report)
    if report.failed:
        return None, report.sorted()
    routes = tuple(route_of(draft, known, number) for number, draft in enumerate(drafts))
    policy = Policy(
        controller=MappingProxyType(known.controller),
        purposes=MappingProxyType(known.purposes),
        recipients=MappingProxyType(known.recipients),
        routes=routes,
        router=Router(routes),
        digest=digest_of(files),
        files=MappingProxyType(dict(files)),
        signals=known.signals,
        notice=known.notice,
        cookies=tuple(known.cookies),
        egress=known.egress,
    )
    return policy, report.sorted()


def load_policy(files: Mapping[str, str], *, today: str) -> Policy:
    """The policy of files that are known to be good; warnings are not reported.

    Raises:
        ConfigError: with every diagnostic, where one of them is an error.
    """
    policy, diagnostics = compile_policy(files, today=today)
    if policy is None:
        raise ConfigError(diagnostics)
    return policy


def digest_of(files: Mapping[str, str]) -> str:
    """16 hex digits of SHA-256 over name, NUL, length of the text in bytes, NUL and text of each file by name."""
    total = hashlib.sha256()
    for name in sorted(files):
        text = files[name].encode()
        total.update(b"%b\0%d\0%b" % (name.encode(), len(text), text))
    return total.hexdigest()[:16]


def _read(files: Mapping[str, str], known: Declarations, report: Report) -> list[DraftRoute]:
    reader = Reader(report)
    drafts: list[DraftRoute] = []
    for name in sorted(files):
        root = read_source(name, files[name], report)
        if root is not None:
            keys = reader.keys(root, schema.FILE)
            _read_declarations(reader, keys, known)
            written = reader.items(keys["routes"], "'routes'") if "routes" in keys else ()
            drafts.extend(draft for node in written if (draft := read_route(reader, node, known)))
    if not drafts and not report.failed:
        place = Place(min(files, default="rules"), 1, 1)
        report.add("PG112", place, "no file has a route, so every request would be refused", "add 'routes:'")
    return drafts


def _read_declarations(reader: Reader, keys: Mapping[str, Node], known: Declarations) -> None:
    if "version" in keys:
        _check_version(reader, keys["version"])
    for name, read in _DECLARATIONS.items():
        if name in keys:
            read(reader, keys[name], known)


_DECLARATIONS = {
    "controller": read_controller,
    "purposes": read_purposes,
    "recipients": read_recipients,
    "postures": read_default_postures,
    "cookies": read_cookies,
    "signals": read_signals,
    "notice": read_notice,
    "egress": read_egress,
}
"""What reads each key of a file beside its routes, in the order in which what is wrong is told."""


def _check_version(reader: Reader, node: Node) -> None:
    version = reader.scalar(node, "'version'")
    if version and not (version.plain and version.text == VERSION):
        reader.report.add("PG109", version, f"version '{version.text}' cannot be read", "write 'version: 1'")
