"""`privacy-gateway demo`: a sample shop behind the gateway, and what that changes, side by side."""

import asyncio
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gateway.cli.demo_scenes import Scene
    from gateway.cli.demo_stage import Stage

DEFAULT_LISTEN = "127.0.0.1:8080"


@click.command()
@click.option("--listen", metavar="HOST:PORT", help=f"Where the gateway listens [{DEFAULT_LISTEN}, or a free port].")
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), help="Keep keys, rules and ledger here.")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Worker processes.")
@click.option("--once", is_flag=True, help="End after the show.")
@click.option("--json", "as_json", is_flag=True, help="Print the show as one JSON object.")
def command(listen: str | None, state: Path | None, workers: int, once: bool, as_json: bool) -> int:
    """Run a sample shop behind the gateway and show what to try.

    The shop asks for too much and answers with too much. The same requests go to a shop with
    nothing before it and to one behind the gateway. Everything runs on this machine, on loopback.
    """
    with ExitStack() as stack:
        if state is None:
            state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="privacy-gateway-demo-")))
        state.mkdir(parents=True, exist_ok=True)
        return asyncio.run(_demo(state.absolute(), listen, workers, once=once, as_json=as_json))


async def _demo(home: Path, listen: str | None, workers: int, *, once: bool, as_json: bool) -> int:
    import aiohttp

    from gateway.cli.demo_scenes import Director
    from gateway.cli.demo_stage import DemoError, free_address, set_up
    from gateway.cli.output import print_json

    over = _until_stopped()
    async with set_up(home, listen or free_address(DEFAULT_LISTEN), workers) as stage:
        jar = aiohttp.DummyCookieJar()
        try:
            async with aiohttp.ClientSession(cookie_jar=jar, timeout=aiohttp.ClientTimeout(total=30)) as client:
                scenes = await Director(stage, client).play()
        except aiohttp.ClientError as problem:
            raise DemoError(
                f"the demo lost its own gateway ({type(problem).__name__}); its log is {stage.log}"
            ) from None
        if as_json:
            print_json({"stage": _addresses(stage), "scenes": [_scene_object(scene) for scene in scenes]})
        else:
            _show(scenes)
            _invite(stage, stays=not once)
        if not once:
            await over.wait()
    return 0


def _until_stopped() -> asyncio.Event:
    """An event that Ctrl-C and SIGTERM set, so that everything is taken down in order."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    return over


def _addresses(stage: "Stage") -> dict[str, str]:
    return {name: str(getattr(stage, name)) for name in stage.__struct_fields__}


def _scene_object(scene: "Scene") -> dict[str, Any]:
    sides = {
        name: {"received": side.received, "status": side.status, "answer": side.answer}
        for name, side in (("without", scene.without), ("behind", scene.behind))
    }
    return {
        "title": scene.title,
        "request": f"{scene.call.method} {scene.call.path}",
        **sides,
        "records": scene.records,
    }


def _show(scenes: "list[Scene]") -> None:
    from gateway.cli.demo_views import scene_view
    from gateway.cli.output import console

    for number, scene in enumerate(scenes, 1):
        console.print(scene_view(number, scene))


def _invite(stage: "Stage", *, stays: bool) -> None:
    from gateway.cli.demo_views import things_to_try
    from gateway.cli.output import console

    if not stays:
        console.print("Without --once everything stays up, and you are told what to try.")
        return
    console.print(things_to_try(stage, _program()), soft_wrap=True)
    console.print("\nEverything stays up until Ctrl-C.")


def _program() -> str:
    """How this very program can be called again from here."""
    beside = Path(sys.executable).parent / "privacy-gateway"
    if not beside.exists():
        return f"{sys.executable} -m gateway"
    here = Path.cwd()
    return str(beside.relative_to(here)) if beside.is_relative_to(here) else str(beside)
