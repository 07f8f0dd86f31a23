import fnmatch
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request
import venv
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from gateway.cli.demo_stage import copy_rules

ROOT = Path(__file__).parents[2]


def instructions():
    """The Dockerfile as (name, rest) pairs: comments gone, continued lines joined."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(None, 1)) for line in joined.splitlines() if line.strip()]


def stages():
    """Lists of instructions, one for each FROM."""
    found = []
    for name, rest in instructions():
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest))
    return found


def of(stage, name):
    return [rest for found, rest in stage if found == name]


def test_only_known_instructions_and_pinned_bases():
    known = {
        "FROM", "WORKDIR", "COPY", "RUN", "LABEL", "ENV", "USER", "VOLUME",
        "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD",
    }  # fmt: skip

    assert {name for name, _ in instructions()} <= known
    assert len(stages()) == 2
    assert all(re.match(r"python:3\.13-slim( AS \w+)?$", base) for stage in stages() for base in of(stage, "FROM"))


def test_what_is_copied_exists_and_reaches_the_builder():
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    built = [rest.partition(" AS ")[2] for rest in of(instructions(), "FROM") if " AS " in rest]

    for rest in of(instructions(), "COPY"):
        flags = [word for word in rest.split() if word.startswith("--")]
        sources = [word for word in rest.split() if not word.startswith("--")][:-1]
        origin = next((flag.removeprefix("--from=") for flag in flags if flag.startswith("--from=")), None)
        if origin is not None:
            assert origin in built
            continue
        for source in sources:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignored, source


def test_secrets_and_state_never_reach_the_builder():
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]

    def sent(path):
        verdict = True
        for pattern in patterns:
            if fnmatch.fnmatch(path, pattern.removeprefix("!").removeprefix("**/")):
                verdict = pattern.startswith("!")
        return verdict

    assert not any(sent(path) for path in (".git", ".env", "state", ".venv", "tests", "bench"))
    assert sent("gateway")


def test_the_last_stage_runs_without_privileges():
    last = stages()[-1]

    assert of(last, "USER") == ["10001:10001"]
    assert of(last, "RUN") == []
    assert of(last, "VOLUME") == ["/state"]
    assert of(last, "STOPSIGNAL") == ["SIGTERM"]
    assert "--chown=10001:10001 /empty/state /state" in " ".join(of(last, "COPY"))
    assert json.loads(of(last, "ENTRYPOINT")[0]) == ["privacy-gateway"]
    assert json.loads(of(last, "CMD")[0]) == ["serve", "-c", "/etc/privacy-gateway/gateway.yaml"]


class Health(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self):
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_):
        pass


def health_check(url):
    last = stages()[-1]
    command = json.loads(of(last, "HEALTHCHECK")[0].partition("CMD ")[2])
    assert command[0] == "python"
    environment = dict(os.environ, HEALTH_URL=url)
    return subprocess.run([sys.executable, *command[1:]], env=environment, capture_output=True, check=False).returncode


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_health_check_believes_the_status(status, healthy):
    handler = type("Handler", (Health,), {"status": status})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        code = health_check(f"http://127.0.0.1:{server.server_port}/healthz")
        server.shutdown()

    assert (code == 0) is healthy


def test_the_health_check_fails_where_nobody_answers():
    with HTTPServer(("127.0.0.1", 0), Health) as server:
        port = server.server_port

    assert health_check(f"http://127.0.0.1:{port}/healthz") != 0


def test_the_health_url_is_the_default_admin_listener():
    from gateway.runtime.settings import Settings

    listener = Settings(listeners=(), state="").admin
    environment = " ".join(of(stages()[-1], "ENV"))

    assert f"HEALTH_URL=http://{listener.host}:{listener.port}/healthz" in environment


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The first stage run as it stands, with a clean environment's Python and its directories below a temporary one."""
    root = tmp_path_factory.mktemp("image")
    venv.create(root / "python", with_pip=True)
    stage = stages()[0]
    workdir = root / of(stage, "WORKDIR")[0].lstrip("/")
    for rest in of(stage, "COPY"):
        *sources, _target = rest.split()
        for source in sources:
            target = workdir / source
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, target)
    path = f"{root / 'python' / 'bin'}:{os.environ['PATH']}"
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    for step in of(stage, "RUN"):
        placed = re.sub(r"(?<=\s)/(?=[a-z])", f"{shlex.quote(str(root))}/", f" {step}")
        done = subprocess.run(
            ["sh", "-ec", placed],
            cwd=workdir,
            env=environment | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{step}\n{done.stderr[-3000:]}"
    return root


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_step_of_the_build_works(image):
    assert (image / "empty" / "state").stat().st_mode & 0o777 == 0o700
    assert list((image / "wheels").glob("privacy_gateway-*.whl"))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_wheel_holds_all_that_the_demo_needs(image):
    (wheel,) = (image / "wheels").glob("privacy_gateway-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())

    assert {
        "gateway/rules/examples/shop/shop.yaml",
        "gateway/shop/static/shop.css",
        "gateway/shop/static/shapes.svg",
        "gateway/py.typed",
    } <= names
    assert not [name for name in names if name.startswith(("tests/", "bench/"))]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "command",
    [
        ["privacy-gateway", "--version"],
        ["privacy-gateway", "serve", "--help"],
        ["python", "-m", "gateway", "--help"],
        ["python", "-m", "gateway.shop", "--help"],
    ],
)
def test_the_entry_point_starts(image, command, tmp_path):
    program = image / "opt" / "gateway" / "bin" / command[0]

    done = subprocess.run(
        [program, *command[1:]],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_services_of_the_compose_file_work_together(image, tmp_path):
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    services = compose["services"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    copy_rules(tmp_path / "rules", f"http://{listen}")
    places = {
        "/state": str(tmp_path / "state"),
        "/etc/privacy-gateway": str(tmp_path),
        "127.0.0.1:8000": listen,
        "0.0.0.0:8080": "127.0.0.1:0",
        "127.0.0.1:9100": "127.0.0.1:0",
    }
    environment = {"PATH": f"{image / 'opt' / 'gateway' / 'bin'}:/usr/bin:/bin", "PYTHONUNBUFFERED": "1"}

    def here(text):
        for written, instead in places.items():
            text = text.replace(written, instead)
        return text

    def words(name, default):
        service = services[name]
        return json.loads(here(json.dumps([*service.get("entrypoint", default), *service.get("command", ())])))

    def start(command):
        return subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)

    (tmp_path / "gateway.yaml").write_text(here(compose["configs"]["gateway"]["content"]))
    for _ in range(2):
        assert subprocess.run(words("keys", ()), cwd=tmp_path, env=environment, check=False).returncode == 0
    with start([*words("shop", ())]) as shop, start([*words("gateway", ["privacy-gateway"]), "--json"]) as gateway:
        try:
            assert shop.stdout.readline()
            ready = json.loads(gateway.stdout.readline())
            with urllib.request.urlopen(f"{ready['listeners'][0]}/api/orders", timeout=10) as answer:
                orders = json.load(answer)
            with urllib.request.urlopen(f"{ready['listeners'][0]}/privacy", timeout=10) as answer:
                asked = answer.read().decode()
            healthy = health_check(f"{ready['admin']}/healthz")
        finally:
            shop.terminate()
            gateway.terminate()

    assert ready["workers"] == 2
    assert orders["items"][0]["customer"]["email"].startswith("p1.")
    assert "See how the shop is used" in asked
    assert healthy == 0
    assert gateway.returncode == 0
