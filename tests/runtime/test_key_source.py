"""Keys from a real server: rotation, failures, and how seldom it is asked."""

import asyncio
import ssl

import pytest
import structlog
from certificates import write_certificate
from tokens import Issuer, key_server, terms

from gateway.runtime import key_source
from gateway.runtime.key_source import KeyUrl, open_keys
from gateway.runtime.metrics import Metrics


@pytest.fixture
def issuer():
    return Issuer()


@pytest.fixture
async def opened():
    """Opens sources and closes them; `outcomes` says what their fetches came to."""
    made = []

    def open_one(server, *, ask_again=0.05, **changed):
        outcomes = []
        settings = terms(server.url, **changed)
        source = KeyUrl(settings, on_fetch=outcomes.append, log=structlog.get_logger(), ask_again_seconds=ask_again)
        source.outcomes = outcomes
        made.append(source)
        return source

    yield open_one
    for source in made:
        await source.close()


async def settle(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the server sets no event
            await asyncio.sleep(0.005)


async def test_the_first_keys_are_waited_for(issuer, opened):
    async with key_server(issuer) as server:
        server.wait = asyncio.Event()
        source = opened(server)
        assert source.pending
        assert source.keys is None
        waiting = asyncio.create_task(source.first())
        await settle(lambda: server.asked)
        assert not waiting.done()
        server.wait.set()
        await waiting
        assert not source.pending
        assert source.keys.find("ES256", "k1") is not None


async def test_an_unknown_key_makes_it_ask_again_but_not_at_once(issuer, opened):
    async with key_server(issuer) as server:
        source = opened(server, ask_again=0.3)
        await source.first()
        issuer.rotate("k2")
        for _ in range(100):
            source.missed()
        await asyncio.sleep(0.1)
        assert server.asked == 1
        await settle(lambda: source.keys.find("ES256", "k2"))
        assert server.asked == 2
        assert source.keys.find("ES256", "k1") is None


async def test_keys_are_asked_for_again_and_stay_the_same_object_while_the_answer_does(issuer, opened):
    async with key_server(issuer) as server:
        source = opened(server, refresh_seconds=0.05)
        await source.first()
        before = source.keys
        await settle(lambda: server.asked > 3)
        assert source.keys is before
        issuer.rotate("k2")
        await settle(lambda: source.keys is not before)


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, None), (302, None), (200, b"<html>"), (200, b'{"keys": []}'), (200, b" " * 300_000 + b'{"keys": []}')],
)
async def test_good_keys_stay_while_the_issuer_fails(issuer, opened, status, body):
    async with key_server(issuer) as server:
        source = opened(server)
        await source.first()
        server.status, server.body = status, body
        source.missed()
        await settle(lambda: source.outcomes[-1] is False)
        assert source.outcomes == [True, False]
        assert source.keys.find("ES256", "k1") is not None
        server.status, server.body = 200, None
        issuer.rotate("k2")
        await settle(lambda: source.keys.find("ES256", "k2"))


async def test_an_issuer_that_does_not_answer_is_waited_for_once(issuer, opened, monkeypatch):
    monkeypatch.setattr(key_source, "FETCH_SECONDS", 0.1)
    async with key_server(issuer) as server:
        server.wait = asyncio.Event()
        source = opened(server)
        await source.first()
        assert source.outcomes == [False]
        assert source.keys is None
        assert not source.pending
        server.wait.set()
        await settle(lambda: source.keys)


async def test_an_issuer_that_is_not_there(issuer, opened):
    async with key_server(issuer) as server:
        pass
    source = opened(server)
    await source.first()
    assert source.outcomes == [False]


async def test_nobody_waits_for_a_source_that_was_closed(issuer, opened):
    async with key_server(issuer) as server:
        server.wait = asyncio.Event()
        source = opened(server)
        waiting = asyncio.create_task(source.first())
        await settle(lambda: server.asked)
        await source.close()
        await asyncio.wait_for(waiting, 5)
        server.wait.set()


async def test_over_tls_the_issuer_is_verified(issuer, opened, tmp_path):
    certificate, key = write_certificate(tmp_path, "localhost")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    async with key_server(issuer, tls=tls) as server:
        trusting = opened(server, ca=str(certificate))
        await trusting.first()
        assert trusting.keys is not None
        doubting = opened(server)
        await doubting.first()
        assert doubting.outcomes == [False]


async def test_what_came_of_it_is_counted(issuer):
    metrics = Metrics()
    async with key_server(issuer) as server:
        source = open_keys(terms(server.url), metrics, structlog.get_logger())
        await source.first()
        await source.close()
    assert metrics.snapshot().key_fetches == {"fetched": 1}
