import asyncio
import signal
import socket
import ssl
from pathlib import Path

import msgspec
import pytest
import structlog
from certificates import write_certificate
from cryptography import x509
from cryptography.x509.oid import NameOID

from gateway.ingress.port import IngressPort
from gateway.model.limits import DEFAULT_LIMITS
from gateway.runtime.reload import keep_policy, load_directory, today
from gateway.runtime.settings import Listener, Settings, Tls
from gateway.stores.keyfile import create_keys
from gateway.workers.control import Adopt, Channel, Done, Drain, Failed, LoadCertificates, Report, Start, Status
from gateway.workers.member import Member
from gateway.workers.worker import Worker

RULES = """\
version: 1
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
      rest: {body: REST, headers: pass}
    response: {rest: pass}
"""
BODY = b'{"email":"ada@example.org","phone":"555"}'
PATIENCE = 30.0


class Upstream:
    """Keeps what it gets and answers 200; while `hold` is set it reads and never answers."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.arrived = asyncio.Event()
        self.hold = False
        self.released = asyncio.Event()
        self.url = ""

    async def start(self):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def serve(self, reader, writer) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
                )
                self.received.append(head + await reader.readexactly(length))
                self.arrived.set()
                if self.hold:
                    await self.released.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


class Bench:
    """One state directory, one kept policy, and members started on it."""

    def __init__(self, folder: Path, upstream: Upstream) -> None:
        self.state, self.rules, self.upstream = folder / "state", folder / "rules", upstream
        self.rules.mkdir()
        create_keys(self.state)
        self.members: list[Member] = []
        self.port = 0

    def policy(self, rest: str = "drop") -> str:
        text = RULES.replace("UPSTREAM", self.upstream.url).replace("REST", rest)
        (self.rules / "shop.yaml").write_text(text)
        policy, _ = load_directory(self.rules)
        keep_policy(self.state, policy)
        return policy.digest

    async def spawn(self, **changes) -> tuple[Member, object]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        settings = Settings(
            listeners=(Listener("127.0.0.1", self.port),),
            state=str(self.state),
            rules=str(self.rules),
            limits=msgspec.structs.replace(DEFAULT_LIMITS, drain_timeout=20.0, lingering_time=0.1),
            log_level="error",
        )
        start = Start(msgspec.structs.replace(settings, **changes), "w0", self.policy(), today())
        member = await Member.spawn()
        self.members.append(member)
        return member, await member.ask(start, PATIENCE)

    async def post(self) -> bytes:
        reader, writer = await self.begin()
        answer = await reader.read()
        writer.close()
        return answer

    async def begin(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(
            b"POST / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
        )
        return reader, writer

    def records(self) -> list[dict]:
        folder = self.state / "audit" / "w0"
        files = sorted([*folder.glob("sealed/seg-*.jsonl"), *folder.glob("seg-*.jsonl")])
        return [msgspec.json.decode(line) for file in files for line in file.read_bytes().rstrip(b"\0").splitlines()]

    def kinds(self) -> list[str]:
        return [record["kind"] for record in self.records() if record["kind"] != "checkpoint"]


@pytest.fixture
async def bench(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    upstream = Upstream()
    server = await upstream.start()
    one = Bench(tmp_path, upstream)
    yield one
    for member in one.members:
        await member.end_within(0)
        await member.exit_status()
    upstream.released.set()
    server.close()


async def test_it_serves_reports_and_ends_with_its_ledger_closed(bench):
    member, answer = await bench.spawn()
    assert answer == Done(bench.policy())
    assert (await bench.post()).startswith(b"HTTP/1.1 200 ")
    assert b"ada@example.org" in bench.upstream.received[0]
    assert b"555" not in bench.upstream.received[0]
    status = await member.ask(Report(), PATIENCE)
    assert (status.policy, status.ledger, status.consent) == (answer.policy, True, True)
    assert status.metrics.exchanges == (("all", 200, 1),)
    last = await member.ask(Drain(), PATIENCE)
    assert isinstance(last, Status)
    assert await member.exit_status() == 0
    assert bench.kinds() == ["open", "policy", "collect", "count", "close"]


class ClosingPages:
    """Notes what the log still takes when it is closed."""

    body_limit = 0

    def __init__(self, gateway):
        self.gateway, self.closed = gateway, []

    def owns(self, target):
        return target == b"/own"

    def close(self):
        self.closed.append(self.gateway.services.ledger_healthy())


async def test_the_pages_of_its_own_end_with_it_and_before_its_stores(tmp_path):
    bench, made = Bench(tmp_path, Upstream()), []
    bench.upstream.url = "http://127.0.0.1:9"
    settings = Settings(listeners=(Listener("127.0.0.1", 0),), state=str(bench.state), rules=str(bench.rules))
    start = Start(settings, "w0", bench.policy(), today())

    def own_pages(_, gateway):
        made.append(ClosingPages(gateway))
        return made[0]

    worker = await Worker.open(
        start, structlog.get_logger(), lambda settings, gateway, _log: IngressPort(settings, gateway, own_pages)
    )
    here, there = socket.socketpair()
    there.close()
    assert await worker.serve(await Channel.open(here)) == 0
    assert made[0].closed == [True]


async def test_a_policy_is_recorded_before_it_is_in_force(bench):
    member, first = await bench.spawn()
    digest = bench.policy("pass")
    assert await member.ask(Adopt(digest, today()), PATIENCE) == Done(digest)
    assert (await bench.post()).startswith(b"HTTP/1.1 200 ")
    assert b"555" in bench.upstream.received[0]
    await member.ask(Drain(), PATIENCE)
    assert [record["policy"] for record in bench.records() if record["kind"] in ("policy", "collect")] == [
        first.policy,
        digest,
        digest,
    ]


@pytest.mark.parametrize("fault", ["missing", "changed"])
async def test_a_policy_that_cannot_be_loaded_leaves_the_old_one_in_force(bench, fault):
    member, first = await bench.spawn()
    digest = bench.policy("pass")
    path = bench.state / "policies" / f"{digest}.json"
    if fault == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes().replace(b"contract", b"consent"))
    assert isinstance(await member.ask(Adopt(digest, today()), PATIENCE), Failed)
    assert (await member.ask(Report(), PATIENCE)).policy == first.policy
    await bench.post()
    assert b"555" not in bench.upstream.received[0]


async def test_without_its_supervisor_it_finishes_what_is_under_way_and_ends(bench):
    member, _ = await bench.spawn()
    await bench.post()
    await member._channel.close()
    assert await member._process.wait() == 0
    assert bench.kinds()[-1] == "close"


async def test_sigterm_drains_and_a_second_one_cuts_off(bench):
    member, _ = await bench.spawn()
    bench.upstream.hold = True
    _, writer = await bench.begin()
    async with asyncio.timeout(PATIENCE):
        await bench.upstream.arrived.wait()
        member.send_signal(signal.SIGTERM)
        while not await refuses_connections(bench.port):
            pass
        assert member._process.returncode is None
        member.send_signal(signal.SIGTERM)
        assert await member.exit_status() == 0
    writer.close()
    assert bench.kinds()[-1] == "close"


async def refuses_connections(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        # It was in the queue of a listener that closed.
        return False
    writer.close()
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
async def test_signals_for_the_whole_group_are_left_to_the_supervisor(bench, number):
    member, _ = await bench.spawn()
    member.send_signal(number)
    assert isinstance(await member.ask(Report(), PATIENCE), Status)


async def test_without_keys_it_says_what_to_do(bench):
    (bench.state / "keys" / "root.key").unlink()
    member, answer = await bench.spawn()
    assert isinstance(answer, Failed)
    assert "keys init" in answer.why
    assert await member.exit_status() == 1


async def test_an_address_in_use_is_named(bench):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        listener = Listener("127.0.0.1", other.getsockname()[1])
        member, answer = await bench.spawn(listeners=(listener,))
    assert isinstance(answer, Failed)
    assert "in use" in answer.why
    assert await member.exit_status() == 1
    assert bench.kinds() == ["open", "policy", "close"]


async def served_name(port: int) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    shown = x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
    writer.close()
    return shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value


async def test_certificates_are_read_again_and_bad_ones_refused(bench, tmp_path):
    certificate, key = write_certificate(tmp_path, "first", "front")
    tls = Tls(str(certificate), str(key))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    member, first = await bench.spawn(listeners=(Listener("127.0.0.1", port, tls=tls),))
    assert await served_name(port) == "first"
    write_certificate(tmp_path, "second", "front")
    assert await member.ask(LoadCertificates(), PATIENCE) == Done(first.policy)
    assert await served_name(port) == "second"
    certificate.write_text("no certificate")
    assert isinstance(await member.ask(LoadCertificates(), PATIENCE), Failed)
    assert await served_name(port) == "second"


async def test_an_inherited_unix_socket_is_served(bench, tmp_path):
    path = str(tmp_path / "front.sock")
    with socket.socket(socket.AF_UNIX) as front:
        front.bind(path)
        front.listen()
        settings = Settings(
            listeners=(Listener("", path=path, descriptor=front.fileno()),),
            state=str(bench.state),
            rules=str(bench.rules),
        )
        member = await Member.spawn((front.fileno(),))
        bench.members.append(member)
        assert isinstance(await member.ask(Start(settings, "w0", bench.policy(), today()), PATIENCE), Done)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    writer.close()
