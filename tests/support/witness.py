"""A transparency witness of the tests' own, written from C2SP tlog-witness v1.0.0 and tlog-cosignature v1.0.1.

It shares no code with the gateway. What it saw last is a file that is written before it answers.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


class Witness:
    """Knows logs by origin; `forget` and `answer` let a test disturb it."""

    def __init__(self, folder: Path, name: str = "witness.example/w1") -> None:
        self.name = name
        self.url = ""
        self.requests: list[tuple[int, int]] = []
        self.answer: tuple[int, bytes] | None = None
        self.stamp = lambda: int(time.time())
        self._state = folder / "witness.json"
        self._logs: dict[str, tuple[bytes, Ed25519PublicKey]] = {}
        self._key = Ed25519PrivateKey.generate()
        public = b"\x04" + self._key.public_key().public_bytes_raw()
        self._id = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
        self.vkey = f"{name}+{self._id.hex()}+{base64.b64encode(public).decode()}"

    def trust(self, vkey: str, *, origin: str | None = None) -> None:
        name, identifier, key = vkey.split("+", 2)
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:])
        self._logs[origin or name] = (bytes.fromhex(identifier), public)

    def seen(self, origin: str) -> tuple[int, bytes]:
        known = json.loads(self._state.read_text()) if self._state.exists() else {}
        size, root = known.get(origin, (0, base64.b64encode(hashlib.sha256(b"").digest()).decode()))
        return size, base64.b64decode(root)

    def _see(self, origin: str, size: int, root: bytes) -> None:
        known = json.loads(self._state.read_text()) if self._state.exists() else {}
        self._state.write_text(json.dumps({**known, origin: (size, base64.b64encode(root).decode())}))

    def application(self) -> web.Application:
        async def add_checkpoint(request: web.Request) -> web.Response:
            status, body = self.answer or self.add(await request.read())
            kind = "text/x.tlog.size" if status == 409 else "text/plain"
            return web.Response(status=status, body=body, content_type=kind)

        app = web.Application()
        app.router.add_post("/prefix/add-checkpoint", add_checkpoint)
        return app

    def add(self, body: bytes) -> tuple[int, bytes]:
        head, _, note = body.partition(b"\n\n")
        first, *proof = head.split(b"\n")
        text, _, signatures = note.partition(b"\n\n")
        origin, size, root = text.split(b"\n")
        old, new = int(first.removeprefix(b"old ")), int(size)
        self.requests.append((old, new))
        if origin.decode() not in self._logs:
            return 404, b""
        if not self._signed(origin.decode(), text + b"\n", signatures):
            return 403, b""
        if old > new or len(proof) > 63:
            return 400, b""
        seen, seen_root = self.seen(origin.decode())
        if old != seen:
            return 409, b"%d\n" % seen
        if old == new and seen and seen_root != base64.b64decode(root):
            return 409, b"%d\n" % seen
        if not consistent(old, new, seen_root, base64.b64decode(root), [base64.b64decode(node) for node in proof]):
            return 422, b""
        self._see(origin.decode(), new, base64.b64decode(root))
        return 200, self.cosign(text + b"\n")

    def cosign(self, text: bytes) -> bytes:
        stamp = self.stamp()
        signature = self._key.sign(b"cosignature/v1\ntime %d\n" % stamp + text)
        blob = base64.b64encode(self._id + stamp.to_bytes(8, "big") + signature)
        return "\u2014 other.example AAAAAAAA\n".encode() + f"\u2014 {self.name} {blob.decode()}\n".encode()

    def accepts(self, note: str) -> bool:
        """Whether a cosigned note carries a good signature of this witness."""
        text, _, signatures = note.partition("\n\n")
        for line in signatures.splitlines():
            _, name, blob = line.split(" ")
            raw = base64.b64decode(blob)
            if name != self.name or raw[:4] != self._id:
                continue
            stamp = int.from_bytes(raw[4:12], "big")
            signed = f"cosignature/v1\ntime {stamp}\n{text}\n".encode()
            try:
                self._key.public_key().verify(raw[12:], signed)
            except InvalidSignature:
                return False
            return True
        return False

    def _signed(self, origin: str, text: bytes, signatures: bytes) -> bool:
        identifier, public = self._logs[origin]
        for line in signatures.decode().splitlines():
            _, name, blob = line.split(" ")
            raw = base64.b64decode(blob)
            if name == origin and raw[:4] == identifier:
                try:
                    public.verify(raw[4:], text)
                except InvalidSignature:
                    return False
                return True
        return False


def consistent(first: int, second: int, first_hash: bytes, second_hash: bytes, path: list[bytes]) -> bool:
    """RFC 9162, section 2.1.4.2, step by step."""
    if first == 0:
        return not path
    if first == second:
        return not path and first_hash == second_hash
    if not path:
        return False
    if first & (first - 1) == 0:
        path = [first_hash, *path]
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for node in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr = hashlib.sha256(b"\x01" + node + fr).digest()
            sr = hashlib.sha256(b"\x01" + node + sr).digest()
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = hashlib.sha256(b"\x01" + sr + node).digest()
        fn, sn = fn >> 1, sn >> 1
    return fr == first_hash and sr == second_hash and sn == 0


@contextlib.contextmanager
def serving(app: web.Application, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The application on a port of its own, in a thread of its own; gives its URL."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app)

    async def begin() -> str:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        return f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Witness]:
    witness = Witness(folder)
    with serving(witness.application()) as url:
        witness.url = f"{url}/prefix"
        yield witness
