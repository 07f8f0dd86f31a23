"""The servers that are compared: how each is started, and why one may be missing."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import gateway_rules
import nginx_conf

HERE = Path(__file__).parent
MITMDUMP = HERE / ".venv-mitmproxy" / "bin" / "mitmdump"

BASELINE = "nginx + Lua"
GATEWAY = "gateway"
WITHOUT_LEDGER = "gateway, no ledger"
STRIPS_NOTHING = "nginx, plain"

Command = Callable[[Path, int, int, int], list[str]]
"""From its own directory, port, a second free port, and the upstream's port to what is to be run."""


def _nginx_plain(home: Path, port: int, _spare: int, upstream: int) -> list[str]:
    return nginx_conf.plain_proxy(home, port=port, upstream_port=upstream)


def _nginx_lua(home: Path, port: int, _spare: int, upstream: int) -> list[str]:
    return nginx_conf.lua_proxy(home, port=port, upstream_port=upstream)


def _mitmproxy(_home: Path, port: int, _spare: int, upstream: int) -> list[str]:
    options = ["flow_detail=0", "termlog_verbosity=error", "stream_large_bodies=8m", "connection_strategy=lazy"]
    command = [str(MITMDUMP), "--quiet", "--mode", f"reverse:http://127.0.0.1:{upstream}", "--listen-host", "127.0.0.1"]
    command += ["--listen-port", str(port), "-s", str(HERE / "mitmproxy_addon.py")]
    return [*command, *(word for option in options for word in ("--set", option))]


def _aiohttp(_home: Path, port: int, _spare: int, upstream: int) -> list[str]:
    return [sys.executable, str(HERE / "aiohttp_proxy.py"), str(port), f"http://127.0.0.1:{upstream}"]


def gateway_command(
    home: Path, port: int, admin: int, upstream: int, *, routes: int = 0, ledger: bool = True
) -> list[str]:
    """`privacy-gateway serve` with one worker over fresh state and rules; `routes` adds that many routes."""
    home.mkdir(parents=True)
    gateway_rules.write_rules(home / "rules", upstream_port=upstream, routes=routes)
    program = [sys.executable, "-m", "gateway"]
    subprocess.run([*program, "keys", "init", "--state", str(home / "state")], check=True, capture_output=True)
    if not ledger:
        return [sys.executable, str(HERE / "without_ledger.py"), str(home / "rules"), str(home / "state"), str(port)]
    command = [*program, "serve", "--rules", str(home / "rules"), "--state", str(home / "state")]
    return [*command, "--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}", "--workers", "1"]


def _gateway(home: Path, port: int, admin: int, upstream: int) -> list[str]:
    return gateway_command(home, port, admin, upstream)


def _gateway_without_ledger(home: Path, port: int, admin: int, upstream: int) -> list[str]:
    return gateway_command(home, port, admin, upstream, ledger=False)


PEERS: dict[str, Command] = {
    STRIPS_NOTHING: _nginx_plain,
    BASELINE: _nginx_lua,
    "mitmproxy": _mitmproxy,
    "aiohttp": _aiohttp,
    WITHOUT_LEDGER: _gateway_without_ledger,
    GATEWAY: _gateway,
}


def missing(name: str) -> str:
    """Why a peer cannot take part; "" where it can."""
    if name == BASELINE and (lack := nginx_conf.lua_missing()):
        return f"not installed: {lack} (Debian: libnginx-mod-http-lua lua-cjson)"
    if name == "mitmproxy" and not MITMDUMP.exists():
        return "not installed in bench/.venv-mitmproxy"
    return ""


def version_of(program: list[str]) -> str:
    if shutil.which(program[0]) is None:
        return ""
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=30)
    return (done.stdout or done.stderr).strip().splitlines()[0]


def versions() -> dict[str, str]:
    """What took part, by program."""
    programs = {"nginx": ["nginx", "-v"], "wrk": ["wrk", "-v"], "mitmproxy": [str(MITMDUMP), "--version"]}
    return {name: version_of(command) for name, command in programs.items()} | {"python": sys.version.split()[0]}
