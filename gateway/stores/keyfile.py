"""Keys in files of the state directory: `keys/root.key` and one `keys/<slot>.log.key` for each writer.

Files are 0600; a key that others can read is refused, since it may have been read. A key file is
written aside, synced, and linked into place: it is whole or absent, and never overwritten.
"""

import base64
import binascii
import errno
import re
import secrets
import socket
import time
from pathlib import Path

from gateway.crypto.keyring import ROOT_KEY_SIZE, KeyRing
from gateway.crypto.sign import SEED_SIZE, SigningKey, parse_signing_key
from gateway.model.errors import StoreDown
from gateway.model.words import Posture
from gateway.stores.private_file import ExposedFileError, read_private, sync_directory, write_new

KEYS = Path("keys")
ROOT_KEY = KEYS / "root.key"
"""Where the root key lies below the state directory."""

_FORMAT = "pgw-root-key/v1"
_ROOT = re.compile(_FORMAT + " ([^ ]+) ([^ ]+)")
_SLOT = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_NOT_IN_A_NAME = re.compile(r"[\s+/]")

_MISSING = "there is no root key in the state directory: run `privacy-gateway keys init --state DIR`"
_UNREADABLE = "a key file cannot be read: check the owner and the mode of the files in DIR/keys"
_EXPOSED = (
    "a key can be read or replaced by other users: run `chmod -R go-rwx DIR/keys`, and replace the key if it leaked"
)
_MALFORMED = "a key file is damaged: restore it from your backup"
_UNWRITABLE = "a signing key cannot be written: check the space, owner and mode of DIR/keys"


def create_keys(state: Path) -> str:
    """Make the directories (0700) and its root key; return the key id, named after the present quarter.

    Raises:
        FileExistsError: there is a root key; it is never overwritten.
        OSError: a directory or the file cannot be written.
    """
    for directory in (state, state / KEYS):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    today = time.gmtime()
    kid = f"{today.tm_year % 100:02}q{(today.tm_mon + 2) // 3}a"
    root = base64.b64encode(secrets.token_bytes(ROOT_KEY_SIZE)).decode("ascii")
    path = state / ROOT_KEY
    if not write_new(path, f"{_FORMAT} {kid} {root}\n".encode("ascii")):
        raise FileExistsError(errno.EEXIST, "there is a root key already, and it is never overwritten", str(path))
    return kid


def load_keyring(state: Path) -> KeyRing:
    """Read the root key.

    Raises:
        StoreDown: KEY_PROVIDER_DOWN; missing, exposed, unreadable or damaged, with what to do.
    """
    fields = _ROOT.fullmatch(_read_root(state))
    if fields is None:
        raise StoreDown(Posture.KEY_PROVIDER_DOWN, _MALFORMED)
    try:
        return KeyRing(base64.b64decode(fields[2], validate=True), fields[1])
    except (ValueError, binascii.Error):
        raise StoreDown(Posture.KEY_PROVIDER_DOWN, _MALFORMED) from None


def load_signing_key(state: Path, slot: str, *, name: str | None = None) -> SigningKey:
    """The ledger key of a writer slot, made on first use under `name`, which becomes the log's origin.

    Without a name it is `privacy-gateway/<host>/<slot>`. Later calls return the key as it was made,
    whatever `name` says: a log never changes its origin.

    Raises:
        StoreDown: KEY_PROVIDER_DOWN, as `load_keyring`; also where `keys init` was never run.
        ValueError: the slot is not written in lower case letters, digits and hyphens.
    """
    if not _SLOT.fullmatch(slot):
        raise ValueError("a slot is named with lower case letters, digits and hyphens")
    _read_root(state)
    path = state / KEYS / f"{slot}.log.key"
    text = _read(path)
    if text is None:
        host = _NOT_IN_A_NAME.sub("-", socket.gethostname()) or "localhost"
        key = SigningKey(name or f"privacy-gateway/{host}/{slot}", secrets.token_bytes(SEED_SIZE))
        try:
            # Whoever else made it in the meantime was first: theirs is read below.
            write_new(path, f"{key.private_text()}\n".encode("ascii"))
        except OSError as problem:
            raise StoreDown(Posture.KEY_PROVIDER_DOWN, _UNWRITABLE) from problem
        text = _read(path)
    try:
        return parse_signing_key(text or "")
    except ValueError:
        raise StoreDown(Posture.KEY_PROVIDER_DOWN, _MALFORMED) from None


def next_signing_key(state: Path, slot: str, *, make: bool = False) -> SigningKey | None:
    """The key that follows the slot's present one in a rotation that has begun, None where none has.

    With `make` it is made where there is none; its name is that of the present key.

    Raises:
        StoreDown: as `load_signing_key`.
    """
    path = _next_path(state, slot)
    if make and not path.exists():
        present = load_signing_key(state, slot)
        try:
            key = SigningKey(present.name, secrets.token_bytes(SEED_SIZE))
            write_new(path, f"{key.private_text()}\n".encode("ascii"))
        except OSError as problem:
            raise StoreDown(Posture.KEY_PROVIDER_DOWN, _UNWRITABLE) from problem
    text = _read(path)
    try:
        return parse_signing_key(text) if text is not None else None
    except ValueError:
        raise StoreDown(Posture.KEY_PROVIDER_DOWN, _MALFORMED) from None


def adopt_next_signing_key(state: Path, slot: str) -> None:
    """Put the next key in the present one's place; the present one is gone then. Once it is in force in the log only.

    Raises:
        StoreDown: KEY_PROVIDER_DOWN; the directory cannot be written.
    """
    path = _next_path(state, slot)
    try:
        path.rename(state / KEYS / f"{slot}.log.key")
        sync_directory(path.parent)
    except OSError as problem:
        raise StoreDown(Posture.KEY_PROVIDER_DOWN, _UNWRITABLE) from problem


def _next_path(state: Path, slot: str) -> Path:
    return state / KEYS / f"{slot}.log.key.next"


def _read_root(state: Path) -> str:
    text = _read(state / ROOT_KEY)
    if text is None:
        raise StoreDown(Posture.KEY_PROVIDER_DOWN, _MISSING)
    return text


def _read(path: Path) -> str | None:
    """The one line of a key file, None where there is none."""
    try:
        content = read_private(path)
    except FileNotFoundError:
        return None
    except ExposedFileError:
        raise StoreDown(Posture.KEY_PROVIDER_DOWN, _EXPOSED) from None
    except OSError as problem:
        raise StoreDown(Posture.KEY_PROVIDER_DOWN, _UNREADABLE) from problem
    try:
        return content.decode("ascii").removesuffix("\n")
    except UnicodeDecodeError:
        raise StoreDown(Posture.KEY_PROVIDER_DOWN, _MALFORMED) from None
