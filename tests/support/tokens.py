"""An issuer of tokens: real keys, real signatures, and a JWK set on disk or behind a server on loopback."""

import json
import time
from contextlib import asynccontextmanager

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from gateway.runtime.settings_identity import TokenSettings

ISSUER = "https://id.example"
AUDIENCE = "shop"


def new_key(algorithm="ES256", *, bits=2048):
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm.startswith("ES"):
        curves = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
        return ec.generate_private_key(curves[algorithm]())
    return rsa.generate_private_key(65537, bits)


class Issuer:
    """Signs with `key` under the id `kid`; `published` are the JWKs that it shows."""

    def __init__(self, algorithm="ES256", kid="k1"):
        self.algorithm = algorithm
        self.published = []
        self.rotate(kid)

    def rotate(self, kid, *, publish=True):
        self.key = new_key(self.algorithm)
        self.kid = kid
        self.jwk = self.public(self.key) | {"kid": kid}
        if publish:
            self.published = [self.jwk]

    def public(self, key):
        return get_default_algorithms()[self.algorithm].to_jwk(key.public_key(), as_dict=True) | {"use": "sig"}

    def jwks(self):
        return json.dumps({"keys": self.published}).encode()

    def claims(self, name="ann@shop.example", **changed):
        """What a good token says; a claim that is changed to None is left out."""
        now = int(time.time())
        said = {"iss": ISSUER, "aud": AUDIENCE, "sub": name, "exp": now + 600, "iat": now} | changed
        return {claim: value for claim, value in said.items() if value is not None}

    def token(self, name="ann@shop.example", *, headers=None, **changed):
        said = self.claims(name, **changed)
        return jwt.encode(said, self.key, self.algorithm, {"kid": self.kid} | (headers or {})).encode()


class KeyServer:
    """Shows the issuer's keys; `status`, `body` and `wait` change how it answers, `asked` counts.

    A redirection leads to the keys of `elsewhere`.
    """

    def __init__(self, issuer):
        self.issuer = issuer
        self.asked = 0
        self.status = 200
        self.body = None
        self.wait = None
        self.url = ""
        self.elsewhere = Issuer()

    async def answer(self, _request):
        self.asked += 1
        if self.wait is not None:
            await self.wait.wait()
        headers = {"Location": self.url + "/moved"} if 300 <= self.status < 400 else {}
        body = self.issuer.jwks() if self.body is None else self.body
        return web.Response(status=self.status, body=body, headers=headers)

    async def moved(self, _request):
        return web.Response(body=self.elsewhere.jwks())


@asynccontextmanager
async def key_server(issuer, *, tls=None):
    server = KeyServer(issuer)
    app = web.Application()
    app.router.add_get("/keys", server.answer)
    app.router.add_get("/keys/moved", server.moved)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    server.url = f"{'https' if tls else 'http'}://{'localhost' if tls else '127.0.0.1'}:{port}/keys"
    try:
        yield server
    finally:
        await runner.cleanup()


def terms(keys, **changed):
    """Settings for tokens of `Issuer`."""
    given = {"keys": str(keys), "algorithms": ("ES256",), "issuer": ISSUER, "audience": AUDIENCE} | changed
    return TokenSettings(**given)
