"""Collects diagnostics while rule files are read, so that all of them arrive at once."""

from difflib import get_close_matches
from typing import Protocol

from gateway.model.errors import Diagnostic, Severity
from gateway.policy.codes import CODES


class Located(Protocol):
    """Anything that stands in a file: a node of the source or a `Place` of the policy."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


class Report:
    """`broken` is set once a file could not be read at all: then nobody can say what is missing."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []
        self.broken = False

    def add(
        self,
        code: str,
        at: Located,
        message: str,
        hint: str = "",
        *,
        offset: int = 0,
        severity: Severity | None = None,
    ) -> None:
        """Note one finding; `offset` moves its column to the right inside the text at that place."""
        chosen = severity or CODES[code].severity
        self.diagnostics.append(Diagnostic(at.file, at.line, at.column + offset, code, chosen, message, hint))

    @property
    def failed(self) -> bool:
        return any(finding.severity is Severity.ERROR for finding in self.diagnostics)

    def sorted(self) -> list[Diagnostic]:
        return sorted(set(self.diagnostics))


def closest(word: str, known: "tuple[str, ...] | list[str]") -> str:
    """A hint that names the known word most like `word`, or lists them where they are few."""
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    return "one of: " + ", ".join(known) if 0 < len(known) <= 16 else ""
