"""The key that signs consent receipts: it follows from the root key, so all workers and replicas sign as one."""

import contextlib
from pathlib import Path

import msgspec

from gateway.audit.reading import slots_of
from gateway.audit.recovery import KEY_FILE
from gateway.crypto.keyring import KeyRing
from gateway.crypto.sign import SigningKey
from gateway.runtime.operators import AUDIT
from gateway.stores.keyfile import KEYS, load_keyring, load_signing_key

NAME = "receipts"
_DEPLOYMENT = "privacy-gateway"
_FIRST_SLOTS = ("w0", "operator", "anchor")


class ReceiptKey:
    """`vkey` is what checkers are given; `seed` the private key, which never leaves the process."""

    def __init__(self, name: str, seed: bytes) -> None:
        self.seed = seed
        self.vkey = SigningKey(name, seed).vkey

    def __repr__(self) -> str:
        return f"ReceiptKey({self.vkey})"


def receipt_key(state: Path, keys: KeyRing | None = None) -> ReceiptKey:
    """The key of a state directory, named `<deployment>/receipts` after the logs there.

    Raises:
        StoreDown: KEY_PROVIDER_DOWN; the root key, or that of a log, cannot be read.
    """
    keys = keys or load_keyring(state)
    deployment = _DEPLOYMENT
    for slot in _FIRST_SLOTS:
        if (state / KEYS / f"{slot}.log.key").exists():
            deployment = load_signing_key(state, slot).name.partition("/")[0]
            break
    return ReceiptKey(f"{deployment}/{NAME}", keys.receipt_seed())


class PublicKey(msgspec.Struct, frozen=True):
    """`name` is what it signs as: a log by its origin, or receipts."""

    name: str
    vkey: str


def public_keys(state: Path, keys: KeyRing | None = None) -> list[PublicKey]:
    """The keys by which receipts, proofs and logs of a state directory are checked: that of receipts, then all of logs.

    Raises:
        StoreDown: as `receipt_key`.
    """
    texts = [receipt_key(state, keys).vkey]
    for slot in slots_of(state / AUDIT):
        with contextlib.suppress(FileNotFoundError):
            texts += (slot / KEY_FILE).read_text(encoding="utf-8").split()
    return [PublicKey(text.partition("+")[0], text) for text in dict.fromkeys(texts)]
