"""Real gateway processes for tests, started as a person would start them."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

CLI = [sys.executable, "-m", "gateway"]


def cli(*arguments: str, check: bool = True, **more) -> subprocess.CompletedProcess:
    result = subprocess.run(
        [*CLI, *map(str, arguments)], capture_output=True, text=True, timeout=100, check=False, **more
    )
    if check and result.returncode:
        raise AssertionError(f"{arguments[0]} exited {result.returncode}: {result.stdout}{result.stderr}")
    return result


class GatewayProcess:
    """`serve` in a directory of its own; `url` and `admin` are known once it is ready."""

    def __init__(self, directory: Path, rules: str, *extra: str, workers: int = 1) -> None:
        self.state = directory / "state"
        self.rules = directory / "rules"
        self.rules.mkdir(parents=True, exist_ok=True)
        (self.rules / "rules.yaml").write_text(rules)
        if not self.state.exists():
            cli("keys", "init", "--state", self.state)
        self.log = directory / "gateway.log"
        self._arguments = ["serve", "--json", "--rules", self.rules, "--state", self.state, "--listen", "127.0.0.1:0",
                           "--admin", "127.0.0.1:0", "--workers", workers, *extra]  # fmt: skip

    def __enter__(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*CLI, *map(str, self._arguments)], stdout=subprocess.PIPE, stderr=log)
        line = self.process.stdout.readline()
        if b'"ready":true' not in line:
            said = (line + self.process.stdout.read()).decode()
            raise AssertionError("the gateway did not start: " + said + self.log.read_text())
        self._announced(json.loads(line))
        return self

    def _announced(self, ready: dict) -> None:
        self.url = ready["listeners"][0]
        self.admin = ready["admin"]
        self.port = int(self.url.rpartition(":")[2])

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(each) for each in children.split()]

    def kill(self) -> None:
        """SIGKILL everything at once, as a power cut would."""
        for each in [*self.workers(), self.process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        self.process.wait()


def curl(url: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["curl", "-sS", "--max-time", "20", *arguments, url], capture_output=True, text=True, timeout=30, check=False
    )


class Client:
    """One keep-alive connection that sends exactly the bytes it is told to."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.stream = self.socket.makefile("rb")

    def close(self) -> None:
        self.stream.close()
        self.socket.close()

    def send(self, raw: bytes) -> tuple[int, bytes, bytes]:
        """Status, head and body of the answer; status 0 where the connection ended without one."""
        self.socket.sendall(raw)
        return self.read()

    def read(self) -> tuple[int, bytes, bytes]:
        line = self.stream.readline()
        if not line:
            return 0, b"", b""
        head = line
        length = 0
        chunked = False
        while (line := self.stream.readline()) not in (b"\r\n", b""):
            head += line
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            chunked = chunked or (name.lower() == b"transfer-encoding" and b"chunked" in value)
        body = self._chunks() if chunked else self.stream.read(length)
        return int(head.split(b" ")[1]), head, body

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.stream.readline().split(b";")[0], 16):
            body += self.stream.read(size)
            self.stream.readline()
        self.stream.readline()
        return body


def request(method: str, target: str, body: bytes = b"", *headers: str, host: str = "shop.example") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
