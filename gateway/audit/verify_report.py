"""What the verifier says, and the exit code that says it to programs."""

from enum import IntEnum

import msgspec


class Verdict(IntEnum):
    """The value is the exit code of `audit verify`."""

    VERIFIED = 0
    TAMPERED = 10
    ROLLED_BACK = 11
    FORK = 12
    INCOMPLETE = 13
    STALE = 14
    UNANCHORED = 15
    CANNOT = 20

    @property
    def words(self) -> str:
        return self.name.replace("_", " ")


WORST_FIRST = (
    Verdict.TAMPERED,
    Verdict.FORK,
    Verdict.ROLLED_BACK,
    Verdict.INCOMPLETE,
    Verdict.CANNOT,
    Verdict.STALE,
    Verdict.UNANCHORED,
    Verdict.VERIFIED,
)


def worst(verdicts: list[Verdict]) -> Verdict:
    """The one that a single exit code must not hide. Of nothing at all: CANNOT."""
    return min(verdicts, key=WORST_FIRST.index, default=Verdict.CANNOT)


class Finding(msgspec.Struct, frozen=True):
    """Something wrong: where, and between which good leaves. `line` counts from 1; -1 is unknown."""

    verdict: Verdict
    why: str
    segment: str = ""
    line: int = -1
    first_index: int = -1
    last_index: int = -1


class Broken(Exception):  # noqa: N818 - a verdict reached, not an error of the program
    """Reading a log stops here."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.why)
        self.finding = finding


class LogReport(msgspec.Struct):
    """One log. `size`, `root` and `checkpoint` are of the newest good checkpoint.

    `segments` counts the pruned ones too. `pins` are heads and receipts from outside that were compared,
    `heads` those of the anchor log beside it. `vkeys` are the keys that signed, oldest first, `vkey` the
    last of them, and `trusted_by` says for each who vouches for it.
    """

    slot: str
    origin: str = ""
    verdict: Verdict = Verdict.VERIFIED
    findings: list[Finding] = []
    size: int = 0
    root: str = ""
    checkpoint: str = ""
    leaves: int = 0
    checkpoints: int = 0
    segments: int = 0
    pruned: int = 0
    kinds: dict[str, int] = {}
    first_time: str = ""
    last_time: str = ""
    closed: bool = False
    live: bool = False
    ignored_bytes: int = 0
    pins: int = 0
    heads: int = 0
    vkey: str = ""
    vkeys: list[str] = []
    trusted_by: list[str] = []

    def add(self, finding: Finding) -> None:
        self.findings.append(finding)
        self.verdict = worst([self.verdict, finding.verdict])


class Report(msgspec.Struct):
    """All logs. `findings` holds what belongs to none of them; `trust` says whose word this rests on."""

    verdict: Verdict
    exit_code: int
    words: str
    trust: list[str]
    logs: list[LogReport]
    findings: list[Finding]
    kinds: dict[str, int]
