"""What the demo runs: a shop behind the gateway, a second one with nothing before it, and two third parties."""

import asyncio
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import msgspec
from aiohttp import web

import gateway
from gateway.model.errors import GatewayError
from gateway.shop.app import make_shop
from gateway.shop.tags import make_tags
from gateway.stores.keyfile import create_keys

UPSTREAM = "http://127.0.0.1:8000"
"""Where the shop's rules say that it is; the demo's copy of them says where it really is."""

PAGES = "/privacy"
"""Where the person's pages are, as the sample's deployment says."""

START_SECONDS = 30
STOP_SECONDS = 40


class DemoError(GatewayError):
    """The demo cannot be set up; the text says why and what to do."""


class Stage(msgspec.Struct, frozen=True):
    """Addresses of everything that runs, and the directories that it works on."""

    gateway: str
    shop: str
    bare_shop: str
    analytics: str
    ads: str
    state: Path
    rules: Path
    log: Path


@asynccontextmanager
async def set_up(home: Path, listen: str, workers: int) -> AsyncIterator[Stage]:
    """Start everything; stop it in order at the end.

    Args:
        home: where state, a copy of the rules and the gateway's log go.
        listen: HOST:PORT of the gateway; port 0 takes any free one.
        workers: processes of the gateway.

    Raises:
        DemoError: the rules are not where they should be, or the gateway does not start.
        OSError: a port or file cannot be had.
    """
    async with AsyncExitStack() as stack:
        analytics = await stack.enter_async_context(_hosted(make_tags()))
        ads = await stack.enter_async_context(_hosted(make_tags()))
        tags = _named(analytics, "analytics"), _named(ads, "ads")
        shop = await stack.enter_async_context(_hosted(make_shop(*tags)))
        bare_shop = await stack.enter_async_context(_hosted(make_shop(*tags)))
        state, rules, log = home / "state", home / "rules", home / "gateway.log"
        copy_rules(rules, shop)
        with suppress(FileExistsError):
            create_keys(state)
        deployment = write_deployment(home, listen, workers)
        address = await stack.enter_async_context(_served(["serve", "-c", deployment], log))
        yield Stage(address, shop, bare_shop, analytics, ads, state, rules, log)


def shipped_rules() -> Path:
    """The rules of the sample shop: inside the installed package, or beside it in a working copy.

    Raises:
        DemoError: they are in neither place.
    """
    package = Path(gateway.__file__).parent
    for parent in (package, package.parent):
        found = parent / "rules" / "examples" / "shop"
        if (found / "shop.yaml").is_file():
            return found
    raise DemoError("the sample shop's rules are missing: install the package again")


def copy_rules(target: Path, shop: str) -> None:
    """Copy the shop's rules to `target`, which may be there already, with the shop's real address.

    Raises:
        DemoError: the rules do not name the address that is to be replaced.
    """
    shutil.copytree(shipped_rules(), target, dirs_exist_ok=True)
    file = target / "shop.yaml"
    text = file.read_text(encoding="utf-8")
    if text.count(UPSTREAM) != 1:
        raise DemoError("the sample shop's rules do not say where the shop is")
    file.write_text(text.replace(UPSTREAM, shop), encoding="utf-8")


def write_deployment(home: Path, listen: str, workers: int) -> Path:
    """Write `home`/gateway.yaml: the sample's own deployment, at another place.

    Raises:
        DemoError: the sample does not say what is to be replaced.
    """
    text = (shipped_rules().parent / "shop.gateway.yaml").read_text(encoding="utf-8")
    for said, here in (
        ('"127.0.0.1:8080"', f'"{listen}"'),
        ("admin: 127.0.0.1:9100", "admin: 127.0.0.1:0"),
        ("workers: 2", f"workers: {workers}"),
        ("rules: shop", "rules: rules"),
        ("state: ../../state", "state: state"),
    ):
        if text.count(said) != 1:
            raise DemoError(f"the sample shop's deployment does not say {said}")
        text = text.replace(said, here)
    file = home / "gateway.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def free_address(preferred: str) -> str:
    """`preferred` (HOST:PORT) where it can be listened on, else the same host with port 0."""
    host, _, port = preferred.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError:
            return f"{host}:0"
    return preferred


def _named(address: str, name: str) -> str:
    """The same host under a name of its own, as the shop's pages call it.

    Browsers take every name under `localhost` for this machine (RFC 6761, section 6.3), and a cookie of 127.0.0.1
    would go to every port there, the shop's among them.
    """
    return address.replace("127.0.0.1", f"{name}.localhost")


@asynccontextmanager
async def _hosted(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _served(command: list[object], log: Path) -> AsyncIterator[str]:
    """`privacy-gateway serve` as a process of its own, until the block ends."""
    words = [str(word) for word in (*command, "--json")]
    with log.open("ab") as sink:
        process = await _start(words, sink)
    try:
        yield await _address(process, log)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()


async def _start(words: list[str], sink: BinaryIO) -> asyncio.subprocess.Process:
    # A session of its own: Ctrl-C reaches the demo, which then ends the gateway in order.
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=sink,
        start_new_session=True,
    )


async def _address(process: asyncio.subprocess.Process, log: Path) -> str:
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
        ready = msgspec.json.decode(line)
        return str(ready["listeners"][0])
    except (TimeoutError, msgspec.DecodeError, KeyError, IndexError, TypeError):
        raise DemoError(f"the gateway did not start: {_last_words(log)}") from None


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
