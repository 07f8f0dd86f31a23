"""Who the person is, on real connections: certificates over TLS, tokens, a header that others cannot smuggle in."""

import asyncio
import ipaddress
import ssl

import pytest
from certificates import Authority, write_certificate
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from data_port import data_port
from messages import answer_of, ask
from scripted_upstream import answering
from tokens import Issuer, key_server, terms

from gateway.model.identity import CertificatePart
from gateway.model.words import ConsentStatus
from gateway.runtime.settings import Tls
from gateway.runtime.settings_identity import IdentitySettings, TrustedHeader
from gateway.stores.event import ConsentEvent, new_event_id, now_microseconds
from gateway.upstream.hops import Forwarding

ROUTES = """
routes:
  - name: me
    match: {path: /me}
    to: shop
    subject: identity
    request: {rest: pass}
    response:
      fields: {$.phone: {is: contact.phone_number, for: ads, otherwise: drop}}
      rest: pass
  - name: told
    match: {path: /told}
    to: shop
    subject: identity
    postures: {unresolved_subject: drop}
    request: {rest: pass}
    response:
      fields: {$.phone: {is: contact.phone_number, for: ads, otherwise: drop}}
      rest: pass
  - name: form
    match: {path: /form, method: POST}
    to: shop
    subject: identity
    body_limit: 1000
    request:
      fields:
        "part:note": {is: contact.email, for: service}
        "part:photo": {is: biometric, for: ads, otherwise: drop}
      rest: {body: drop, headers: pass, query: pass, cookies: pass}
    response: {rest: pass}
  - name: any
    match: {path: /**}
    to: shop
    request: {rest: pass}
    response: {rest: pass}
"""
PHONE = answer_of(b'{"phone":"0171"}', b"Content-Type: application/json")
ANN = "ann@shop.example"
LOOPBACK = TrustedHeader("x-user", ("127.0.0.0/8",))
ELSEWHERE = TrustedHeader("x-user", ("10.0.0.0/8",))


def port_with(identity, **more):
    return data_port(answering(PHONE), routes=ROUTES, identity=identity, **more)


async def consent(port, name=ANN):
    handle = await port.gateway.services.people.meet(name)
    at = now_microseconds()
    event = ConsentEvent(
        id=new_event_id(at), subject=handle, purpose="ads", status=ConsentStatus.GIVEN, at=at, method="test"
    )
    port.gateway.services.consent.append(event)


def outcome(answer):
    """`whole`, `without` (the field that needs consent), or the code of the refusal."""
    if answer.status != 200:
        return answer.code
    return "whole" if b"0171" in answer.body else "without"


async def outcomes(port, *lines):
    return [outcome(await port.ask(ask(*lines, target=path))) for path in (b"/me", b"/told")]


NOBODY = ["unresolved_subject", "without"]
WHOLE = ["whole", "whole"]
REFUSED = ["without", "without"]


# --- the trusted header -------------------------------------------------------------------------


async def test_a_listed_peer_says_who_it_is():
    async with port_with(IdentitySettings(trusted_header=LOOPBACK)) as port:
        await consent(port)
        assert await outcomes(port, b"X-User: " + ANN.encode()) == WHOLE
        assert await outcomes(port, b"X-User: Ann@Shop.Example ") == WHOLE
        assert await outcomes(port, b"X-User: eve@shop.example") == REFUSED
        assert await outcomes(port) == await outcomes(port, b"X-User: ") == NOBODY


SMUGGLED = (b"X-User", b"x-user", b"X_User", b"x_USER", b"X.User", b"X~User")


