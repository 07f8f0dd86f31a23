"""TLS towards upstreams: verified or refused, on asyncio's loop and on uvloop's."""

import asyncio
import datetime as dt
import ipaddress
import ssl

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from scripted_upstream import OK, answering, scripted

from gateway.model.errors import Fault
from gateway.model.limits import DEFAULT_LIMITS
from gateway.upstream import UpstreamPool, UpstreamTls, parse_upstream, upstream_ssl_context

HOST = [(b"Host", b"shop.example")]
NOW = dt.datetime.now(dt.UTC)
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Authority:
    """A certificate authority for one test session."""

    def __init__(self, directory):
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.file = directory / "ca.pem"
        certificate = self.build(self.name, self.key.public_key(), ca=True)
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def build(self, name, public_key, *, ca=False, names=(), days=1):
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - dt.timedelta(days=2))
            .not_valid_after(NOW + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        if ca:
            usage = x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            )
            builder = builder.add_extension(usage, critical=True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, common_name, *names, days=1):
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        certificate = self.build(name, key.public_key(), names=names, days=days)
        file = self.directory / f"{common_name}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        return file


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server_file(authority):
    names = x509.DNSName("shop.internal"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    return authority.issue("server", *names)


def server_context(file, *, clients=None, newest=None):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    context.set_alpn_protocols(["h2", "http/1.1"])
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
    if newest is not None:
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = newest
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@pytest.fixture(params=LOOPS.values(), ids=LOOPS)
def run(request):
    """Run a coroutine on the loop of the parameter."""
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner.run


async def exchange(script, context, tls, *, host="127.0.0.1", method="GET"):
    async with scripted(script, context=context) as server:
        pool = UpstreamPool(parse_upstream(server.url("https", host), tls), DEFAULT_LIMITS)
        try:
            response = await pool.request(method, b"/", HOST)
            return await response.read(10_000_000)
        finally:
            pool.abort()


def fault_of(run, *arguments, **options):
    with pytest.raises(Fault) as caught:
        run(exchange(*arguments, **options))
    return caught.value.code


def test_verified_upstream(run, authority, server_file):
    seen = []

    async def script(server, reader, writer):
        seen.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        seen.append(writer.get_extra_info("ssl_object").version() in ("TLSv1.2", "TLSv1.3"))
        await answering(OK)(server, reader, writer)

    tls = UpstreamTls(ca=authority.file)
    assert run(exchange(script, server_context(server_file), tls)) == b"ok"
    assert seen == ["http/1.1", True]


def test_server_name_is_what_is_verified(run, authority, server_file):
    seen = []
    context = server_context(server_file)
    context.sni_callback = lambda _socket, name, _context: seen.append(name)
    tls = UpstreamTls(ca=authority.file, server_name="shop.internal")
    assert run(exchange(answering(OK), context, tls)) == b"ok"
    assert seen == ["shop.internal"]
    tls = UpstreamTls(ca=authority.file, server_name="other.internal")
    assert fault_of(run, answering(OK), context, tls) == "upstream_tls"


def test_unknown_authority_and_expired_certificate_are_refused(run, authority, server_file):
    assert fault_of(run, answering(OK), server_context(server_file), UpstreamTls()) == "upstream_tls"
    expired = authority.issue("expired", x509.IPAddress(ipaddress.ip_address("127.0.0.1")), days=-1)
    tls = UpstreamTls(ca=authority.file)
    assert fault_of(run, answering(OK), server_context(expired), tls) == "upstream_tls"


def test_upstream_without_tls_is_refused(run, authority):
    async def plain(server, reader, writer):
        await reader.read(10)
        writer.write(OK)

    assert fault_of(run, plain, None, UpstreamTls(ca=authority.file)) == "upstream_tls"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_is_refused(run, authority, server_file):
    context = server_context(server_file, newest=ssl.TLSVersion.TLSv1_1)
    assert fault_of(run, answering(OK), context, UpstreamTls(ca=authority.file)) == "upstream_tls"


def test_client_certificate(run, authority, server_file):
    client = authority.issue("client")
    context = server_context(server_file, clients=authority.file)
    tls = UpstreamTls(ca=authority.file, certificate=client)
    assert run(exchange(answering(OK), context, tls)) == b"ok"
    # In TLS 1.3 the refusal comes after the handshake, instead of an answer.
    assert fault_of(run, answering(OK), context, UpstreamTls(ca=authority.file)) in ("upstream_tls", "upstream_broken")


def test_end_without_close_notify_truncates(run, authority, server_file):
    """RFC 9112 section 9.8: only TLS's own end tells a whole body from a cut one."""

    async def cut(server, reader, writer):
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.transport.abort()

    async def whole(server, reader, writer):
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        writer.close()

    tls = UpstreamTls(ca=authority.file)
    assert fault_of(run, cut, server_context(server_file), tls) == "upstream_broken"
    assert run(exchange(whole, server_context(server_file), tls)) == b"all of it"


def test_large_body_over_tls_in_pieces(run, authority, server_file):
    async def large(server, reader, writer):
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n" + b"x" * 4_000_000)
        await writer.drain()
        await reader.read()

    async def main():
        async with scripted(large, context=server_context(server_file)) as server:
            tls = UpstreamTls(ca=authority.file)
            pool = UpstreamPool(parse_upstream(server.url("https"), tls), DEFAULT_LIMITS)
            response = await pool.request("GET", b"/", HOST)
            await asyncio.sleep(0.05)
            total = 0
            async for piece in response:
                total += len(piece)
            assert pool.stats.idle == 1
            pool.abort()
            return total

    assert run(main()) == 4_000_000


def test_idle_connection_over_tls_is_reused(run, authority, server_file):
    async def main():
        async with scripted(answering(OK), context=server_context(server_file)) as server:
            tls = UpstreamTls(ca=authority.file)
            pool = UpstreamPool(parse_upstream(server.url("https"), tls), DEFAULT_LIMITS)
            for _ in range(3):
                assert await (await pool.request("GET", b"/", HOST)).read(10) == b"ok"
            assert pool.stats.connects == 1
            pool.abort()

    run(main())


def test_tls_identity_is_part_of_the_upstream(authority):
    client = authority.issue("other client")
    plain = parse_upstream("https://a", UpstreamTls(ca=authority.file))
    shown = parse_upstream("https://a", UpstreamTls(ca=authority.file, certificate=client))
    assert plain != shown
    assert plain.ssl.verify_mode is ssl.CERT_REQUIRED
    assert plain.ssl.check_hostname
    assert plain.ssl.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("role", ["ca", "certificate", "key"])
def test_unusable_files_say_which_and_nothing_more(role, tmp_path, authority, server_file):
    broken = tmp_path / "secret.pem"
    broken.write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    files = {"certificate": server_file, role: broken} if role == "key" else {role: broken}
    with pytest.raises(ValueError, match="cannot be used") as caught:
        upstream_ssl_context(UpstreamTls(**files))
    assert "c2VjcmV0" not in str(caught.value)
    with pytest.raises(ValueError):
        upstream_ssl_context(UpstreamTls(**{"certificate": server_file, role: tmp_path / "absent.pem"}))


def test_key_without_certificate(server_file):
    with pytest.raises(ValueError, match="needs its client certificate"):
        upstream_ssl_context(UpstreamTls(key=server_file))
