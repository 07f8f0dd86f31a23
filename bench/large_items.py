"""A large JSON array and large NDJSON through the gateway and through plain nginx: throughput, CPU, memory.

    python bench/large_items.py            1 GB each way
    python bench/large_items.py --mb 200

The gateway takes three of the fields out of each item, with its ledger on; nginx passes everything on.
The upstream makes the body up as it goes, in a process of its own, and reads away what is sent to it.
"""

import argparse
import io
import json
import multiprocessing
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nginx_conf
from process_tree import Server, cores, cpu_seconds, free_port
from streaming import Watch

BLOCK = 256
"""Items made at once."""

_RULES = """\
version: 1
controller: {{name: Bench, contact: privacy@bench.example, jurisdiction: EU}}
purposes:
  service: {{basis: contract, title: Measure}}
recipients:
  maker: {{role: controller, upstream: "http://127.0.0.1:{port}"}}
routes:
"""
_ROUTE = """\
  - name: {name}
    match: {{path: /{name}}}
    to: maker
    stream: items
    request: {{fields: {{{fields}}}, rest: pass}}
    response: {{fields: {{{fields}}}, rest: pass}}
"""
_CLASSES = {"email": "contact.email", "phone": "contact.phone_number", "birth_date": "demographic.date_of_birth"}
_LABELS = {"array": "application/json", "lines": "application/x-ndjson"}


def item() -> bytes:
    """About a kilobyte with three fields to take out."""
    values = {"id": 17, "email": "ann@shop.example", "phone": "+491234567", "birth_date": "1990-01-01"}
    values |= {f"field_{number}": "value " * 7 + str(number) for number in range(15)}
    return json.dumps(values, separators=(",", ":")).encode()


def body(kind: str, size: int) -> Iterator[bytes]:
    """The body in pieces, about `size` bytes."""
    one = item()
    apart = b"," if kind == "array" else b"\n"
    block = apart.join([one] * BLOCK)
    if kind == "array":
        yield b"["
    for number in range(max(1, size // len(block))):
        yield apart + block if number else block
    yield b"]" if kind == "array" else b"\n"


def make(listener: socket.socket, size: int) -> None:
    """The upstream: GET gets the body of its path, POST is read away."""
    while True:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as stream:
            line = stream.readline()
            length = None
            while (field := stream.readline()) not in (b"\r\n", b""):
                if field.lower().startswith(b"content-length:"):
                    length = int(field.partition(b":")[2])
            kind = "lines" if b"/lines" in line else "array"
            head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: %b\r\n" % _LABELS[kind].encode()
            if line.startswith(b"GET"):
                length = sum(map(len, body(kind, size)))
                connection.sendall(head + b"Content-Length: %d\r\n\r\n" % length)
                for piece in body(kind, size):
                    connection.sendall(piece)
            else:
                _read_away(stream, length)
                connection.sendall(head + b"Content-Length: 2\r\n\r\n[]")


def _read_away(stream: io.BufferedReader, length: int | None) -> None:
    """Read a body of that length, or a chunked one."""
    while (size := length if length is not None else int(stream.readline(), 16)) or length is None:
        left = size if length is not None else size + 2
        while left:
            left -= len(stream.read1(left))
        if length is not None or not size:
            return


def fetch(port: int, kind: str, _size: int) -> int:
    """Get the body; how many bytes came, framing included."""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as client:
        client.sendall(f"GET /{kind} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
        total = 0
        buffer = bytearray(1 << 20)
        while count := client.recv_into(buffer):
            total += count
    return total


def send(port: int, kind: str, size: int) -> int:
    """Post the body in chunks; how many bytes went."""
    head = f"POST /{kind} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\nContent-Type: {_LABELS[kind]}\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=120) as client:
        client.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        total = 0
        for piece in body(kind, size):
            client.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            total += len(piece)
        client.sendall(b"0\r\n\r\n")
        if b" 200 " not in client.makefile("rb").readline():
            raise SystemExit(f"{kind} was not taken")
    return total


def measure(server: Server, kind: str, size: int, way: str) -> str:
    """One row: MB/s by wall and by CPU of the server, and what its memory grew by."""
    watch = Watch(server.pid)
    watch.start()
    used, start = cpu_seconds(server.pid), time.perf_counter()
    moved = (fetch if way == "answer" else send)(server.port, kind, size)
    seconds = time.perf_counter() - start
    used = cpu_seconds(server.pid) - used
    watch.over.set()
    watch.join()
    if moved < size * 0.8:
        raise SystemExit(f"only {moved} of {size} bytes of {kind} came through")
    before, peak = watch.samples[0][1], max(resident for _, resident in watch.samples)
    rate, cpu_rate = size / seconds / 1e6, size / max(used, 0.01) / 1e6
    return f"{rate:6.0f} MB/s  {cpu_rate:6.0f} MB per CPU second  {before >> 20:5d} -> {peak >> 20:d} MiB"


def gateway_command(home: Path, upstream: int, port: int) -> list[str]:
    rules = home / "rules"
    rules.mkdir()
    text = _RULES.format(port=upstream)
    for name, prefix in (("array", "$[*]."), ("lines", "$.")):
        fields = ", ".join(f'"{prefix}{key}": {{is: {_CLASSES[key]}, for: service, as: drop}}' for key in _CLASSES)
        text += _ROUTE.format(name=name, fields=fields)
    (rules / "bench.yaml").write_text(text)
    program = [sys.executable, "-m", "gateway"]
    subprocess.run([*program, "keys", "init", "--state", str(home / "state")], check=True, capture_output=True)
    command = [*program, "serve", "--rules", str(rules), "--state", str(home / "state"), "--workers", "1"]
    return [*command, "--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{free_port()}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=int, default=1000, help="size of each body in MB (default 1000)")
    size = parser.parse_args().mb * 1_000_000
    listener = socket.create_server(("127.0.0.1", 0))
    upstream = listener.getsockname()[1]
    maker = multiprocessing.get_context("fork").Process(target=make, args=(listener, size), daemon=True)
    maker.start()
    core, _ = cores()
    # On the disk that holds the tree: a ledger on a RAM disk would cost nothing to sync.
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent / "results") as directory:
        home = Path(directory)
        home.chmod(0o755)  # nginx's worker has a user of its own, and parks what comes too fast in files
        commands = {"gateway": (port := free_port(), gateway_command(home, upstream, port))}
        if shutil.which("nginx"):
            port = free_port()
            commands["nginx, plain"] = (port, nginx_conf.plain_proxy(home / "nginx", port=port, upstream_port=upstream))
        for name, (port, command) in commands.items():
            server = Server(command, port=port, log=home / f"{port}.log", core=core)
            try:
                server.wait(30)
                for kind in _LABELS:
                    for way in ("answer", "request"):
                        print(f"{name:12}  {kind:5} {way:7} {measure(server, kind, size, way)}", flush=True)
            finally:
                server.stop()
    maker.terminate()


if __name__ == "__main__":
    main()
