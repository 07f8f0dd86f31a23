"""The gateway of an egress worker with stores of its own, and applications with their secrets."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from gateway.crypto.keyring import KeyRing
from gateway.model.limits import DEFAULT_LIMITS, Limits
from gateway.policy.compile import load_policy
from gateway.policy.policy import Policy
from gateway.runtime.applications import Applications
from gateway.runtime.decisions import Decisions
from gateway.runtime.gateway import Gateway
from gateway.runtime.metrics import Metrics
from gateway.runtime.outgoing import OutgoingCalls
from gateway.runtime.services import Services, open_people
from gateway.runtime.settings_egress import ApplicationSettings
from gateway.stores.consent import SqliteConsentStore

TODAY = "2026-11-23"
SECRET = "correct horse battery staple"


def basic(name: str = "shop", secret: str = SECRET) -> bytes:
    return b"Basic " + base64.b64encode(f"{name}:{secret}".encode())


def policy_of(text: str) -> Policy:
    return load_policy({"rules.yaml": text}, today=TODAY)


def secret_in(directory: Path) -> Path:
    """A file that the gateway takes a secret from."""
    directory.chmod(0o700)
    secret = directory / "shop.egress"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    return secret


@asynccontextmanager
async def outgoing_gateway(
    state: Path, text: str, *, ledger: object = None, limits: Limits = DEFAULT_LIMITS
) -> AsyncIterator[tuple[Gateway, OutgoingCalls]]:
    """A gateway that takes outgoing calls, for `shop` by its secret and `batch` by the network 10.2.0.0/16."""
    secret = secret_in(state)
    keys, metrics, log = KeyRing(b"k" * 32, "26q4a"), Metrics(), structlog.get_logger()
    services = Services(
        keys=keys,
        people=open_people(state, keys),
        consent=SqliteConsentStore(state / "consent.sqlite"),
        decisions=Decisions(state, ledger, log),
        ledger=ledger,
        metrics=metrics,
        log=log,
        limits=limits,
    )
    gateway = Gateway(policy_of(text), services, outgoing=True)
    settings = {"shop": ApplicationSettings(str(secret)), "batch": ApplicationSettings(None, ("10.2.0.0/16",))}
    try:
        yield gateway, OutgoingCalls(gateway, Applications(settings, metrics))
    finally:
        await services.decisions.close()
        services.cookies.close()
        services.people.close()
        services.consent.close()
