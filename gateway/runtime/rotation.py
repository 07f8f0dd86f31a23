"""A new signing key for a log, so that a crash between any two steps leaves a log that can go on.

Both keys are kept until the `rotate` record is durable: the new one waits beside the old one, then the
log names it, then `log.vkey` lists it, then it takes the old one's place. Whoever opens the log in
between finds out from the log which of the two is in force.
"""

import os
from pathlib import Path

import msgspec

from gateway import __version__
from gateway.audit.commit import GroupWriter
from gateway.audit.recovery import KEY_FILE, publish_key, refuse
from gateway.audit.slot import open_slot, second_of
from gateway.audit.terms import Terms
from gateway.crypto.sign import SigningKey
from gateway.model.limits import MIB
from gateway.runtime.settings_ledger import LedgerSettings
from gateway.stores.keyfile import adopt_next_signing_key, load_signing_key, next_signing_key


def rotate_key(state: Path, slot: str, settings: LedgerSettings) -> str:
    """Replace the key of a slot that nobody writes; returns the new verifier key.

    Where an earlier call was cut off after its record was durable, that rotation comes to its end and
    no further one begins.

    Raises:
        StoreDown: the slot is in use, has no log, or cannot be written; calling again goes on.
        ValueError: the slot is not written as one.
    """
    directory = state / "audit" / slot
    present = load_signing_key(state, slot) if (directory / KEY_FILE).exists() else None
    if present is None:
        raise refuse(f"there is no log in {directory}, so there is no key to replace")
    following = next_signing_key(state, slot)
    terms = _terms(directory, settings.terms(slot))
    lock, writer = open_slot(
        directory,
        origin=present.name,
        signer=present,
        next_signer=following,
        opened={"program": __version__, "slot": slot},
        segment_bytes=settings.segment_mib * MIB,
        segment_seconds=settings.segment_minutes * 60,
        terms=terms,
    )
    try:
        if following is None or writer.vkey != following.vkey:
            following = next_signing_key(state, slot, make=True)
            assert following is not None
            writer.rotate(following)
        _end(writer, [each for each in (directory, terms.second) if each is not None], following)
    except OSError as error:
        writer.abandon()
        raise refuse(f"the rotation did not come to its end ({error.strerror}): run it again") from None
    finally:
        os.close(lock)
    adopt_next_signing_key(state, slot)
    return following.vkey


def _terms(directory: Path, wanted: Terms) -> Terms:
    """Those of the slot: not every one has a second directory, and which it is stands in the first."""
    second = second_of(directory)
    return Terms() if second is None else msgspec.structs.replace(wanted, second=wanted.second or second)


def _end(writer: GroupWriter, directories: list[Path], following: SigningKey) -> None:
    for directory in directories:
        publish_key(directory, following)
    writer.close()
