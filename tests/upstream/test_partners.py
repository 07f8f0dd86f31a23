"""Pools to partners: whom each believes, and that no two recipients share one."""

import ssl

import pytest
from certificates import Authority
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from scripted_upstream import OK, answering, scripted

from gateway.model.errors import Fault
from gateway.model.limits import DEFAULT_LIMITS
from gateway.runtime.settings import Settings, UpstreamTls
from gateway.upstream import PartnerPools, partners

HOST = [(b"Host", b"localhost")]


def opened(**files):
    return PartnerPools.open(Settings(listeners=(), state="/s", upstream_tls=files))


async def test_each_recipient_is_believed_by_its_own_files(tmp_path):
    authority = Authority(tmp_path)
    pair = authority.issue("partner", x509.DNSName("localhost"), usage=ExtendedKeyUsageOID.SERVER_AUTH)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    async with scripted(answering(OK), context=context) as partner:
        pools = opened(mailer=UpstreamTls(ca=str(authority.path)))
        url = partner.url("https", "localhost")

        assert (await pools.of(url, "mailer").request("GET", b"/", HOST)).head.status == 200
        for recipient in ("tally", ""):
            with pytest.raises(Fault) as caught:
                await pools.of(url, recipient).request("GET", b"/", HOST)
            assert caught.value.code == "upstream_tls"
        pools.abort()
        assert len(partner.requests) == 1


def test_a_pool_is_kept_for_each_recipient_and_url():
    pools = opened()
    one = pools.of("https://api.mailer.example", "mailer")

    assert pools.of("https://api.mailer.example", "mailer") is one
    others = [pools.of("https://api.mailer.example", "tally"), pools.of("https://api.mailer.example:8443", "mailer")]
    assert one not in others
    assert {each.upstream.ssl for each in others} == {one.upstream.ssl}


async def test_pools_with_nothing_open_give_way_to_new_ones(monkeypatch):
    monkeypatch.setattr(partners, "POOLS_AT_MOST", 2)
    async with scripted(answering(OK)) as partner:
        pools = opened()
        used = pools.of(partner.url(), "mailer")
        await used.request("GET", b"/", HOST)
        unused = pools.of("http://127.0.0.1:1", "mailer")
        pools.of("http://127.0.0.1:2", "mailer")

        assert pools.of(partner.url(), "mailer") is used
        assert pools.of("http://127.0.0.1:1", "mailer") is not unused
        pools.abort()


def test_unusable_files_are_told_with_their_recipient(tmp_path):
    with pytest.raises(ValueError, match=r"^upstream_tls of 'mailer': the file of trusted authorities cannot be used$"):
        opened(mailer=UpstreamTls(ca=str(tmp_path / "none.pem")))


def test_limits_are_the_deployment_s():
    pool = opened().of("http://127.0.0.1:1", "mailer")
    assert pool._limits is DEFAULT_LIMITS
