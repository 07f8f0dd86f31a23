"""Time stamps (RFC 3161) over heads: another's word that a head existed at a time. It remembers nothing for us."""

import re
import ssl
import time
from pathlib import Path
from typing import Any

from cryptography import x509

from gateway.audit.anchor_http import post
from gateway.audit.anchors import AnchorFailed, AnchorRefused, StampAnchor, Statement
from gateway.audit.comparison import Pin
from gateway.audit.segment import write_file
from gateway.crypto.sign import VerifyKey

NEEDED = "the anchor rfc3161 needs rfc3161-client: install privacy-gateway[timestamp]"
STAMPS = "stamps"
_HOST = re.compile(r"https?://([^/]+)")


class Stamp:
    """Has the newest signed note stamped, at most once in `every_seconds`; keeps `.note` and `.tsr` in `folder`."""

    def __init__(self, settings: StampAnchor, folder: Path) -> None:
        match = _HOST.match(settings.url)
        self.name = f"rfc3161:{match[1] if match else settings.url}"
        self.folder = folder / STAMPS
        self._settings = settings
        self._roots: list[x509.Certificate] = []
        self._due = 0.0

    async def recall(self, _present: Statement, _keys: list[VerifyKey]) -> list[Pin]:
        """Nothing is remembered here. Raises AnchorRefused: the library or the roots are missing."""
        self._prepare()
        return []

    async def keep(self, statement: Statement) -> None:
        """Return with the verified stamp on disk, or where none is due. Raises AnchorFailed."""
        now = time.monotonic()
        if now < self._due:
            return
        client = self._prepare()
        note = statement.signed.note.encode()
        builder = client.TimestampRequestBuilder(data=note, hash_algorithm=client.base.HashAlgorithm.SHA256)
        request = builder.build()
        reply = await post(self._settings.url, request.as_bytes(), "application/timestamp-query")
        if reply.status != 200:
            raise AnchorFailed(f"the time stamp authority answers {reply.status}")
        self._verify(client, request, reply.body, note)
        name = f"{statement.signed.head.size:016d}"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_file(self.folder / f"{name}.note", note)
            write_file(self.folder / f"{name}.tsr", reply.body)
        except OSError as error:
            raise AnchorFailed(f"the time stamp cannot be stored: {error.strerror}") from None
        self._due = now + self._settings.every_seconds

    def _verify(self, client: Any, request: Any, answer: bytes, note: bytes) -> None:
        verifier = client.VerifierBuilder.from_request(request)
        for root in self._roots:
            verifier = verifier.add_root_certificate(root)
        try:
            verifier.build().verify_message(client.decode_timestamp_response(answer), note)
        except (client.VerificationError, ValueError):
            raise AnchorFailed("the time stamp is not good under the certificates that are trusted") from None

    def _prepare(self) -> Any:
        try:
            import rfc3161_client  # noqa: PLC0415 - an extra
        except ModuleNotFoundError:
            raise AnchorRefused(NEEDED) from None
        if not self._roots:
            self._roots = _roots(self._settings.ca)
        return rfc3161_client


def _roots(ca: str | None) -> list[x509.Certificate]:
    """Certificates of a PEM file, or of the system's."""
    paths = ssl.get_default_verify_paths()
    folder = sorted(Path(paths.capath).iterdir()) if ca is None and paths.capath is not None else []
    files = [Path(file) for file in (ca or paths.cafile,) if file is not None] or folder
    roots: set[x509.Certificate] = set()
    for file in files:
        try:
            roots.update(x509.load_pem_x509_certificates(file.read_bytes()))
        except (OSError, ValueError):
            if ca is not None:
                raise AnchorRefused("the anchor rfc3161: no certificate can be read from its `ca`") from None
    if not roots:
        raise AnchorRefused("the anchor rfc3161 finds no certificates to trust: give it a `ca`")
    return list(roots)
