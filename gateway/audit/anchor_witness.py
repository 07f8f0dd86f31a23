"""A C2SP witness (tlog-witness, tlog-cosignature/v1): it cosigns only what goes on from what it saw last.

It is the anchor that finds a rolled back or cloned anchor log by itself: the size that it saw last is
on its disk, not on ours. Its answer becomes a cosigned note that anyone can verify without us.
"""

import hashlib
import re
from base64 import b64decode, b64encode
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.audit.anchor_http import Reply, post
from gateway.audit.anchors import AnchorContradicts, AnchorFailed, Statement, WitnessAnchor
from gateway.audit.comparison import Pin
from gateway.audit.segment import write_file
from gateway.crypto.sign import VerifyKey

NOTES = "witness"

_COSIGNATURE = 0x04
_VKEY = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})")
_SIZE = re.compile(rb"(0|[1-9]\d{0,15})\n?")
_NOT_IN_A_FILE = re.compile(r"[^A-Za-z0-9._-]")
_REFUSALS = {
    400: "the witness could not read what it was sent",
    403: "the witness trusts another key for this log: tell its operator the verifier key in audit/anchor/log.vkey",
    404: "the witness does not know this log: tell its operator the verifier key in audit/anchor/log.vkey",
}


class Cosigner:
    """The key of a witness. Raises ValueError with what is wrong: not a verifier key of type 0x04."""

    def __init__(self, vkey: str) -> None:
        match = _VKEY.fullmatch(vkey)
        if match is None:
            raise ValueError("a verifier key is written name+keyid+base64")
        try:
            blob = b64decode(match[3], validate=True)
        except ValueError:
            raise ValueError("the verifier key is not valid base64") from None
        if len(blob) != 33 or blob[0] != _COSIGNATURE:
            raise ValueError("a witness has an Ed25519 key of type 0x04 (cosignature/v1)")
        self.name = match[1]
        self.key_id = bytes.fromhex(match[2])
        if hashlib.sha256(self.name.encode() + b"\n" + blob).digest()[:4] != self.key_id:
            raise ValueError("the id in the verifier key is not the id of its key")
        self._public = Ed25519PublicKey.from_public_bytes(blob[1:])

    def accepts(self, body: bytes, signature: bytes) -> bool:
        """Whether `signature` (key id, time, Ed25519) is this witness's over the checkpoint's body."""
        if len(signature) != 4 + 8 + 64 or signature[:4] != self.key_id:
            return False
        time = int.from_bytes(signature[4:12], "big")
        if time >= 1 << 63:
            return False
        try:
            self._public.verify(signature[12:], b"cosignature/v1\ntime %d\n%b" % (time, body))
        except InvalidSignature:
            return False
        return True


class Witness:
    """Submits each head with the proof that it goes on from the last; keeps the cosigned note in `folder`."""

    def __init__(self, settings: WitnessAnchor, folder: Path) -> None:
        self._cosigner = Cosigner(settings.vkey)
        self.name = f"witness:{self._cosigner.name}"
        self.path = folder / NOTES / f"{_NOT_IN_A_FILE.sub('-', self._cosigner.name)}.note"
        self._url = settings.url.rstrip("/") + "/add-checkpoint"
        self._seen = 0

    async def recall(self, present: Statement, _keys: list[VerifyKey]) -> list[Pin]:
        """Have it cosign what is on the disk now, which it does only if that goes on from what it saw.

        Raises:
            AnchorContradicts: it saw more, or another history.
            AnchorFailed: it does not answer, or does not know this log.
        """
        await self.keep(present)
        return []

    async def keep(self, statement: Statement) -> None:
        """Return with the cosigned note on disk. Raises AnchorFailed, AnchorContradicts."""
        size = statement.signed.head.size
        old = min(self._seen, size)
        reply = await self._submit(statement, old)
        if reply.status == 409:
            old = self._conflict(statement, old, reply)
            reply = await self._submit(statement, old)
        if reply.status == 409:
            self._conflict(statement, old, reply)
            raise AnchorFailed("the witness went on while it was asked: does another process write this log?")
        if reply.status == 422:
            raise AnchorContradicts(f"the witness saw another history of {old} leaves than the one on this disk")
        if reply.status != 200:
            raise AnchorFailed(_REFUSALS.get(reply.status, f"the witness answers {reply.status}"))
        self._store(statement, reply)
        self._seen = size

    async def _submit(self, statement: Statement, old: int) -> Reply:
        signed = statement.signed
        try:
            proof = statement.leaves.proof(old, signed.head.size)
        except ValueError:
            why = "the anchor log cannot be read up to its own head: run `privacy-gateway audit verify`"
            raise AnchorFailed(why) from None
        lines = [f"old {old}", *(b64encode(node).decode() for node in proof), "", signed.note]
        return await post(self._url, "\n".join(lines).encode(), "text/plain; charset=utf-8")

    def _conflict(self, statement: Statement, old: int, reply: Reply) -> int:
        """The size that the witness saw last, from which the next proof has to start."""
        size = statement.signed.head.size
        match = _SIZE.fullmatch(reply.body)
        if match is None and old != size:
            raise AnchorFailed("the witness does not say which size it saw last")
        seen = int(match[1]) if match is not None else size
        if seen > size:
            why = "it was restored from an older copy, or a clone of it goes on elsewhere"
            raise AnchorContradicts(f"the witness saw {seen} leaves of the anchor log, which has {size} here: {why}")
        if seen == old == size:
            raise AnchorContradicts(f"the witness saw another history of {seen} leaves than the one on this disk")
        return seen

    def _store(self, statement: Statement, reply: Reply) -> None:
        """Keep the note with the witness's own good cosignatures; lines of other keys are left out."""
        note = statement.signed.note
        body = note.partition("\n\n")[0].encode() + b"\n"
        cosigned = [line for line in reply.body.decode("utf-8", "replace").split("\n") if self._good(line, body)]
        if not cosigned:
            raise AnchorFailed("the witness's answer has no good cosignature of its key")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_file(self.path, (note + "".join(f"{line}\n" for line in cosigned)).encode())
        except OSError as error:
            raise AnchorFailed(f"the cosigned note cannot be stored: {error.strerror}") from None

    def _good(self, line: str, body: bytes) -> bool:
        parts = line.split(" ")
        if len(parts) != 3 or parts[:2] != ["\u2014", self._cosigner.name]:
            return False
        try:
            return self._cosigner.accepts(body, b64decode(parts[2], validate=True))
        except ValueError:
            return False
