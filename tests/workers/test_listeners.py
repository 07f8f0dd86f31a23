"""TLS and its renewal, client certificates, unix sockets, shared and inherited sockets."""

import asyncio
import datetime as dt
import os
import shutil
import socket
import ssl

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from data_port import data_port

from gateway.runtime.settings import Listener, Tls
from gateway.workers.listeners import ListenerSet

GET = b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"


class Issued:
    """A certificate for `name` in PEM files, signed by itself or by `issuer`."""

    def __init__(self, directory, name, issuer=None):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = dt.datetime.now(dt.UTC)
        self.name, self.private = subject, key
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.name if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .sign(issuer.private if issuer else key, hashes.SHA256())
        )
        self.serial = certificate.serial_number
        self.certificate = str(directory / "cert.pem")
        self.key = str(directory / "key.pem")
        encoding = serialization.Encoding.PEM
        (directory / "cert.pem").write_bytes(certificate.public_bytes(encoding))
        (directory / "key.pem").write_bytes(
            key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )


def issue(directory, name="shop.example", issuer=None):
    directory.mkdir(exist_ok=True)
    return Issued(directory, name, issuer)


def trusting(issued, *, client=None):
    context = ssl.create_default_context(cafile=issued.certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    return context


def tls_of(issued, **more):
    return Tls(certificate=issued.certificate, key=issued.key, **more)


async def test_tls(tmp_path):
    issued = issue(tmp_path / "a")
    async with data_port(tls=tls_of(issued)) as port:
        client = await port.connect(context=trusting(issued), name="shop.example")
        connection = client.writer.get_extra_info("ssl_object")
        assert connection.selected_alpn_protocol() == "http/1.1"
        await client.send(GET)
        assert (await client.answer()).body == b"ok"
        await client.send(GET.replace(b"shop.example", b"other.example"))
        answer = await client.answer()
        assert (answer.status, answer.code) == (421, "host_unknown")
        assert len(port.upstream.requests) == 1


async def test_old_tls_is_refused(tmp_path):
    issued = issue(tmp_path / "a")
    context = trusting(issued)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with data_port(tls=tls_of(issued)) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await port.connect(context=context, name="shop.example")


async def test_renewed_certificates_serve_new_handshakes_only(tmp_path):
    old = issue(tmp_path / "a")
    old_trust = trusting(old)
    async with data_port(tls=tls_of(old)) as port:
        before = await port.connect(context=old_trust, name="shop.example")
        new = issue(tmp_path / "a")
        port.server.reload_certificates()
        await before.send(GET)
        assert (await before.answer()).status == 200
        after = await port.connect(context=trusting(new), name="shop.example")
        await after.send(GET)
        assert (await after.answer()).status == 200
        with pytest.raises(ssl.SSLError):
            await port.connect(context=old_trust, name="shop.example")


async def test_a_broken_renewal_changes_nothing(tmp_path):
    issued = issue(tmp_path / "a")
    trust = trusting(issued)
    other = issue(tmp_path / "b")
    async with data_port(tls=tls_of(issued)) as port:
        shutil.copy(other.key, issued.key)
        with pytest.raises(OSError):
            port.server.reload_certificates()
        client = await port.connect(context=trust, name="shop.example")
        await client.send(GET)
        assert (await client.answer()).status == 200


async def test_clients_must_show_a_certificate_of_the_ca(tmp_path):
    issued = issue(tmp_path / "a")
    authority = issue(tmp_path / "ca", "authority")
    member = issue(tmp_path / "member", "member", authority)
    async with data_port(tls=tls_of(issued, client_ca=authority.certificate)) as port:
        client = await port.connect(context=trusting(issued, client=member), name="shop.example")
        await client.send(GET)
        assert (await client.answer()).status == 200
        stranger = await port.connect(context=trusting(issued, client=issued), name="shop.example")
        stranger.writer.write(GET)
        with pytest.raises((ConnectionError, ssl.SSLError, asyncio.IncompleteReadError)):
            await stranger.answer()
        assert len(port.upstream.requests) == 1


async def test_a_unix_socket_is_made_and_removed(tmp_path):
    path = tmp_path / "data.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    async with data_port(path=str(path), connections_per_client=1) as port:
        assert port.server.addresses == [str(path)]
        for _ in range(2):
            client = await port.connect()
            await client.send(GET)
            assert (await client.answer()).status == 200
    assert not path.exists()


async def test_a_unix_socket_in_use_is_left_alone(tmp_path):
    path = tmp_path / "data.sock"
    async with data_port(path=str(path)):
        with pytest.raises(OSError):
            await ListenerSet((Listener("", path=str(path)),), 10).open(asyncio.Protocol)
        assert path.is_socket()


async def test_workers_share_a_port():
    first = ListenerSet((Listener("127.0.0.1", 0),), 10)
    await first.open(asyncio.Protocol)
    (address,) = first.addresses
    second = ListenerSet((Listener(*address),), 10)
    await second.open(asyncio.Protocol)
    assert second.addresses == [address]
    first.close()
    second.close()


async def test_an_inherited_socket_is_used():
    inherited = socket.create_server(("127.0.0.1", 0))
    descriptor = os.dup(inherited.fileno())
    listeners = ListenerSet((Listener("127.0.0.1", 1),), 10, (descriptor,))
    await listeners.open(asyncio.Protocol)
    assert listeners.addresses == [inherited.getsockname()]
    listeners.close()
    inherited.close()


def test_a_turn_of_the_loop_takes_many_connections():
    async def turns_until_all_are_taken(number):
        taken = []
        listeners = ListenerSet((Listener("127.0.0.1", 0),), number)
        await listeners.open(lambda: taken.append(1) or asyncio.Protocol())
        (address,) = listeners.addresses
        clients = [socket.create_connection(address) for _ in range(number)]
        turns = 0
        while len(taken) < number:
            turns += 1
            await asyncio.sleep(0)
        listeners.close()
        for client in clients:
            client.close()
        return turns

    assert uvloop.run(turns_until_all_are_taken(64)) < 16


async def test_ipv6():
    listeners = ListenerSet((Listener("::1", 0),), 10)
    await listeners.open(asyncio.Protocol)
    assert listeners.addresses[0][0] == "::1"
    listeners.close()
