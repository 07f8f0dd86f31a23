"""`privacy-gateway demo` as somebody would run it: the shop, the gateway before it, and two third parties."""

import json
import signal
import subprocess
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from processes import CLI

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Showcase:
    """`stage` has the addresses of everything."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.stage: dict[str, str] = {}

    def __enter__(self):
        command = [*CLI, "demo", "--json", "--listen", "127.0.0.1:0", "--workers", "2", "--state", str(self._home)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        said = ""
        for line in self._process.stdout:
            said += line
            if line.startswith("}"):
                break
        if not said.rstrip().endswith("}"):
            raise AssertionError(f"the demo did not start: {said}")
        self.stage = json.loads(said)["stage"]
        return self

    def __exit__(self, *_) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)
        self._process.stdout.close()

    def url(self, path: str) -> str:
        """A page of the shop, or of the person's, as a visitor reaches it."""
        return self.stage["gateway"] + path

    def hits(self, party: str) -> dict[str, int]:
        """How often the browser asked the third party for what."""
        return self._ask(self.stage[party] + "/hits")

    def received(self, shop: str = "shop") -> list[dict[str, Any]]:
        """The latest requests as the shop itself saw them, the oldest first."""
        return self._ask(self.stage[shop] + "/debug/received")["received"]

    @staticmethod
    def _ask(url: str) -> Any:
        with OPENER.open(url, timeout=20) as answer:
            return json.load(answer)


class Count:
    """How often each third party was asked since the last time that this was asked."""

    def __init__(self, showcase: Showcase) -> None:
        self._showcase = showcase
        self._before = self._now()

    def news(self) -> dict[str, int]:
        now = self._now()
        news = {party: now[party] - self._before[party] for party in now}
        self._before = now
        return news

    def _now(self) -> dict[str, int]:
        return {party: sum(self._showcase.hits(party).values()) for party in ("analytics", "ads")}


def trackers(cookies: Iterable[str]) -> set[str]:
    """Those of the names that exist to recognise somebody: the rules tie them to a purpose that needs consent."""
    return {name for name in cookies if name.startswith(("_ga", "_ad_id"))}


def cookies_of(received: dict[str, Any]) -> dict[str, str]:
    """The cookies of a request that the shop received."""
    fields = [value for name, value in received["headers"] if name.lower() == "cookie"]
    pairs = [pair.strip().partition("=") for field in fields for pair in field.split(";")]
    return {name: value for name, _, value in pairs if name}
