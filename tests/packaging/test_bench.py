import asyncio
import http.client
import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
needs_nginx = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")


@pytest.fixture(autouse=True)
def bench_on_path(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))


def test_documents_have_about_the_size_they_should_and_lose_three_fields(tmp_path):
    import bodies

    documents = bodies.write_documents(tmp_path / "files")

    for name, size in bodies.SIZES.items():
        text = (tmp_path / "files" / bodies.file_of(name)).read_text()
        assert abs(len(text) - size) < 100, name
        assert json.loads(text) == documents[name]
        assert documents[name].keys() - bodies.stripped(documents[name]).keys() == set(bodies.STRIPPED)
    assert (tmp_path / "files" / "blob.bin").stat().st_size == bodies.BLOB_BYTES


@needs_nginx
@pytest.mark.parametrize("kind", ["upstream", "plain_proxy", "lua_proxy"])
def test_nginx_accepts_the_configurations(tmp_path, kind):
    import nginx_conf

    if kind == "lua_proxy" and nginx_conf.lua_missing():
        pytest.skip(f"not installed: {nginx_conf.lua_missing()}")
    options = {"root": tmp_path} if kind == "upstream" else {"upstream_port": 1}
    command = getattr(nginx_conf, kind)(tmp_path / "nginx", port=8, **options)

    done = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("routes", [0, 10])
def test_the_rules_have_no_finding(tmp_path, routes):
    import gateway_rules

    from gateway.runtime.reload import load_directory

    gateway_rules.write_rules(tmp_path / "rules", upstream_port=8000, routes=routes)
    policy, warnings = load_directory(tmp_path / "rules")

    assert warnings == []
    assert len(policy.routes) == routes + 2
    for route in range(routes):
        match = policy.router.find("GET", "127.0.0.1:8000", gateway_rules.path_of(route).encode())
        assert match.route.name == f"r{route}"


class Stalling:
    """Answers each request, the first only after a pause, in which everything else has to wait."""

    def __init__(self, pause, coded):
        self.pause, self.coded, self.port, self.ready = pause, coded, 0, threading.Event()

    async def answer(self, reader, writer):
        while await reader.readuntil(b"\r\n\r\n"):
            time.sleep(self.pause)  # noqa: ASYNC251 - nobody else is to be served meanwhile
            self.pause = 0
            head = (
                b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
                if self.coded
                else b"Content-Length: 2\r\n\r\nok"
            )
            writer.write(b"HTTP/1.1 200 OK\r\n" + head)

    def start(self):
        async def serve():
            server = await asyncio.start_server(self.answer, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            self.ready.set()
            await asyncio.sleep(3600)

        threading.Thread(target=asyncio.run, args=(serve(),), daemon=True).start()
        assert self.ready.wait(5)


@pytest.mark.parametrize("coded", [False, True])
def test_who_has_to_wait_is_counted_from_when_it_was_due(coded):
    import open_loop

    server = Stalling(0.3, coded)
    server.start()

    found = open_loop.measure(server.port, "/", rate=100, seconds=0.5, connections=4)

    assert found["requests"] == 50
    assert found["failures"] == 0
    # 30 requests were due during the pause, so half of all waited for its end.
    assert found["max"] >= 300
    assert found["p50"] >= 10


def test_cpu_and_memory_of_a_process_with_children_are_added_up():
    import process_tree

    burn = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
    child = burn + "time.sleep(60)"
    parent = f"import subprocess, sys\nc = subprocess.Popen([sys.executable, '-c', {child!r}])\n{burn}c.wait()"
    with subprocess.Popen([sys.executable, "-c", parent]) as process:
        try:
            deadline = time.monotonic() + 20
            while process_tree.cpu_seconds(process.pid) < 0.6 and time.monotonic() < deadline:
                time.sleep(0.05)
            pids = process_tree.tree(process.pid)
            assert len(pids) == 2
            assert process_tree.cpu_seconds(process.pid) >= 0.6
            assert process_tree.resident_bytes(process.pid) > process_tree.resident_bytes(pids[1]) > 1_000_000
        finally:
            for pid in reversed(process_tree.tree(process.pid)):
                subprocess.run(["kill", str(pid)], check=False)


def test_the_plain_aiohttp_peer_strips(tmp_path):
    import bodies
    import process_tree

    (tmp_path / "one.json").write_text(json.dumps(bodies.document(900)))
    files, port = process_tree.free_port(), process_tree.free_port()
    serving = [sys.executable, "-m", "http.server", str(files), "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    proxying = [sys.executable, str(BENCH / "aiohttp_proxy.py"), str(port), f"http://127.0.0.1:{files}"]
    upstream = process_tree.Server(serving, port=files, log=tmp_path / "files.log", core=None)
    proxy = process_tree.Server(proxying, port=port, log=tmp_path / "proxy.log", core=None)
    try:
        upstream.wait(20)
        proxy.wait(20)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/one.json")
        content = connection.getresponse().read()
        connection.close()
    finally:
        proxy.stop()
        upstream.stop()

    assert json.loads(content) == bodies.stripped(bodies.document(900))
