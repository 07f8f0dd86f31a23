"""Ledgers for tests: opened, waited for, refused."""

import asyncio

import pytest

from gateway.audit.ledger import Ledger
from gateway.model.errors import StoreDown
from gateway.model.words import Posture

ORIGIN = "example.org/log/w0"


def open_ledger(logs, **options) -> Ledger:
    return Ledger.open(logs.slot, origin=ORIGIN, signer=logs.key, opened={"program": "test"}, **options)


async def refused(future) -> str:
    with pytest.raises(StoreDown) as caught:
        await future
    assert caught.value.posture is Posture.AUDIT_UNAVAILABLE
    return caught.value.why


async def until_healthy(ledger) -> None:
    while not ledger.healthy():  # noqa: ASYNC110 - the ledger offers a state to look at, no event
        await asyncio.sleep(0.01)