@pytest.mark.parametrize("name", SMUGGLED)
async def test_any_other_peer_says_nothing_and_the_upstream_sees_nothing(name):
    async with port_with(IdentitySettings(trusted_header=ELSEWHERE)) as port:
        await consent(port)
        line = name + b": " + ANN.encode()
        assert await outcomes(port, line) == NOBODY
        await port.ask(ask(line, b"X-Other: 1", target=b"/anything"))
        await port.ask(ask(line, target=b"http://shop.example/absolute"))
        client = await port.connect()
        for _ in range(3):  # fields that a client repeats are not judged anew
            await client.send(ask(line, target=b"/repeated"))
            assert (await client.answer()).status == 200
    assert len(port.upstream.requests) == 7
    assert not any(b"user" in request.lower() for request in port.upstream.requests)
    assert b"X-Other: 1" in port.upstream.requests[2]


@pytest.mark.parametrize("name", SMUGGLED[2:])
async def test_variants_do_not_pass_a_listed_peer_either(name):
    async with port_with(IdentitySettings(trusted_header=LOOPBACK)) as port:
        await consent(port, "eve@shop.example")
        line = name + b": eve@shop.example"
        assert await outcomes(port, line) == NOBODY
        assert await outcomes(port, line, b"X-User: " + ANN.encode()) == REFUSED
    assert not any(b"eve" in request for request in port.upstream.requests)


async def test_a_listed_peer_that_says_it_twice_is_refused():
    async with port_with(IdentitySettings(trusted_header=LOOPBACK)) as port:
        answer = await port.ask(ask(b"X-User: eve@shop.example", b"X-User: " + ANN.encode(), target=b"/me"))
        assert (answer.status, answer.code) == (400, "bad_request")
    assert port.upstream.requests == []


async def test_what_a_client_nominates_is_not_said():
    async with port_with(IdentitySettings(trusted_header=LOOPBACK)) as port:
        await consent(port)
        assert await outcomes(port, b"X-User: " + ANN.encode(), b"Connection: X-User") == NOBODY


@pytest.mark.parametrize(("trusted", "expected"), [("127.0.0.0/8", WHOLE), ("10.0.0.0/8", NOBODY)])
async def test_a_name_of_forwarding_needs_a_peer_that_may_forward(trusted, expected):
    header = TrustedHeader("x-forwarded-user", ("127.0.0.0/8",))
    settings = {"forwarding": Forwarding(trusted=(ipaddress.ip_network(trusted),))}
    async with port_with(IdentitySettings(trusted_header=header), settings=settings) as port:
        await consent(port)
        assert await outcomes(port, b"X-Forwarded-User: " + ANN.encode()) == expected
        assert await outcomes(port, b"X_Forwarded_User: " + ANN.encode()) == NOBODY


async def test_a_unix_socket_has_no_peer_that_could_be_listed(tmp_path):
    async with port_with(IdentitySettings(trusted_header=LOOPBACK), path=str(tmp_path / "s")) as port:
        await consent(port)
        assert await outcomes(port, b"X-User: " + ANN.encode()) == NOBODY


async def test_without_the_setting_nothing_is_taken_away():
    async with port_with(IdentitySettings()) as port:
        await port.ask(ask(b"X-User: ann", b"X_User: eve", target=b"/anything"))
        assert await outcomes(port, b"X-User: " + ANN.encode()) == NOBODY
    assert b"X-User: ann" in port.upstream.requests[0]
    assert b"X_User: eve" in port.upstream.requests[0]


# --- tokens -------------------------------------------------------------------------------------


@pytest.fixture
def issuer():
    return Issuer()


def bearer(token):
    return b"Authorization: Bearer " + token


async def test_a_token_says_who_it_is_and_a_bad_one_is_nobody(issuer):
    async with key_server(issuer) as server, port_with(IdentitySettings(token=terms(server.url))) as port:
        await consent(port)
        assert await outcomes(port, bearer(issuer.token(ANN))) == WHOLE
        assert await outcomes(port, bearer(issuer.token("eve@shop.example"))) == REFUSED
        assert await outcomes(port, bearer(Issuer().token(ANN))) == NOBODY
        assert await outcomes(port, bearer(issuer.token(ANN, exp=1))) == NOBODY
        assert await outcomes(port, b"Authorization: Basic YW5uOmFubg==") == NOBODY
        counted = dict(port.gateway.services.metrics.identities)
    assert counted == {("token", "verified"): 4, ("token", "signature"): 2, ("token", "expired"): 2}
    assert bearer(issuer.token(ANN))[:30] in port.upstream.requests[0]


