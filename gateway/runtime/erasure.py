"""Destroying one person's key, in an order that survives a death between any two steps.

1. The key's digest goes to the erase list as `begun`.
2. An `erase` record goes to the operators' log.
3. The row goes, every copy of its bytes in the file is overwritten, and every worker forgets the handle.
   The links of the person's sessions, pseudonyms and legal requests go too; without the key they count for
   nothing already.
4. The erase list says `done`.

Whoever opens the subject store next, or erases again, goes on where the last one died. A key that was
erased and is there again came from an older copy of the file: nothing is answered from that.

Somebody whom an open legal request names is held: what an authority asks for by law is kept until it was given,
or the request was rejected (GDPR Art. 17(3)(b)).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from gateway.audit.operator_log import operator_records
from gateway.crypto.keyring import KeyRing
from gateway.model.errors import GatewayError
from gateway.model.words import Kind
from gateway.runtime.legal_requests import Register
from gateway.runtime.operators import AUDIT, operator_log
from gateway.stores.disclosures import REGISTER
from gateway.stores.erasures import ERASED, EraseList, one_at_a_time
from gateway.stores.pseudonyms import PSEUDONYMS, SqlitePseudonymStore
from gateway.stores.sessions import SESSIONS, SqliteSessionStore
from gateway.stores.subjects import SUBJECTS, SqliteSubjectStore, Subject


class Held(GatewayError):  # noqa: N818 - a state of the person's data, not an error of the program
    """A person is not erased: the legal `requests` (ids) that name them are open."""

    def __init__(self, requests: Sequence[str]) -> None:
        super().__init__(f"legal_hold: {', '.join(requests)}")
        self.requests = tuple(requests)


_CUT_SHORT = "whoever opened the store after an erasure that was cut short"


def open_subjects(state: Path, keys: KeyRing, *, busy_timeout: float = 1.0) -> SqliteSubjectStore:
    """Open the subject store of a state directory, after finishing what an erasure left undone.

    Raises:
        StoreDown: CONSENT_STORE_DOWN where it cannot be read, or holds a key that was erased (the text
            says how to go on); AUDIT_UNAVAILABLE where the operators' log cannot be read or written.
    """
    if EraseList.read(state / ERASED).begun:
        with one_at_a_time(state / ERASED):
            _complete(state, keys, _CUT_SHORT, busy_timeout)
    return SqliteSubjectStore(state / SUBJECTS, keys, erased=_erased(state), busy_timeout=busy_timeout)


def erase(
    state: Path,
    keys: KeyRing,
    identifier: str,
    *,
    by: str,
    despite_hold: str | None = None,
    busy_timeout: float = 1.0,
) -> Subject | None:
    """Destroy a person's key; gives what was kept of the person, None where there was nothing.

    `despite_hold` says why somebody whom an open legal request names is erased all the same; it is recorded.

    Raises:
        ValueError: the identifier names nobody.
        Held: an open legal request names the person, and nothing was given as `despite_hold`.
        StoreDown: as `open_subjects`; what was begun is finished by the next call, or the next start.
    """
    with one_at_a_time(state / ERASED):
        _complete(state, keys, _CUT_SHORT, busy_timeout)
        store = SqliteSubjectStore(state / SUBJECTS, keys, erased=_erased(state), busy_timeout=busy_timeout)
        try:
            subject = store.find(identifier)
        finally:
            store.close()
        if subject is not None:
            _hold(state, subject, by, despite_hold)
            EraseList.read(state / ERASED).begin([subject.digest])
            _complete(state, keys, by, busy_timeout)
    return subject


def erase_again(state: Path, keys: KeyRing, *, by: str, busy_timeout: float = 1.0) -> list[bytes]:
    """Destroy the keys that an older copy of the store brought back; gives their digests. Raises StoreDown."""
    with one_at_a_time(state / ERASED):
        _complete(state, keys, _CUT_SHORT, busy_timeout)
        store = SqliteSubjectStore(state / SUBJECTS, keys, busy_timeout=busy_timeout)
        try:
            back = store.holds(sorted(_erased(state)))
        finally:
            store.close()
        if back:
            EraseList.read(state / ERASED).begin(back)
            _record(state, back, by)
            _complete(state, keys, by, busy_timeout)
    return back


def _complete(state: Path, keys: KeyRing, by: str, busy_timeout: float) -> None:
    """Finish every erasure on the list that is not done. The caller holds its lock."""
    erasures = EraseList.read(state / ERASED)
    digests = sorted(erasures.begun)
    if not digests:
        return
    _record(state, [digest for digest in digests if digest not in _recorded(state)], by)
    store = SqliteSubjectStore(state / SUBJECTS, keys, busy_timeout=busy_timeout)
    try:
        store.erase(digests)
    finally:
        store.close()
    _forget_sessions(state, digests, busy_timeout)
    _forget_pseudonyms(state, keys, digests, busy_timeout)
    _forget_requests(state, digests)
    erasures.finish(digests)


def _forget_sessions(state: Path, digests: Sequence[bytes], busy_timeout: float) -> None:
    if not (state / SESSIONS).exists():
        return
    sessions = SqliteSessionStore(state / SESSIONS, busy_timeout=busy_timeout)
    try:
        sessions.forget(digests)
    finally:
        sessions.close()


def _forget_pseudonyms(state: Path, keys: KeyRing, digests: Sequence[bytes], busy_timeout: float) -> None:
    if not (state / PSEUDONYMS).exists():
        return
    pseudonyms = SqlitePseudonymStore(state / PSEUDONYMS, keys, busy_timeout=busy_timeout)
    try:
        pseudonyms.forget(digests)
    finally:
        pseudonyms.close()


def _hold(state: Path, subject: Subject, by: str, despite: str | None) -> None:
    if not (state / REGISTER).exists():
        return
    with Register(state) as register:
        held = [standing.filed.id for standing in register.naming(subject.digest) if standing.is_open]
        if held and despite is None:
            raise Held(held)
        for request in held:
            register.override_hold(request, by=by, because=str(despite))


def _forget_requests(state: Path, digests: Sequence[bytes]) -> None:
    if (state / REGISTER).exists():
        with Register(state) as register:
            register.forget(digests)


def _record(state: Path, digests: Iterable[bytes], by: str) -> None:
    records = [{"by": by, "key": digest.hex(), "kind": Kind.ERASE} for digest in digests]
    if records:
        operator_log(state).append(records)


def _recorded(state: Path) -> set[bytes]:
    return {bytes.fromhex(str(record["key"])) for _, record in operator_records(state / AUDIT, Kind.ERASE)}


def _erased(state: Path) -> set[bytes]:
    """Keys that are destroyed for good: by the list, and by the log where the list is an older copy too."""
    # The log first: of an erasure that is under way, the list then tells that it is.
    recorded = _recorded(state)
    erasures = EraseList.read(state / ERASED)
    return (erasures.done | recorded) - erasures.begun
