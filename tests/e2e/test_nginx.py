"""The example of docs/nginx.md, run as it stands but for names, paths and port, in front of a real gateway."""

import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from certificates import write_certificate

ROOT = Path(__file__).parents[2]
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
CURL = shutil.which("curl")
NAME = "shop.test"
RULES = """\
version: 1
purposes:
  service: {basis: contract}
recipients:
  shop: {role: controller, upstream: "UPSTREAM"}
routes:
  - name: all
    match: {host: shop.test, path: /**}
    to: shop
    request:
      fields:
        $.email: {is: contact.email, for: service}
      rest: {body: drop, headers: drop, query: pass, cookies: drop}
    response: {rest: pass}
"""


def missing() -> str:
    if NGINX is None:
        return "nginx is not installed"
    if CURL is None:
        return "curl is not installed"
    built = subprocess.run([NGINX, "-V"], capture_output=True, text=True, check=True).stderr
    if "http_v2_module" not in built:
        return "this nginx was built without HTTP/2"
    if "HTTP2" not in subprocess.run([CURL, "--version"], capture_output=True, text=True, check=True).stdout:
        return "this curl was built without HTTP/2"
    return ""


pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


class Application(http.server.BaseHTTPRequestHandler):
    """Answers with the request line, fields and body that reached it."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = [[name.lower(), value] for name, value in self.headers.items()]
        told = json.dumps({"line": self.requestline, "headers": headers, "body": body.decode()}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(told)

    do_GET = do_HEAD = do_POST = answer  # noqa: N815 - names of http.server

    def log_message(self, *_):
        pass


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def configuration(folder: Path, port: int) -> str:
    """The documented file; every replacement has to find its text, so that the two cannot part."""
    text = (ROOT / "docs" / "nginx.conf").read_text()
    for old, new in (
        ("/run/nginx.pid", str(folder / "nginx.pid")),
        ("unix:/run/privacy-gateway/front.sock", f"unix:{folder}/front.sock"),
        ("/etc/ssl/", f"{folder}/"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("SHOP.EXAMPLE", NAME),
        ("worker_processes auto;", "worker_processes 1;\ndaemon off;\n" + ("user root;" if os.geteuid() == 0 else "")),
    ):
        assert old in text, old
        text = text.replace(old, new)
    temporary = "".join(
        f"    {kind}_temp_path {folder}/tmp-{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return text.replace("http {\n", "http {\n" + temporary, 1)


class Front:
    """nginx, the gateway behind its socket, the application behind the gateway."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.processes: list[subprocess.Popen] = []
        self.application = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Application)
        self.application.daemon_threads = True
        threading.Thread(target=self.application.serve_forever, daemon=True).start()

    def start(self) -> None:
        folder = self.folder
        (folder / "rules").mkdir()
        upstream = f"http://127.0.0.1:{self.application.server_address[1]}"
        (folder / "rules" / "shop.yaml").write_text(RULES.replace("UPSTREAM", upstream))
        (folder / "gateway.yaml").write_text(
            "version: 1\nlisteners: [{address: unix:front.sock}]\nadmin: 127.0.0.1:0\nrules: rules\nstate: state\n"
            "workers: 2\n"
        )
        write_certificate(folder, NAME)
        (folder / "nginx.conf").write_text(configuration(folder, self.port))
        gateway = [sys.executable, "-m", "gateway"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run([*gateway, "keys", "init", "--state", "state"], cwd=folder, env=environment, check=True)
        serve = [*gateway, "serve", "--json", "-c", "gateway.yaml"]
        with (folder / "log").open("wb") as log:
            self.processes.append(
                subprocess.Popen(serve, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log)
            )
            assert self.processes[0].stdout.readline(), (folder / "log").read_text()
            command = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        self.wait()

    def wait(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            assert self.processes[1].poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        for process, number in zip(reversed(self.processes), (signal.SIGQUIT, signal.SIGTERM), strict=False):
            process.send_signal(number)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self.application.shutdown()
        self.application.server_close()

    def curl(self, target: str, *options: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [
                CURL, "-sS", "--path-as-is", "--max-time", "30", "--cacert", str(self.folder / f"{NAME}.pem"),
                "--resolve", f"{NAME}:{self.port}:127.0.0.1", *options, f"https://{NAME}:{self.port}{target}",
            ],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    one = Front(tmp_path_factory.mktemp("nginx"))
    try:
        one.start()
        yield one
    finally:
        one.stop()


HOST = ("-H", f"Host: {NAME}")


@pytest.mark.parametrize("version", ["--http2", "--http1.1"])
def test_rules_hold_for_what_comes_over_http_2(front, version):
    answer = front.curl(
        "/customers",
        version,
        *HOST,
        "-H",
        "Content-Type: application/json",
        "-H",
        "X-Phone: 555",
        "-b",
        "_ga=1; b=2",
        "--data",
        '{"email":"ada@example.org","phone":"555"}',
        "-w",
        "\n%{http_version}",
    )
    told, _, spoken = answer.stdout.rpartition("\n")
    assert spoken == version.removeprefix("--http")
    seen = json.loads(told)
    assert seen["body"] == '{"email":"ada@example.org"}'
    assert "555" not in told
    assert "_ga" not in told


@pytest.mark.parametrize("target", ["/a%2Bb/%7E/;m=1?q=%41&e=", "/a//b/", "/caf%C3%A9?"])
def test_targets_arrive_byte_for_byte(front, target):
    answer = front.curl(target, "--http2", *HOST)
    assert json.loads(answer.stdout)["line"] == f"GET {target} HTTP/1.1"


def test_what_a_client_says_of_addresses_does_not_arrive(front):
    answer = front.curl("/", "--http2", *HOST, "-H", "Forwarded: for=192.0.2.1", "-H", "X-Forwarded-For: 192.0.2.1")
    assert "192.0.2.1" not in answer.stdout
    assert "x-forwarded-for" not in answer.stdout


def test_a_refusal_of_the_gateway_reaches_the_client(front):
    answer = front.curl("/", "--http2", "-H", "Host: other.test", "-w", "\n%{http_code}")
    body, _, status = answer.stdout.rpartition("\n")
    assert status == "404"
    assert json.loads(body)["code"] == "unknown_route"


def test_a_body_over_the_limit_is_refused_by_the_gateway_and_not_by_nginx(front, tmp_path):
    big = tmp_path / "big.json"
    big.write_bytes(b'{"email":"' + b"a" * 11_000_000 + b'"}')
    answer = front.curl(
        "/customers",
        "--http2",
        *HOST,
        "-H",
        "Content-Type: application/json",
        "--data-binary",
        f"@{big}",
        "-w",
        "\n%{http_code}",
    )
    body, _, status = answer.stdout.rpartition("\n")
    assert status == "413"
    assert json.loads(body)["code"] == "over_size"


def test_nginx_keeps_nothing_of_what_passed(front):
    secret = "planted-7f3a"
    body = front.folder / "body.json"
    body.write_text(json.dumps({"email": secret + "x" * 300_000}))
    answer = front.curl(f"/{secret}", "--http2", *HOST, "-H", "Content-Type: application/json", "--data", f"@{body}")
    assert secret in answer.stdout
    body.unlink()
    left = [
        path
        for path in front.folder.rglob("*")
        if path.is_file() and "state" not in path.parts and secret.encode() in path.read_bytes()
    ]
    assert left == []