async def test_a_bad_token_is_nobody_even_where_a_listed_peer_names_somebody(issuer):
    async with key_server(issuer) as server:
        identity = IdentitySettings(token=terms(server.url), trusted_header=LOOPBACK)
        async with port_with(identity) as port:
            await consent(port)
            header = b"X-User: " + ANN.encode()
            assert await outcomes(port, header) == WHOLE
            assert await outcomes(port, header, bearer(issuer.token("eve@shop.example"))) == REFUSED
            assert await outcomes(port, header, bearer(b"opaque")) == NOBODY


async def test_the_first_requests_wait_for_the_keys_and_no_others_do(issuer):
    async with key_server(issuer) as server:
        server.wait = asyncio.Event()
        async with port_with(IdentitySettings(token=terms(server.url))) as port:
            await consent(port)
            waiting = asyncio.create_task(port.ask(ask(bearer(issuer.token(ANN)), target=b"/me")))
            assert outcome(await port.ask(ask(target=b"/told"))) == "without"
            assert outcome(await port.ask(ask(b"Authorization: Basic YQ==", target=b"/told"))) == "without"
            assert not waiting.done()
            server.wait.set()
            assert outcome(await waiting) == "whole"


async def test_an_issuer_that_is_down_at_the_start_leaves_nobody_known(issuer):
    async with key_server(issuer) as server:
        server.status = 503
        async with port_with(IdentitySettings(token=terms(server.url))) as port:
            await consent(port)
            assert await outcomes(port, bearer(issuer.token(ANN))) == NOBODY
            assert port.gateway.services.metrics.identities["token", "no_keys"] == 2
            server.status = 200
            await port.settle(lambda: port.gateway.services.metrics.key_fetches["fetched"] > 0)
            assert await outcomes(port, bearer(issuer.token(ANN))) == WHOLE


async def test_keys_rotate_under_open_connections(issuer, monkeypatch):
    monkeypatch.setattr("gateway.runtime.key_source.ASK_AGAIN_SECONDS", 0.05)
    async with key_server(issuer) as server, port_with(IdentitySettings(token=terms(server.url))) as port:
        await consent(port)
        old = issuer.token(ANN)
        client = await port.connect()

        async def now(token):
            await client.send(ask(bearer(token), target=b"/me"))
            return outcome(await client.answer())

        assert [await now(old), await now(old)] == ["whole", "whole"]
        issuer.rotate("k2")
        new = issuer.token(ANN)
        assert await now(old) == "whole"
        fetched = port.gateway.services.metrics.key_fetches
        assert await now(new) in ("unresolved_subject", "whole")
        await port.settle(lambda: fetched["fetched"] == 2)
        assert [await now(new), await now(old), await now(new)] == ["whole", "unresolved_subject", "whole"]


FORM = (
    b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    b'--b\r\nContent-Disposition: form-data; name="photo"\r\n\r\n' + b"x" * 5000 + b"\r\n--b--\r\n"
)
MULTIPART = b"Content-Type: multipart/form-data; boundary=b"


async def test_a_form_over_the_limit_streams_for_whom_a_token_names(issuer):
    async with key_server(issuer) as server:
        identity = IdentitySettings(token=terms(server.url))
        async with port_with(identity) as port:
            await consent(port)
            for name in (ANN, "eve@shop.example"):
                raw = ask(bearer(issuer.token(name)), MULTIPART, method=b"POST", target=b"/form", body=FORM)
                assert (await port.ask(raw)).status == 200
    bodies = [b"xxx" in request for request in port.upstream.requests]
    assert bodies == [True, False]


