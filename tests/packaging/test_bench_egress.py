"""The bench of outgoing calls: how it gets to servers, what it counts, and that what it measures does the work."""

import asyncio
import base64
import json
import shutil
import ssl
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from certificates import write_certificate

from gateway.runtime.reload import load_directory

BENCH = __file__.rpartition("/tests/")[0] + "/bench"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CREDENTIALS = ("shop", "a secret")


@pytest.fixture(autouse=True)
def bench_on_path(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)


class Proxy:
    """A partner with TLS, and a proxy before it that takes one pair of credentials."""

    def __init__(self, folder):
        self.ca, key = write_certificate(folder, "localhost")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.ca, key)
        self.heads = []
        self.ready = threading.Event()
        threading.Thread(target=asyncio.run, args=(self.serve(),), daemon=True).start()
        assert self.ready.wait(5)

    async def partner(self, reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head)
                writer.write(OK)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def proxy(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        proof = b"Proxy-Authorization: Basic " + base64.b64encode(":".join(CREDENTIALS).encode())
        if not head.startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % self.port) or proof not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(self.pump(reader, inner_writer), self.pump(inner_reader, writer))

    @staticmethod
    async def pump(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
        except ConnectionError:
            pass
        writer.close()

    async def serve(self):
        partner = await asyncio.start_server(self.partner, "127.0.0.1", 0, ssl=self.context)
        proxy = await asyncio.start_server(self.proxy, "127.0.0.1", 0)
        self.port, self.proxied = (each.sockets[0].getsockname()[1] for each in (partner, proxy))
        self.ready.set()
        await asyncio.sleep(3600)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    return Proxy(tmp_path_factory.mktemp("bench"))


REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def ways(proxy):
    from ways import Way

    return {"tls": Way(proxy.port, proxy.ca), "tunnel": Way(proxy.port, proxy.ca, proxy.proxied, CREDENTIALS)}


@pytest.mark.parametrize("way", ["tls", "tunnel"])
def test_load_at_a_fixed_rate_goes_each_way(proxy, way):
    import open_loop

    before = len(proxy.heads)
    found = open_loop.run(open_loop.Load(ways(proxy)[way], REQUEST, rate=100, seconds=0.3, connections=4))

    assert (found["requests"], found["failures"]) == (30, 0)
    assert len(proxy.heads) - before == 30


def test_load_through_a_tunnel_counts_answers_and_what_the_meter_says_after_the_handshakes(proxy):
    import tunnel_load

    before, read = len(proxy.heads), []

    def meter():
        read.append(len(proxy.heads))
        return float(len(read))

    found = tunnel_load.run(ways(proxy)["tunnel"], REQUEST, seconds=0.3, connections=4, meter=meter)

    assert found["failures"] == 0
    assert found["requests"] > 4
    assert read[0] == before
    assert before + found["requests"] <= len(proxy.heads) <= before + found["requests"] + 4
    assert found["spent"] == 1


def test_a_proxy_that_opens_no_tunnel_ends_the_run(proxy):
    import tunnel_load
    from ways import Way

    with pytest.raises(ConnectionError, match="407"):
        tunnel_load.run(
            Way(proxy.port, proxy.ca, proxy.proxied), REQUEST, seconds=0.1, connections=1, meter=lambda: 0.0
        )


@pytest.mark.parametrize(("stripped", "judged"), [(True, True), (False, False)])
def test_a_server_that_does_not_strip_is_not_measured(monkeypatch, stripped, judged):
    import bodies
    import egress
    import egress_servers

    body = json.dumps(bodies.stripped(json.loads(egress.BODY)) if stripped else json.loads(egress.BODY))

    async def answered(_way, _raw):
        return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()

    monkeypatch.setattr(egress, "ask", answered)
    between = egress_servers.Between(None, None)
    if judged:
        egress.verify(egress_servers.PROXY, between, "localhost:1")
    else:
        egress.verify(egress_servers.BARE, between, "localhost:1")
        with pytest.raises(SystemExit, match="does not receive what it should"):
            egress.verify(egress_servers.PROXY, between, "localhost:1")


def test_aims_are_ratios_of_the_same_round():
    import egress
    import egress_servers as servers

    cpu = {servers.BARE: [100.0, 1000.0, 100.0], servers.PROXY: [119.0, 1190.0, 500.0]}
    run = SimpleNamespace(cpu_us={**cpu, servers.INGRESS: [10.0, 10.0, 10.0], servers.RELAY: [13.0, 13.0, 13.0]})

    assert egress.ratio(run, servers.PROXY, servers.BARE) == 1.19
    (missed,) = egress.missed(run)
    assert servers.RELAY in missed
    assert "1.30" in missed


def test_the_addon_takes_three_fields_out_of_what_is_sent():
    import bodies
    import mitmproxy_egress_addon

    request = SimpleNamespace(headers={"content-type": "application/json"}, content=json.dumps(bodies.document(900)))
    mitmproxy_egress_addon.request(SimpleNamespace(request=request))

    assert json.loads(request.content) == bodies.stripped(bodies.document(900))


def test_the_rules_have_no_finding(tmp_path):
    import egress_servers

    egress_servers.write_rules(tmp_path / "rules", "localhost:8443")
    policy, warnings = load_directory(tmp_path / "rules")

    assert warnings == []
    assert policy.router.find("POST", "localhost:8443", egress_servers.SEND.encode()).route.name == "calls"


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_nginx_accepts_the_partner(tmp_path):
    import nginx_conf

    certificate, key = write_certificate(tmp_path, "localhost")
    command = nginx_conf.partner(tmp_path / "nginx", port=8, certificate=certificate, key=key, echo_port=9)
    done = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_without_what_it_needs_it_says_so():
    done = subprocess.run(
        [sys.executable, f"{BENCH}/egress.py", "--quick"], env={"PATH": ""}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert "apt-get install nginx wrk openssl" in done.stderr
