"""Calls that go out: applications with the client that each has, the gateway, and partners behind TLS."""

import base64
import json
import os
import shutil
import ssl
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit

from certificates import Authority
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from processes import GatewayProcess, cli

HERE = Path(__file__).parent / "egress_client_programs"
PROGRAMS = {
    "requests": [sys.executable, HERE / "call_requests.py"],
    "httpx": [sys.executable, HERE / "call_httpx.py"],
    "httpx-http2": [sys.executable, HERE / "call_httpx.py", "2"],
    "aiohttp": [sys.executable, HERE / "call_aiohttp.py"],
    "curl": [sys.executable, HERE / "call_curl.py"],
    "fetch": ["node", HERE / "call_fetch.mjs"],
}
"""Each reads a JSON list of calls (`method`, `url`, `headers`, `body`) and writes one of answers."""

VERSIONS = {name: "2" if name in ("httpx-http2", "curl") else "1.1" for name in PROGRAMS}
"""The HTTP that each speaks to whoever offers both."""


def secret_of(name: str) -> str:
    """The secret of an application: with what a URL has to encode."""
    return f"the secret of {name}: 100% /?#@ staple"


def missing(client: str) -> str:
    """Why a client cannot be tried on this machine; "" where it can."""
    program = {"curl": "curl", "fetch": "node"}.get(client)
    return f"{program} is not installed" if program and shutil.which(program) is None else ""


def call(client: str, calls: list[dict], environment: dict[str, str], *, check: bool = True) -> list[dict]:
    """What the client makes of the answers; [] where it fails and `check` is off."""
    whole = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment}
    done = subprocess.run(
        list(map(str, PROGRAMS[client])),
        input=json.dumps(calls),
        env=whole,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode and not check:
        return []
    assert done.returncode == 0, f"{client}: {done.stderr}"
    return json.loads(done.stdout)


def post(url: str, body: str, **headers: str) -> dict:
    fields = {"Content-Type": "application/json", **headers}
    return {"method": "POST", "url": url, "headers": fields, "body": body}


def through_proxy(proxy: str, name: str, ca: Path, secret: str = "") -> dict[str, str]:
    """The environment of an application, as docs/egress.md tells it."""
    address = urlsplit(proxy).netloc
    return {
        "HTTPS_PROXY": f"http://{name}:{quote(secret or secret_of(name), safe='')}@{address}",
        "SSL_CERT_FILE": str(ca),
        "REQUESTS_CA_BUNDLE": str(ca),
        "CURL_CA_BUNDLE": str(ca),
        "NODE_EXTRA_CA_CERTS": str(ca),
        "NODE_USE_ENV_PROXY": "1",
    }


def basic(name: str) -> str:
    """What an application sends to a relay as Proxy-Authorization."""
    return "Basic " + base64.b64encode(f"{name}:{secret_of(name)}".encode()).decode()


class PartnerTls:
    """Certificate and key of partners on `localhost`, and `path`, the authority that issued it."""

    def __init__(self, folder: Path) -> None:
        authority = Authority(folder, "partners")
        self.path = authority.path
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(
            *authority.issue("partner", x509.DNSName("localhost"), usage=ExtendedKeyUsageOID.SERVER_AUTH)
        )
        self.context.set_alpn_protocols(["http/1.1"])


class EgressProcess(GatewayProcess):
    """`egress` with one proxy and one relay; `proxy` and `relay` are known once it is ready."""

    def __init__(self, directory: Path, rules: str, applications, relay: dict[str, str], tls: dict[str, Path]) -> None:
        super().__init__(directory, rules)
        secrets = {name: directory / f"{name}.secret" for name in applications}
        for name, file in secrets.items():
            file.touch(0o600)
            file.write_text(secret_of(name) + "\n")
        self.file = directory / "gateway.yaml"
        self._settings = {
            "version": 1,
            "rules": "rules",
            "state": "state",
            "upstream_tls": {name: {"ca": str(ca)} for name, ca in tls.items()},
            "egress": {
                "admin": "127.0.0.1:0",
                "proxy": [{"listen": "127.0.0.1:0"}],
                "relay": [{"listen": "127.0.0.1:0", "to": relay}],
                "applications": {name: {"secret": str(file)} for name, file in secrets.items()},
            },
        }
        self.file.write_text(json.dumps(self._settings))
        cli("egress", "ca", "init", "-c", self.file)
        self.ca = directory / "gateway-ca.pem"
        cli("egress", "ca", "export", "-c", self.file, "--out", self.ca)
        self._arguments = ["egress", "-c", self.file, "--json"]

    def _announced(self, ready: dict) -> None:
        self.admin = ready["admin"]
        (self.proxy,) = ready["proxies"]
        (self.relay,) = ready["relays"]
