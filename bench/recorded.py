"""What a gateway's ledger holds after a run, and what the verifier says of it."""

import json
import subprocess
import sys
from pathlib import Path

from gateway.audit.verify_report import Verdict


def disclosures(state: Path) -> int:
    """How many disclosures are recorded: proof that the ledger was on."""
    files = (state / "audit").rglob("*")
    lines = (line for file in files if file.is_file() for line in file.open("rb"))
    return sum(b'"kind":"disclose"' in line for line in lines)


def verdict(state: Path) -> str:
    """The verdict of `audit verify`, with all but an anchor asked for."""
    command = [sys.executable, "-m", "gateway", "audit", "verify", str(state), "--allow-unanchored", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    return Verdict(json.loads(done.stdout)["verdict"]).name
