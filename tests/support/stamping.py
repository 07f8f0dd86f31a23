"""A time stamp authority (RFC 3161) of the tests' own: `openssl ts` behind a small HTTP server."""

import contextlib
import datetime as dt
import subprocess
from collections.abc import Iterator
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from witness import serving

_CONFIG = """\
[tsa]
serial = {folder}/serial
crypto_device = builtin
default_policy = 1.2.3.4.1
signer_digest = sha256
digests = sha256, sha512
accuracy = secs:1
ordering = yes
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


class Authority:
    """`answer` replaces what it says; `queries` are what it was asked."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.ca = folder / "ca.pem"
        self.url = ""
        self.queries: list[bytes] = []
        self.answer: tuple[int, bytes] | None = None
        (folder / "tsa.cnf").write_text(_CONFIG.format(folder=folder))
        (folder / "serial").write_text("01\n")
        _certificates(folder)

    def stamp(self, query: bytes) -> bytes:
        (self.folder / "query.tsq").write_bytes(query)
        command = ["openssl", "ts", "-reply", "-config", "tsa.cnf", "-section", "tsa", "-queryfile", "query.tsq",
                   "-signer", "tsa.pem", "-inkey", "tsa.key", "-out", "reply.tsr"]  # fmt: skip
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True, timeout=20)
        return (self.folder / "reply.tsr").read_bytes()

    def verifies(self, data: Path, reply: Path) -> bool:
        """What openssl, which we did not write, says of a stored stamp."""
        command = ["openssl", "ts", "-verify", "-data", str(data), "-in", str(reply), "-CAfile", str(self.ca)]
        done = subprocess.run(command, check=False, capture_output=True, timeout=20)
        return done.returncode == 0

    def application(self) -> web.Application:
        async def post(request: web.Request) -> web.Response:
            assert request.content_type == "application/timestamp-query"
            self.queries.append(await request.read())
            status, body = self.answer or (200, self.stamp(self.queries[-1]))
            return web.Response(status=status, body=body, content_type="application/timestamp-reply")

        app = web.Application()
        app.router.add_post("/tsa", post)
        return app


@contextlib.contextmanager
def authority(folder: Path) -> Iterator[Authority]:
    one = Authority(folder)
    with serving(one.application()) as url:
        one.url = f"{url}/tsa"
        yield one


def _certificates(folder: Path) -> None:
    root_key, key = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    root_name, name = _name("Test roots"), _name("Test time stamps")
    root = _builder(root_name, root_name, root_key).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    leaf = _builder(name, root_name, key).add_extension(usage, critical=True)
    for path, builder in (("ca.pem", root), ("tsa.pem", leaf)):
        certificate = builder.sign(root_key, hashes.SHA256())
        (folder / path).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "tsa.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
