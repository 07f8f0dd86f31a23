"""/.well-known/gpc.json on the data port (W3C GPC, section 4)."""

import json

import pytest
from data_port import data_port
from messages import ask
from processes import Client, GatewayProcess, request
from rulebook import rules

from gateway.portal.portal import open_portal
from gateway.portal.well_known import WellKnown
from gateway.runtime.settings import Settings

GPC = b"/.well-known/gpc.json"
ROUTES = """
signals: {gpc: {last_update: "2026-11-01"}}
routes:
  - {name: open, match: {path: /**}, to: shop, request: {rest: pass}, response: {rest: pass}}
"""


@pytest.mark.parametrize("target", [GPC, GPC + b"?", GPC + b"?a=/b"])
async def test_everybody_gets_the_same_document(target):
    async with data_port(own_pages=WellKnown, routes=ROUTES) as port:
        answer = await port.ask(ask(target=target))
        assert (answer.status, answer.all(b"content-type")) == (200, [b"application/json"])
        assert json.loads(answer.body) == {"gpc": True, "lastUpdate": "2026-11-01"}
        assert (await port.ask(ask(method=b"HEAD", target=target), "HEAD")).all(b"content-length") == [
            b"%d" % len(answer.body)
        ]
        assert port.upstream.requests == []


async def test_it_is_read_only():
    async with data_port(own_pages=WellKnown) as port:
        answer = await port.ask(ask(method=b"POST", target=GPC, body=b"{}"))
        assert (answer.status, answer.all(b"allow")) == (405, [b"GET, HEAD"])


@pytest.mark.parametrize(
    "target", [b"/.well-known/gpc.json/", b"/.well-known/gpc.jsonp", b"/.well-known/", b"/.well-known/%67pc.json", b"/"]
)
async def test_no_other_target_is_taken_from_the_application(target):
    async with data_port(own_pages=WellKnown) as port:
        assert (await port.ask(ask(target=target))).body == b"ok"
        assert len(port.upstream.requests) == 1


def test_a_gateway_with_rules_serves_it(tmp_path):
    with GatewayProcess(tmp_path, rules(ROUTES)) as gateway:
        client = Client(gateway.port)
        status, _, body = client.send(request("GET", GPC.decode()))
        client.close()
    assert (status, json.loads(body)["gpc"]) == (200, True)


def test_an_observer_answers_nothing_itself():
    seen = Settings(listeners=(), state="/nowhere", upstream="http://127.0.0.1:1")

    assert open_portal(seen, gateway=None) is None
