"""Whose word a verification rests on: the keys of a log, the trust file, and rotation between keys.

A log may have had several keys. Each but the first is introduced by a `rotate` record under the one
before it, so who trusts a key trusts those after it; and what stands before it is part of the tree that
it signs, so it is vouched for as well. A log is trusted if any key that has signed in it is.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from gateway.audit.verify_note import Malformed, VerifierKey, verifier_key
from gateway.audit.verify_report import Broken, Finding, LogReport, Verdict

OWN_DIRECTORY = "the log's own directory: not independent"
TRUST_FILE = "the trust file"
ROTATED = "introduced by a key before it"
VOUCHED = "vouched for by a key after it"

Trust = Mapping[str, VerifierKey]


def read_trust(text: str) -> list[VerifierKey]:
    """Verifier keys, one to a line; empty lines and lines that begin with # are skipped.

    Raises:
        Malformed: a line is no verifier key, or there is none at all.
    """
    lines = (line.strip() for line in text.splitlines())
    keys = [VerifierKey(line) for line in lines if line and not line.startswith("#")]
    if not keys:
        raise Malformed("no verifier key")
    return keys


class LogKeys:
    """The keys that one log may be signed with, before it is read."""

    def __init__(self, slot: Path, trust: Trust | None) -> None:
        self._path = slot / "log.vkey"
        self._trust = trust
        self.own = _own_keys(self._path)
        if trust is None and not self.own:
            raise Broken(Finding(Verdict.CANNOT, "there is no log.vkey, and no trust file was given"))

    @property
    def known(self) -> frozenset[str]:
        """Keys whose names were heard of outside the log's records."""
        return frozenset(self.own) | frozenset(self._trust or ())

    def all(self) -> list[VerifierKey]:
        return [verifier_key(text) for text in sorted({*self.own, *(self._trust or ())})]

    def judge(self, log: LogReport, signers: list[str], introduced: Iterable[str], *, whole: bool) -> None:
        """Enter in the report the keys that signed and who vouches for each.

        `introduced` are those that a `rotate` record named; `whole`: the log was read to its end.

        Raises:
            Broken: no key that signed is trusted, or log.vkey is not the list of the log's keys.
        """
        log.vkeys = list(signers)
        log.vkey = signers[-1] if signers else (self.own[0] if self.own else "")
        words = self._trust if self._trust is not None else self.own
        named = set(introduced)
        # Only a `rotate` record that can be read hands trust on: behind a pruned one it begins anew.
        start = max((n for n, text in enumerate(signers) if n == 0 or text not in named), default=0)
        first = next((n for n in range(start, len(signers)) if signers[n] in words), None)
        if signers and first is None:
            log.trusted_by = ["nobody"] * len(signers)
            raise Broken(Finding(Verdict.TAMPERED, "the log is signed with a key that is not trusted"))
        by = OWN_DIRECTORY if self._trust is None else TRUST_FILE
        log.trusted_by = [
            by if text in words else VOUCHED if first is not None and n < first else ROTATED
            for n, text in enumerate(signers)
        ]
        if whole:
            self._compare(log, signers, named)

    def _compare(self, log: LogReport, signers: list[str], introduced: set[str]) -> None:
        """Compare with log.vkey, which holds the keys of the log, the oldest first.

        It may lack or be ahead by the newest one, if the writer died while it changed keys, and holds
        more than can be read where segments were pruned.
        """
        if not self.own:
            return
        chain = signers + [key for key in introduced if key not in signers]
        lacking = [key for key in chain if key not in self.own]
        more = [key for key in self.own if key not in chain]
        in_order = [key for key in self.own if key in chain] == [key for key in chain if key in self.own]
        if not in_order or lacking not in ([], chain[-1:]) or not (more in ([], self.own[-1:]) or log.pruned):
            why = "log.vkey does not hold the keys of the log, the oldest first"
            raise Broken(Finding(Verdict.TAMPERED, why, self._path.name))


def _own_keys(path: Path) -> list[str]:
    """The lines of log.vkey, none where there is no such file."""
    if not path.exists():
        return []
    not_a_list = Finding(Verdict.TAMPERED, "log.vkey is not a list of verifier keys", path.name)
    try:
        lines = path.read_bytes().decode().split("\n")
        keys = [verifier_key(line).text for line in lines[:-1]]
    except (Malformed, UnicodeDecodeError):
        raise Broken(not_a_list) from None
    if lines[-1] or not keys or len(set(keys)) != len(keys):
        raise Broken(not_a_list)
    return keys
