"""What stands between an application and its partner in the bench, and the partner itself."""

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bodies
import gateway_rules
import nginx_conf
import peers
from process_tree import Server, free_port
from ways import PARTNER, Way, basic

HERE = Path(__file__).parent
APPLICATION = ("shop", "a secret of the bench, which is no secret")
AUTHORITY = "authority.pem"
SEND, ECHO = "/v1/send", "/v1/echo"

INGRESS = "gateway, serve"
RELAY = "gateway, relay"
PROXY = "gateway, intercepting"
BARE = "mitmproxy, bare"
STRIPPING = "mitmproxy, stripping"

_RULES = """\
version: 1
controller: {{name: Bench, contact: privacy@bench.example, jurisdiction: EU}}
purposes:
  service: {{basis: contract, title: Measure}}
recipients:
  shop: {{role: controller, upstream: "http://127.0.0.1:9"}}
  partner:
    role: processor
    hosts: ["{host}"]
    upstream: "https://{host}"
    contract: {{ref: A}}
routes:
  - name: calls
    match: {{method: POST, path: "/v1/{{what}}"}}
    to: partner
    caller: shop
    request:
      fields:
{fields}
      rest: pass
    response: {{rest: pass}}
"""
_DEPLOYMENT = {"version": 1, "rules": "rules", "state": "state", "log_level": "warning"}


@dataclass(frozen=True)
class Partner:
    """An nginx with TLS that answers `SEND` at once, and `ECHO` with what it received."""

    server: Server
    certificate: Path

    @property
    def host(self) -> str:
        return f"{PARTNER}:{self.server.port}"


class _Echo(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def partner(home: Path, core: set[int] | None):
    certificate, key = home / "partner.pem", home / "partner.key"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-subj", f"/CN={PARTNER}", "-addext", f"subjectAltName=DNS:{PARTNER}"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as echo:
        threading.Thread(target=echo.serve_forever, daemon=True).start()
        port = free_port()
        command = nginx_conf.partner(
            home / "partner", port=port, certificate=certificate, key=key, echo_port=echo.server_port
        )
        server = Server(command, port=port, log=home / "partner.log", core=core)
        try:
            server.wait(10)
            yield Partner(server, certificate)
        finally:
            server.stop()
            echo.shutdown()


@dataclass(frozen=True)
class Between:
    """One server under test, the way to the partner through it, and the header lines that it asks for."""

    server: Server
    way: Way
    lines: tuple[str, ...] = ()


Start = Callable[[Path, Partner, set[int] | None], Between]


def _mitmproxy(home: Path, to: Partner, core: set[int] | None, *, addon: Path | None = None) -> Between:
    home.mkdir()
    port = free_port()
    options = ["flow_detail=0", "termlog_verbosity=error", f"confdir={home}"]
    options += [f"ssl_verify_upstream_trusted_ca={to.certificate}"]
    command = [str(peers.MITMDUMP), "--quiet", "--listen-host", "127.0.0.1", "--listen-port", str(port)]
    command += ["-s", str(addon)] if addon else []
    command += [word for option in options for word in ("--set", option)]
    server = Server(command, port=port, log=home / "log", core=core)
    server.wait(60)
    return Between(server, Way(to.server.port, home / "mitmproxy-ca-cert.pem", port))


def _stripping(home: Path, to: Partner, core: set[int] | None) -> Between:
    return _mitmproxy(home, to, core, addon=HERE / "mitmproxy_egress_addon.py")


def write_rules(directory: Path, host: str) -> None:
    """What goes to the partner at `host` loses the three fields."""
    directory.mkdir(parents=True)
    fields = "\n".join(
        f"        $.{name}: {{is: {gateway_rules.CLASSES[name]}, for: service, as: drop}}" for name in bodies.STRIPPED
    )
    (directory / "bench.yaml").write_text(_RULES.format(host=host, fields=fields))


def _gateway(
    home: Path, to: Partner, core: set[int] | None, port: int, command: str, more: dict[str, object]
) -> Server:
    """`serve` or `egress`, which listens on `port`."""
    write_rules(home / "rules", to.host)
    (home / "secret").touch(0o600)
    (home / "secret").write_text(APPLICATION[1] + "\n")
    settings = _DEPLOYMENT | more | {"upstream_tls": {"partner": {"ca": str(to.certificate)}}}
    (home / "gateway.yaml").write_text(json.dumps(settings))
    program, configured = [sys.executable, "-m", "gateway"], ["-c", str(home / "gateway.yaml")]
    subprocess.run([*program, "keys", "init", "--state", str(home / "state")], check=True, capture_output=True)
    if command == "egress":
        subprocess.run([*program, "egress", "ca", "init", *configured], check=True, capture_output=True)
        exported = ["--out", str(home / AUTHORITY)]
        subprocess.run([*program, "egress", "ca", "export", *configured, *exported], check=True, capture_output=True)
    server = Server([*program, command, *configured], port=port, log=home / "log", core=core)
    server.wait(60)
    return server


def _ingress(home: Path, to: Partner, core: set[int] | None) -> Between:
    port = free_port()
    listening = {"listeners": [{"address": f"127.0.0.1:{port}"}], "admin": f"127.0.0.1:{free_port()}"}
    return Between(_gateway(home, to, core, port, "serve", listening), Way(port))


def _egress(listening: dict[str, object]) -> dict[str, object]:
    applications = {APPLICATION[0]: {"secret": "secret"}}
    return {"egress": {"admin": f"127.0.0.1:{free_port()}", "applications": applications, **listening}}


def _relay(home: Path, to: Partner, core: set[int] | None) -> Between:
    port = free_port()
    listening = {"relay": [{"listen": f"127.0.0.1:{port}", "to": {"/": f"https://{to.host}"}}]}
    server = _gateway(home, to, core, port, "egress", _egress(listening))
    return Between(server, Way(port), tuple(basic(APPLICATION)))


def _proxy(home: Path, to: Partner, core: set[int] | None) -> Between:
    port = free_port()
    server = _gateway(home, to, core, port, "egress", _egress({"proxy": [{"listen": f"127.0.0.1:{port}"}]}))
    return Between(server, Way(to.server.port, home / AUTHORITY, port, APPLICATION))


SERVERS: dict[str, Start] = {
    INGRESS: _ingress,
    RELAY: _relay,
    BARE: _mitmproxy,
    STRIPPING: _stripping,
    PROXY: _proxy,
}


def missing(name: str) -> str:
    """Why a server cannot take part; "" where it can."""
    if name in (BARE, STRIPPING) and not peers.MITMDUMP.exists():
        return "not installed in bench/.venv-mitmproxy"
    return ""
