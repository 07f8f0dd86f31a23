"""How values of gateway.yaml are taken from its nodes; what is wrong goes to the report, and a default is used."""

import ipaddress
import re
import ssl
from pathlib import Path

from gateway.policy.report import Located, Report, closest
from gateway.policy.source import Mapping, Node, Refused, Scalar, Sequence
from gateway.runtime.codes import CODES

_INTEGER = re.compile(r"[0-9]{1,15}")


class SettingsNodes:
    """What the readers of all sections share. Relative paths are taken from `base`."""

    def __init__(self, report: Report, base: Path) -> None:
        self._report = report
        self._base = base

    def _add(self, code: str, at: Located, message: str, hint: str = "") -> None:
        self._report.add(code, at, message, hint, severity=CODES[code].severity)

    def _entries(self, node: Node | None, known: tuple[str, ...], required: tuple[str, ...] = ()) -> dict[str, Node]:
        if node is None or isinstance(node, Refused):
            return {}
        if not isinstance(node, Mapping):
            self._add("PG912", node, "a mapping is expected here", "keys: " + ", ".join(known))
            return {}
        found = {key.text: value for key, value in node.entries}
        for key, _ in node.entries:
            if key.text not in known:
                self._add("PG910", key, f"there is no key '{key.text}' here", closest(key.text, known))
        for name in required:
            if name not in found:
                self._add("PG911", node, f"the key '{name}' is missing")
        return found

    def _text(self, node: Node | None) -> Scalar | None:
        if node is None or isinstance(node, Refused):
            return None
        if not isinstance(node, Scalar):
            self._add("PG912", node, "a single value is expected here")
            return None
        if node.is_null or not node.text:
            self._add("PG914", node, "the value is empty", "leave the key out to get its default")
            return None
        return node

    def _named(self, node: Node | None, message: str) -> list[tuple[Scalar, Node]]:
        """The entries of a mapping whose keys are names that operators choose."""
        if node is None or isinstance(node, Refused):
            return []
        if not isinstance(node, Mapping):
            self._add("PG912", node, message)
            return []
        return node.entries

    def _items(self, node: Node | None) -> list[Node]:
        if node is None or isinstance(node, Refused):
            return []
        if not isinstance(node, Sequence):
            self._add("PG912", node, "a list is expected here")
            return []
        return node.items

    def _word(self, node: Node | None, allowed: tuple[str, ...], default: str) -> str:
        scalar = self._text(node)
        if scalar is None:
            return default
        if scalar.text not in allowed:
            self._add("PG913", scalar, f"'{scalar.text}' is not allowed here", closest(scalar.text, allowed))
            return default
        return scalar.text

    def _whole(self, node: Node | None, default: int, least: int, most: int) -> int:
        scalar = self._text(node)
        if scalar is None:
            return default
        if not _INTEGER.fullmatch(scalar.text) or not least <= int(scalar.text) <= most:
            self._add("PG914", scalar, f"a whole number from {least} to {most} is expected here")
            return default
        return int(scalar.text)

    def _path(self, node: Node | None) -> str | None:
        scalar = self._text(node)
        return str(self._base / scalar.text) if scalar is not None else None

    def _file(self, node: Node | None) -> str | None:
        """The path of a file that can be read now."""
        path = self._path(node)
        if path is None or node is None:
            return None
        try:
            with Path(path).open("rb"):
                return path
        except OSError as error:
            self._add("PG915", node, f"cannot read this file: {error.strerror}")
            return None

    def _network(self, node: Node) -> str:
        """A network in CIDR form, empty where it is none."""
        scalar = self._text(node)
        if scalar is None:
            return ""
        try:
            return str(ipaddress.ip_network(scalar.text))
        except ValueError:
            hint = "write it like 10.0.0.0/8, with no bits set behind the prefix"
            self._add("PG914", scalar, f"'{scalar.text}' is not a network", hint)
            return ""

    def _authority(self, node: Node | None) -> str | None:
        path = self._file(node)
        if path is not None and node is not None:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
            except ssl.SSLError:
                self._add("PG915", node, "no certificate authority can be read from this file", "write it as PEM")
        return path
