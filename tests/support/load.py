"""Load in a process of its own: clients that ask as fast as they are answered, and the upstream that they reach.

The upstream notes when the kernel took in the bytes of each request (SO_TIMESTAMPNS): over loopback that is within the
sender's own system call, so it says when the gateway let go of them, however late this process gets to read them.

    with Load(marker=b"1990", connections=32) as load:
        ... start a gateway before load.url ...
        load.begin(port, request)
        seen = load.end()
"""

import json
import selectors
import socket
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec

SO_TIMESTAMPNS = getattr(socket, "SO_TIMESTAMPNS", 35)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"


class Seen(msgspec.Struct):
    """`marked`: nanoseconds since 1970 at which each request that held the marker came in; `plain` of all others."""

    marked: list[int]
    plain: list[int]
    statuses: dict[int, int]


class Load:
    def __init__(self, *, marker: bytes, connections: int) -> None:
        self._words = [sys.executable, str(Path(__file__)), marker.hex(), str(connections)]
        self.url = ""

    def __enter__(self):
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._words, stdin=pipe, stdout=pipe, text=True)
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(self, *_) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def begin(self, port: int, ask: bytes) -> None:
        print(port, ask.hex(), file=self._process.stdin, flush=True)

    def end(self) -> Seen:
        """Stop asking, and tell what came in. May be called once."""
        print(file=self._process.stdin, flush=True)
        return msgspec.json.decode(self._process.stdout.readline(), type=Seen)


class _Peer:
    """One connection; gives whole messages."""

    def __init__(self, connection: socket.socket, loop: "_Loop") -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        self.loop = loop
        self.read = b""
        loop.selector.register(connection, selectors.EVENT_READ, self)

    def close(self) -> None:
        self.loop.selector.unregister(self.socket)
        self.socket.close()

    def message(self, data: bytes) -> bytes:
        """The message that is whole with this piece, else nothing. Nobody here sends two at once."""
        self.read += data
        head, mark, body = self.read.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if not mark or len(body) < length:
            return b""
        whole, self.read = self.read, b""
        return whole


class _Served(_Peer):
    def ready(self) -> None:
        try:
            data, extra, _, _ = self.socket.recvmsg(65536, 64)
        except ConnectionError:
            data = b""
        if not data:
            self.close()
            return
        request = self.message(data)
        if request:
            seconds, nanoseconds = struct.unpack("qq", extra[0][2])
            place = self.loop.marked if self.loop.marker in request else self.loop.plain
            place.append(seconds * 10**9 + nanoseconds)
            self.socket.send(ANSWER)


class _Asking(_Peer):
    def ask(self) -> None:
        self.socket.send(self.loop.ask)

    def ready(self) -> None:
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        answer = self.message(data) if data else b""
        if answer:
            self.loop.statuses[int(answer[9:12])] += 1
        if not data or b"\r\nConnection: close\r\n" in answer:
            self.close()
            self.loop.connect()
        elif answer:
            self.ask()


class _Loop:
    def __init__(self, marker: bytes, connections: int) -> None:
        self.ask = b""
        self.marker = marker
        self.connections = connections
        self.marked: list[int] = []
        self.plain: list[int] = []
        self.statuses: Counter[int] = Counter()
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        # Before anyone connects: accepted sockets inherit it, so not one request goes without its moment.
        self.listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.listener.setblocking(False)
        self.gateway = 0
        self.stopped = False

    def run(self) -> None:
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self.selector.register(sys.stdin, selectors.EVENT_READ, self._told)
        sys.stdout.write(f"{self.listener.getsockname()[1]}\n")
        sys.stdout.flush()
        while not self.stopped:
            for key, _ in self.selector.select():
                key.data.ready() if isinstance(key.data, _Peer) else key.data()
        found = {"marked": self.marked, "plain": self.plain, "statuses": dict(self.statuses)}
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()

    def connect(self) -> None:
        _Asking(socket.create_connection(("127.0.0.1", self.gateway)), self).ask()

    def _accept(self) -> None:
        _Served(self.listener.accept()[0], self)

    def _told(self) -> None:
        words = sys.stdin.readline().split()
        if not words:
            self.stopped = True
            return
        self.gateway, self.ask = int(words[0]), bytes.fromhex(words[1])
        for _ in range(self.connections):
            self.connect()


if __name__ == "__main__":
    _Loop(bytes.fromhex(sys.argv[1]), int(sys.argv[2])).run()
