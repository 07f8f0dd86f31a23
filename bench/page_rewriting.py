"""What it costs to hold third parties back in a page of 100 KB, as a ratio to passing the page on unread.

    bench/.venv/bin/python bench/page_rewriting.py [--quick] [--rounds 5] [--seconds 2]

One gateway, ledger on, in front of an nginx that serves the files, and plain nginx beside it; each is asked in turns.
"""

import argparse
import http.client
import os
import statistics
import subprocess
import sys
from pathlib import Path

import closed_loop
import nginx_conf
import peers
import report
from curve_servers import Work
from curves import HERE, RESULTS, note, place
from process_tree import Server, cpu_seconds, free_port
from rich.console import Console
from rich.table import Table

LENGTH = 100_000
TAGS = 10
CONNECTIONS = 16
PLAIN = "passed on unread"
READ = "read, nothing to change"
HELD = f"{TAGS} tags held back"
PATHS = {PLAIN: "/plain.html", READ: "/own.html", HELD: "/page.html"}

_RULES = """\
version: 1
controller: {{name: Bench, contact: privacy@bench.example, jurisdiction: EU}}
purposes:
  service: {{basis: contract, title: Measure}}
  analytics: {{basis: consent, title: Count}}
recipients:
  files: {{role: controller, upstream: "http://127.0.0.1:{port}"}}
  counter: {{role: processor, hosts: [counter.example], embedded_for: analytics, contract: {{ref: A}}}}
routes:
  - name: plain
    match: {{path: /plain.html}}
    to: files
    request: {{rest: pass}}
    response: {{rest: pass}}
  - name: pages
    match: {{path: "/{{page}}"}}
    to: files
    subject: identity
    request: {{rest: pass}}
    response: {{rest: pass, pages: {{banner: false}}}}
"""
_DEPLOYMENT = """\
version: 1
listeners: [{{address: "127.0.0.1:{port}"}}]
admin: 127.0.0.1:{admin}
workers: 1
rules: rules
state: state
identity: {{visitor: {{days: 1}}}}
log_level: warning
"""
_TAG = '<script src="https://counter.example/t{number}.js" async></script>\n'
_CARD = (
    '<article class="card" id="cup-{number}"><h3><a href="/cups/{number}">Cup {number}</a></h3>{image}<p>Stoneware, '
    "thrown by hand, <em>fired twice</em> &amp; glazed in ash; it holds a quarter of a litre.</p></article>\n"
)
_IMAGE = '<img src="/img/cup-{number}.jpg" alt="Cup {number}" width="320" height="240" loading="lazy">'
_IMAGE_EVERY = 6


def document(tags: int) -> str:
    """A page of `LENGTH` bytes: a list with links, some images of its own, and the tags spread over it."""
    head = '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Shop</title></head>\n<body>\n'
    foot = "</body>\n</html>\n"
    marks = [_TAG.format(number=number) for number in range(tags)]
    room = LENGTH - len(head) - len(foot) - sum(map(len, marks))
    cards: list[str] = []
    while True:
        number = len(cards)
        image = "" if number % _IMAGE_EVERY else _IMAGE.format(number=number)
        card = _CARD.format(number=number, image=image)
        if len(card) > room:
            break
        cards.append(card)
        room -= len(card)
    step = len(cards) // (tags + 1)
    for position, mark in enumerate(marks):
        cards.insert((position + 1) * step + position, mark)
    return head + "".join(cards) + " " * room + foot


def gateway(home: Path, upstream: int) -> tuple[list[str], int]:
    (home / "rules").mkdir(parents=True)
    (home / "rules" / "bench.yaml").write_text(_RULES.format(port=upstream))
    port = free_port()
    (home / "gateway.yaml").write_text(_DEPLOYMENT.format(port=port, admin=free_port()))
    program = [sys.executable, "-m", "gateway"]
    subprocess.run([*program, "keys", "init", "--state", str(home / "state")], check=True, capture_output=True)
    return [*program, "serve", "-c", str(home / "gateway.yaml")], port


def fetch(port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"{path} is answered with {answer.status}: {content[:200]!r}")
    return content


def verify(server: Server, pages: dict[str, bytes]) -> None:
    """A gateway that does not do the work must not be measured."""
    for path in (PATHS[PLAIN], PATHS[READ]):
        if fetch(server.port, path) != pages[path]:
            raise SystemExit(f"{path} does not come through as it is")
    held = fetch(server.port, PATHS[HELD])
    if held == pages[PATHS[HELD]] or b' src="https://counter.example' in held:
        raise SystemExit(f"{PATHS[HELD]} comes through with its tags")


def measure(rounds: int, seconds: float) -> dict[str, list[float]]:
    """Microseconds of CPU for a request, round by round: of nginx, and of the gateway for each page."""
    found: dict[str, list[float]] = {}
    pages = {path: document(TAGS if what != READ else 0).encode() for what, path in PATHS.items()}
    with place() as where:
        for path, content in pages.items():
            (where.files / path[1:]).write_bytes(content)
        nginx = where.start(peers.STRIPS_NOTHING, Work())
        command, port = gateway(where.home / "pages", where.upstream)
        server = Server(command, port=port, log=where.home / "pages.log", core=where.core)
        where.started.append(server)
        server.wait(60)
        verify(server, pages)
        asked = {"nginx, plain": (nginx, PATHS[HELD]), **{what: (server, path) for what, path in PATHS.items()}}
        for number in range(rounds + 1):
            for what, (which, path) in asked.items():
                note(f"{what}, round {number} of {rounds}")
                before = cpu_seconds(which.pid)
                ran = closed_loop.run(which.port, path, seconds=seconds, connections=CONNECTIONS)
                if ran["failures"] or not ran["requests"]:
                    raise SystemExit(f"{ran['failures']:.0f} failures of {what}; see {which.log}")
                if number:  # the first one warms up
                    found.setdefault(what, []).append(1e6 * (cpu_seconds(which.pid) - before) / ran["requests"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it works")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int)
    options = parser.parse_args()
    if not (nginx_conf.installed() and closed_loop.installed()):
        sys.exit("needed: apt-get install nginx wrk")
    os.environ["PYTHONPATH"] = str(HERE.parent)
    RESULTS.mkdir(exist_ok=True)
    found = measure(options.rounds or (1 if options.quick else 5), options.seconds or (1 if options.quick else 2))
    table = Table(title=f"A page of {LENGTH // 1000} KB; {report.machine()['python']}", title_justify="left")
    for column in ("", "CPU us/request", f"ratio to {PLAIN}"):
        table.add_column(column, justify="right" if column else "left")
    for what, each in found.items():
        ratios = [one / other for one, other in zip(each, found[PLAIN], strict=True)]
        table.add_row(what, f"{statistics.median(each):.0f}", f"{statistics.median(ratios):.2f}")
    Console(width=None if Console().is_terminal else 110, highlight=False).print(table)


if __name__ == "__main__":
    main()
