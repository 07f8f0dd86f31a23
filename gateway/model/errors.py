"""Everything that can go wrong, split by whose it is: the rule files' or the run's."""

from enum import StrEnum

import msgspec

from gateway.model.words import Posture


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


class Diagnostic(msgspec.Struct, frozen=True, order=True):
    """A message about a rule file. `line` and `column` count from 1; sorted by place."""

    file: str
    line: int
    column: int
    code: str
    severity: Severity
    message: str
    hint: str = ""


class GatewayError(Exception):
    """Base of what the gateway raises on purpose. No message ever contains a value of a message."""


class ConfigError(GatewayError):
    """The rules or settings cannot be used; holds every diagnostic, sorted."""

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        super().__init__(f"{len(diagnostics)} problem(s) in the configuration")
        self.diagnostics = sorted(diagnostics)


class Unreadable(GatewayError):  # noqa: N818 - the word of the glossary
    """A document cannot be read without doubt. `why` is fixed text without any value."""

    def __init__(self, posture: Posture, why: str) -> None:
        super().__init__(f"{posture}: {why}")
        self.posture = posture
        self.why = why


class Source(StrEnum):
    """Who is to blame for a fault."""

    CLIENT = "client"
    UPSTREAM = "upstream"
    GATEWAY = "gateway"
    STORE = "store"


class Fault(GatewayError):  # noqa: N818 - the word of the glossary
    """A failure at run time.

    `code` is a posture or a word of `engine.refusals`; `why` is fixed text, safe to show.
    `close` says that the client's connection cannot be used any further.
    """

    def __init__(self, code: str, source: Source, why: str, *, close: bool = False) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code
        self.source = source
        self.why = why
        self.close = close


class StoreDown(GatewayError):  # noqa: N818 - the word of the glossary
    """A store (consent, keys, ledger) did not answer or could not write."""

    def __init__(self, posture: Posture, why: str) -> None:
        super().__init__(f"{posture}: {why}")
        self.posture = posture
        self.why = why