# --- client certificates ------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def server_files(tmp_path):
    return write_certificate(tmp_path, "shop.example")


def tls_of(files, authority, asked="required"):
    return Tls(str(files[0]), str(files[1]), str(authority.path), asked)


async def over_tls(port, files, client=None, *lines):
    """Outcome of /me over a connection with the client's certificate; `closed` where it ends without an answer."""
    context = ssl.create_default_context(cafile=files[0])
    if client is not None:
        context.load_cert_chain(*client)
    connection = None
    try:
        connection = await port.connect(context=context, name="shop.example")
        await connection.send(ask(*lines, target=b"/me"))
        return outcome(await connection.answer())
    except (ssl.SSLError, asyncio.IncompleteReadError, ConnectionError):
        return "closed"
    finally:
        if connection is not None:
            connection.writer.transport.abort()


BY_EMAIL = IdentitySettings(client_certificate=CertificatePart.SAN_EMAIL)
EMAIL = x509.RFC822Name(ANN)


async def test_a_certificate_says_who_it_is(authority, server_files):
    async with port_with(BY_EMAIL, tls=tls_of(server_files, authority)) as port:
        await consent(port)
        eve = authority.issue("eve", x509.RFC822Name("eve@shop.example"))
        assert await over_tls(port, server_files, authority.issue("ann", EMAIL)) == "whole"
        assert await over_tls(port, server_files, eve) == "without"
        machine = authority.issue("machine", x509.DNSName("front.shop.example"))
        assert await over_tls(port, server_files, machine) == "unresolved_subject"
        both = authority.issue("both", EMAIL, x509.RFC822Name("eve@shop.example"))
        assert await over_tls(port, server_files, both) == "unresolved_subject"


async def test_a_certificate_that_does_not_verify_gets_no_answer(authority, server_files, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    stranger = Authority(folder).issue("ann", EMAIL)
    expired = authority.issue("expired", EMAIL, days=-1)
    server_only = authority.issue("server-only", EMAIL, usage=ExtendedKeyUsageOID.SERVER_AUTH)
    for asked in ("required", "optional"):
        async with port_with(BY_EMAIL, tls=tls_of(server_files, authority, asked)) as port:
            await consent(port)
            for client in (stranger, expired, server_only):
                assert await over_tls(port, server_files, client) == "closed"
        assert port.upstream.requests == []


async def test_a_certificate_can_be_optional(authority, server_files, issuer):
    async with key_server(issuer) as server:
        identity = IdentitySettings(
            client_certificate=CertificatePart.SAN_EMAIL, token=terms(server.url), trusted_header=LOOPBACK
        )
        async with port_with(identity, tls=tls_of(server_files, authority, "optional")) as port:
            await consent(port)
            assert await over_tls(port, server_files) == "unresolved_subject"
            assert await over_tls(port, server_files, None, bearer(issuer.token(ANN))) == "whole"
            ann = authority.issue("ann", EMAIL)
            eve = (bearer(issuer.token("eve@shop.example")), b"X-User: eve@shop.example")
            assert await over_tls(port, server_files, ann, *eve) == "whole"
            machine = authority.issue("machine", x509.DNSName("front.shop.example"))
            assert await over_tls(port, server_files, machine, *eve) == "without"
        async with port_with(identity, tls=tls_of(server_files, authority, "required")) as port:
            assert await over_tls(port, server_files, None, bearer(issuer.token(ANN))) == "closed"


async def test_all_requests_of_a_connection_are_its_holders(authority, server_files):
    async with port_with(BY_EMAIL, tls=tls_of(server_files, authority)) as port:
        await consent(port)
        context = ssl.create_default_context(cafile=server_files[0])
        context.load_cert_chain(*authority.issue("ann", EMAIL))
        client = await port.connect(context=context, name="shop.example")
        for target in (*[b"/me"] * 4, b"http://shop.example/me", b"/me"):
            await client.send(ask(target=target))
            assert outcome(await client.answer()) == "whole"
