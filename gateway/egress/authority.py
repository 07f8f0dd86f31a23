"""The authority whose certificates the proxies show to clients, in files that mitmproxy reads.

`mitmproxy-ca.pem` holds the key and the certificate in force, `next-ca.pem` those of the one that follows in a
rotation that has begun, `authority.pem` all certificates that clients are to trust. Whoever has a key can pass for
any host that its certificate may speak for, towards every client that trusts it: so keys are 0600 in a directory
0700, never overwritten and never printed, and can be held to the hosts of the rules (RFC 5280, section 4.2.1.10).
"""

import datetime as dt
import errno
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.egress.authority_certificate import Permitted, issue_authority, permitted_by
from gateway.model.errors import StoreDown
from gateway.model.words import Posture
from gateway.runtime.reload import write_durably
from gateway.runtime.settings_egress import AUTHORITY_FILE
from gateway.stores.private_file import ExposedFileError, read_private, replaceable, sync_directory, write_new

NEXT_FILE = "next-ca.pem"
TRUSTED_FILE = "authority.pem"
DEFAULT_DAYS = 730
WARNING_DAYS = 30
"""From so many days before its end on, an authority is warned of."""
ROTATE = "run `egress ca rotate`, let clients trust what `egress ca export` prints, then `egress ca retire`"

_PARAMETERS_FILE = "mitmproxy-dhparam.pem"
_PARAMETERS = b"""\
-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
"""
"""The group ffdhe2048 (RFC 7919, appendix A.1). Without the file mitmproxy writes one, into what may be read-only."""

_MISSING = "there is no authority for interception: run `privacy-gateway egress ca init -c gateway.yaml`"
_EXPOSED = (
    "the key of the authority for interception can be read or replaced by other users: run `chmod -R go-rwx` on its "
    "directory, and if it leaked `egress ca rotate` and `egress ca retire`"
)
_DAMAGED = "the file of the authority for interception is damaged: restore it from your backup"
_FOREIGN = "the file of the authority for interception holds a key that does not belong to its certificate"
_NO_AUTHORITY = "the certificate of the authority for interception is not one of an authority"


