"""Load as fast as it is answered, by wrk."""

import re
import shutil
import subprocess
from pathlib import Path


def installed() -> bool:
    return shutil.which("wrk") is not None


def run(port: int, path: str, *, seconds: float, connections: int, script: Path | None = None) -> dict[str, float]:
    """One run.

    Returns:
        `requests` answered, `rate` a second, and `failures` (other than 2xx, or broken connections).
    """
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{max(1, round(seconds))}s", "--timeout", "30s"]
    if script is not None:
        command += ["-s", str(script)]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True, timeout=seconds + 60
    )
    text = done.stdout
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    return {
        "requests": int(re.search(r"(\d+) requests in", text)[1]),
        "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
        "failures": (int(failed[1]) if failed else 0) + (sum(map(int, broken.groups())) if broken else 0),
    }
