import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.main import root
from gateway.cli.serve import _summary
from gateway.runtime.metrics import Metrics

ROOT = Path(__file__).parents[2]
RULES = """\
version: 1
controller: {name: Shop, contact: privacy@shop.example}
purposes:
  service: {basis: contract}
recipients:
  shop: {role: controller, upstream: "UPSTREAM"}
routes:
  - name: all
    match: {path: /**}
    to: shop
    request:
      fields:
        $.email: {is: contact.email, for: service}
      rest: {body: drop, headers: pass}
    response: {rest: pass}
"""


class Application(http.server.BaseHTTPRequestHandler):
    """Answers each POST with the body that it got."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def upstream():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Application)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


class Serve:
    """`serve` as a person starts it, in a directory with rules and keys."""

    def __init__(self, folder: Path, upstream: str) -> None:
        self.folder = folder
        self.process: subprocess.Popen | None = None
        self.ready: dict = {}
        (folder / "rules").mkdir()
        self.write_rules(upstream)

    def write_rules(self, upstream: str, more: str = "") -> None:
        (self.folder / "rules" / "shop.yaml").write_text(RULES.replace("UPSTREAM", upstream) + more)

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "gateway", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, *arguments: str) -> None:
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "serve", "--json", *arguments],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE,
                stderr=log,
            )
        line = self.process.stdout.readline()
        assert line, (self.folder / "log").read_text()
        self.ready = json.loads(line)

    def post(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.ready["listeners"][0] + "/x", body, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def admin(self, path: str) -> bytes:
        with urllib.request.urlopen(self.ready["admin"] + path, timeout=30) as answer:
            return answer.read()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        return self.process.wait(60)

    def children(self) -> list[int]:
        return [
            int(each) for each in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        ]


@pytest.fixture
def serve(tmp_path, upstream):
    one = Serve(tmp_path, upstream)
    yield one
    if one.process is not None:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        one.process.stdout.close()


def until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


OPTIONS = ("--rules", "rules", "--state", "state", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")


def test_from_first_start_to_a_clean_stop(serve):
    refused = serve.run("serve", *OPTIONS)
    assert refused.returncode == 1
    assert "keys init" in refused.stderr
    assert serve.run("keys", "init", "--state", "state").returncode == 0

    serve.start(*OPTIONS, "--workers", "2")
    assert serve.ready["ready"] is True
    assert (serve.ready["workers"], serve.ready["routes"]) == (2, 1)
    body = b'{"email":"ada@example.org","phone":"555"}'
    for _ in range(8):
        assert serve.post(body) == b'{"email":"ada@example.org"}'
    assert json.loads(serve.admin("/readyz"))["ready"] is True
    assert b'privacy_gateway_exchanges_total{route="all",status="200"} 8.0' in serve.admin("/metrics")

    serve.write_rules("http://127.0.0.1:1", "  more: [\n")
    serve.signal(signal.SIGHUP)
    until(lambda: b'privacy_gateway_reloads_total{outcome="refused"} 1.0' in serve.admin("/metrics"))
    assert serve.post(body) == b'{"email":"ada@example.org"}'

    serve.signal(signal.SIGTERM)
    assert serve.end() == 0
    log = (serve.folder / "log").read_text()
    assert "PG101" in log
    assert "ada@" not in log
    records = [
        json.loads(line)
        for file in (serve.folder / "state" / "audit").glob("w*/sealed/*.jsonl")
        for line in file.read_bytes().splitlines()
    ]
    kinds = [record["kind"] for record in records]
    assert (kinds.count("policy"), kinds.count("collect"), kinds.count("close")) == (2, 9, 2)
    assert {record["policy"] for record in records if "policy" in record} == {serve.ready["policy"]}
    kept = json.loads((serve.folder / "state" / "policies" / f"{serve.ready['policy']}.json").read_bytes())
    assert list(kept["files"]) == ["shop.yaml"]


def test_no_worker_outlives_a_supervisor_that_is_killed(serve):
    serve.run("keys", "init", "--state", "state")
    serve.start(*OPTIONS, "--workers", "2")
    workers = serve.children()
    assert len(workers) == 2
    serve.process.kill()
    serve.process.wait()
    until(lambda: all(is_gone(worker) for worker in workers))


def test_a_settings_file_says_everything(serve, upstream):
    serve.run("keys", "init", "--state", "state")
    settings = "version: 1\nlisteners: [{address: 127.0.0.1:0}]\nadmin: 127.0.0.1:0\nrules: rules\nstate: state\n"
    (serve.folder / "gateway.yaml").write_text(settings)
    assert serve.run("serve", "-c", "gateway.yaml", "--workers", "2").returncode == 1
    serve.start("-c", "gateway.yaml")
    before = serve.children()
    assert serve.post(b'{"phone":"555"}') == b"{}"
    (serve.folder / "gateway.yaml").write_text(settings + "workers: 2\n")
    until(lambda: len(serve.children()) == 2 and not set(before) & set(serve.children()))
    assert serve.post(b'{"phone":"555"}') == b"{}"
    serve.signal(signal.SIGINT)
    assert serve.end() == 0


def test_an_upstream_is_observed_without_rules_and_without_a_state_directory(serve, upstream):
    serve.start("--upstream", upstream, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    state = Path(serve.ready["state"])
    assert (state / "keys" / "root.key").exists()
    body = b'{ "email":"ada@example.org" , "n":1e400}'
    assert serve.post(body) == body
    assert b'privacy_gateway_exchanges_total{route="observed",status="200"} 1.0' in serve.admin("/metrics")
    serve.signal(signal.SIGTERM)
    assert serve.end() == 0
    assert not state.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--rules DIR, or --upstream URL"),
        (["--rules", "rules"], "--state DIR"),
        (["--rules", "rules", "--upstream", "http://127.0.0.1:1"], "--rules DIR, or --upstream URL"),
        (["-c", "gateway.yaml", "--workers", "1"], "give the other options in the file"),
        (["-c", "nowhere.yaml"], "cannot read the file"),
        (["--rules", "rules", "--state", "s", "--listen", "8080"], "write HOST:PORT"),
        (["--upstream", "ftp://127.0.0.1"], "http:// or https://"),
        (["--upstream", "http://127.0.0.1:1/path"], "no user, path"),
        (["--rules", "nowhere", "--state", "s"], "cannot read the rules directory"),
        (["--rules", "rules", "--state", "s"], "keys init"),
    ],
)
def test_what_cannot_run_says_why(serve, arguments, says):
    answer = serve.run("serve", *arguments)
    assert answer.returncode == 1
    assert says in answer.stderr
    assert "Traceback" not in answer.stderr


def test_an_address_in_use_is_named(serve, upstream):
    serve.run("keys", "init", "--state", "state")
    taken = upstream.removeprefix("http://")
    answer = serve.run("serve", "--rules", "rules", "--state", "state", "--listen", taken, "--admin", "127.0.0.1:0")
    assert answer.returncode == 1
    assert f"{taken}: Address already in use" in answer.stderr


def test_help_names_every_option():
    text = CliRunner().invoke(root, ["serve", "--help"]).output
    for option in ("--config", "--rules", "--state", "--upstream", "--listen", "--admin", "--workers", "--json"):
        assert option in text


def test_a_summary_counts_and_quotes_nothing():
    metrics = Metrics()
    assert list(_summary(metrics.snapshot())) == ["0 exchanges"]
    metrics.route("observed").exchange(200, 0.1)
    metrics.route("observed").exchange(404, 0.1)
    metrics.route("observed").message("request", recorded=True)
    metrics.route("observed").message("response", recorded=False)
    assert list(_summary(metrics.snapshot())) == [
        "2 exchanges",
        "status 200: 1, 404: 1",
        "1 requests held values that an empty policy would drop",
    ]


def test_a_file_for_egress_alone_is_not_served(tmp_path):
    (tmp_path / "gateway.yaml").write_text(
        "version: 1\nrules: rules\nstate: state\n"
        "egress: {proxy: [{listen: '127.0.0.1:0'}], applications: {shop: {from: [127.0.0.0/8]}}}\n"
    )
    result = CliRunner().invoke(root, ["serve", "-c", str(tmp_path / "gateway.yaml")])
    assert [each.code for each in result.exception.diagnostics] == ["PG911"]