class Authority:
    """An authority that was read from its file; the key stays there."""

    def __init__(self, path: Path, certificate: x509.Certificate) -> None:
        self.path = path
        self.certificate = certificate
        self.permitted = permitted_by(certificate)

    def pem_for_mitmproxy(self) -> Path:
        """The file with key and certificate; its directory is mitmproxy's `confdir`."""
        return self.path

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` writes it."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    @property
    def until(self) -> dt.datetime:
        """The end of its validity (UTC)."""
        return self.certificate.not_valid_after_utc

    def days_left(self, now: dt.datetime) -> int:
        """Whole days until its end; negative once it has passed."""
        return (self.until - now) // dt.timedelta(days=1)

    def pem(self) -> bytes:
        """The certificate, without the key."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def create_authority(
    directory: Path,
    *,
    owner: str = "privacy-gateway",
    permitted: Permitted | None = None,
    days: int = DEFAULT_DAYS,
    now: dt.datetime | None = None,
) -> Authority:
    """Make the directory (0700) and an authority in it, named after its `owner` (64 characters at most).

    Raises:
        FileExistsError: there is one; it is never overwritten.
        StoreDown: KEY_PROVIDER_DOWN; others can write to the directory.
        OSError: the directory or a file cannot be written.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if replaceable(directory):
        why = f"other users can replace files in {directory}: run `chmod go-w` on it, or name another directory"
        raise StoreDown(Posture.KEY_PROVIDER_DOWN, why)
    path = directory / AUTHORITY_FILE
    if not _issue(path, owner, permitted, days, now):
        message = "there is an authority already, and it is never overwritten: `egress ca rotate` begins a new one"
        raise FileExistsError(errno.EEXIST, message, str(path))
    write_new(directory / _PARAMETERS_FILE, _PARAMETERS)
    _keep_trusted(directory)
    return read_authority(directory)


def rotate_authority(
    directory: Path, *, permitted: Permitted | None = None, days: int = DEFAULT_DAYS, now: dt.datetime | None = None
) -> Authority:
    """Make the authority that follows the present one, which stays in force until `retire_authority`.

    From now on both are among the certificates that clients are to trust. The new one has the name of the same owner,
    and may speak for `permitted`, without which for whom the present one may.

    Raises:
        StoreDown: KEY_PROVIDER_DOWN; the present one cannot be read.
        FileExistsError: a rotation has begun.
        OSError: a file cannot be written.
    """
    present = read_authority(directory)
    owner = present.certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
    name = str(owner[0].value) if owner else "privacy-gateway"
    made = _issue(directory / NEXT_FILE, name, permitted or present.permitted, days, now)
    _keep_trusted(directory)
    if not made:
        message = "a rotation has begun already: `egress ca retire` ends it"
        raise FileExistsError(errno.EEXIST, message, str(directory / NEXT_FILE))
    return _read(directory / NEXT_FILE)


def retire_authority(directory: Path) -> Authority:
    """Put the next authority in force in place of the present one, whose key is gone then. Returns the new one.

    Raises:
        StoreDown: KEY_PROVIDER_DOWN; there is no next one, or it cannot be read.
        OSError: the directory cannot be written.
    """
    if next_authority(directory) is None:
        raise StoreDown(Posture.KEY_PROVIDER_DOWN, "no rotation has begun: `egress ca rotate` begins one")
    (directory / NEXT_FILE).rename(directory / AUTHORITY_FILE)
    sync_directory(directory)
    _keep_trusted(directory)
    return read_authority(directory)


def load_authority(directory: Path, now: dt.datetime | None = None) -> Authority:
    """The authority in force, for use.

    Raises:
        StoreDown: KEY_PROVIDER_DOWN; missing, exposed, damaged, or not valid at this time, with what to do.
    """
    found = read_authority(directory)
    at = now or dt.datetime.now(dt.UTC)
    if at > found.until:
        why = f"the authority for interception has ended on {found.until:%Y-%m-%d}: {ROTATE}"
        raise StoreDown(Posture.KEY_PROVIDER_DOWN, why)
    if at < found.certificate.not_valid_before_utc:
        why = "the authority for interception is not valid yet: check the clock of this machine"
        raise StoreDown(Posture.KEY_PROVIDER_DOWN, why)
    return found


def read_authority(directory: Path) -> Authority:
    """The authority in force, valid or not.

    Raises:
        StoreDown: KEY_PROVIDER_DOWN; missing, exposed or damaged, with what to do.
    """
    return _read(directory / AUTHORITY_FILE)


def next_authority(directory: Path) -> Authority | None:
    """The one that follows in a rotation that has begun. Raises StoreDown as `read_authority`."""
    return _read(directory / NEXT_FILE) if (directory / NEXT_FILE).exists() else None


def trusted_by_clients(directory: Path) -> list[Authority]:
    """The authority in force, and the next one while there is one. Raises StoreDown as `read_authority`."""
    following = next_authority(directory)
    return [read_authority(directory), *([following] if following is not None else [])]


def _issue(path: Path, owner: str, permitted: Permitted | None, days: int, now: dt.datetime | None) -> bool:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = issue_authority(key, owner, permitted, days, now or dt.datetime.now(dt.UTC))
    # mitmproxy takes the first key and the first certificate of the file.
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return write_new(path, private + certificate.public_bytes(serialization.Encoding.PEM))


def _keep_trusted(directory: Path) -> None:
    certificates = b"".join(each.pem() for each in trusted_by_clients(directory))
    write_durably(directory / TRUSTED_FILE, certificates)


def _read(path: Path) -> Authority:
    try:
        content = read_private(path)
    except FileNotFoundError:
        raise StoreDown(Posture.KEY_PROVIDER_DOWN, _MISSING) from None
    except ExposedFileError:
        raise StoreDown(Posture.KEY_PROVIDER_DOWN, _EXPOSED) from None
    except OSError as problem:
        why = f"the file of the authority for interception cannot be read: {problem.strerror}"
        raise StoreDown(Posture.KEY_PROVIDER_DOWN, why) from None
    try:
        certificate = x509.load_pem_x509_certificate(content)
        key = serialization.load_pem_private_key(content, None)
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (ValueError, TypeError, x509.ExtensionNotFound):
        raise StoreDown(Posture.KEY_PROVIDER_DOWN, _DAMAGED) from None
    if key.public_key() != certificate.public_key():
        raise StoreDown(Posture.KEY_PROVIDER_DOWN, _FOREIGN)
    if not constraints.ca:
        raise StoreDown(Posture.KEY_PROVIDER_DOWN, _NO_AUTHORITY)
    return Authority(path, certificate)
