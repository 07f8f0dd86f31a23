"""Requests that arrive at a fixed rate, whatever becomes of earlier ones, over a bounded number of connections.

Every arrival is another user: it takes a free connection at once, and where none is free it is turned away
here, as a full accept queue would. So a server that answers slowly is not asked more slowly, and one that
refuses fast is asked again at once. Plain sockets, so that one core asks more than the server can answer.
"""

import re
import select
import socket
import time
from collections import Counter, deque
from dataclasses import dataclass, field

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_RETRY = re.compile(rb"\r\nretry-after: *\d+\r\n", re.IGNORECASE)
_PROBLEM = re.compile(rb"\r\ncontent-type: *application/problem\+json\r\n", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)
_CODE = re.compile(rb'"code":"([a-z_]+)"')
_READ = 256 * 1024
_OVERDUE = 20.0
_BIND_ADDRESS_NO_PORT = 24  # linux/in.h; the socket module does not name it


@dataclass
class Tally:
    """What came of all arrivals; `settled` is how long after the last one answers were still owed.

    `latencies` are those of good answers, `refusal_latencies` those of refusals; all in seconds.
    """

    seconds: float = 0.0
    settled: float = 0.0
    arrivals: int = 0
    sent: int = 0
    good: int = 0
    no_connection: int = 0
    connects: int = 0
    connects_refused: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    refusal_latencies: list[float] = field(default_factory=list)
    good_by_second: Counter[int] = field(default_factory=Counter)


class _Connection:
    __slots__ = ("asked", "connecting", "received", "sent_at", "socket", "source")

    def __init__(self, source: str) -> None:
        self.source = source


class Flood:
    """`sources` are local addresses that the connections share, since servers cap connections by address."""

    def __init__(self, port: int, request: bytes, body: bytes, *, rate: float, connections: int, sources: int) -> None:
        self.port, self.request, self.body, self.rate = port, request, body, rate
        self.tally = Tally()
        self._epoll = select.epoll()
        self._by_number: dict[int, _Connection] = {}
        self._idle: deque[_Connection] = deque()
        self._later: deque[tuple[float, _Connection]] = deque()
        self._start = 0.0
        self._all = [_Connection(f"127.0.0.{10 + number % sources}") for number in range(connections)]

    def run(self, seconds: float) -> Tally:
        """Let requests arrive for `seconds`, then wait for the answers that are still owed."""
        for connection in self._all:
            self._connect(connection)
        self._settle(5.0)
        tally = self.tally
        self._start = start = time.perf_counter()
        end = start + seconds
        while (now := time.perf_counter()) < end:
            self._arrive(int((now - start) * self.rate))
            pause = max(0.0, start + (tally.arrivals + 1) / self.rate - now) if self._idle else 0.02
            self._read(min(pause, end - now))
        tally.seconds = time.perf_counter() - start
        self._settle(_OVERDUE)
        tally.settled = time.perf_counter() - start - tally.seconds
        tally.wrong.update({"no answer": owed} if (owed := sum(each.asked for each in self._all)) else {})
        for connection in self._all:
            connection.socket.close()
        self._epoll.close()
        return tally

    def _settle(self, seconds: float) -> None:
        """Wait until no connection is being opened or owes an answer."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end and any(each.asked or each.connecting for each in self._all):
            self._read(0.05)

    def _arrive(self, due: int) -> None:
        tally, idle = self.tally, self._idle
        new = due - tally.arrivals
        tally.arrivals = due
        while new and idle:
            connection = idle.popleft()
            try:
                connection.socket.send(self.request)
            except OSError:
                self._connect_again(connection)  # closed while idle: nothing was asked yet
                continue
            connection.asked = True
            connection.sent_at = time.perf_counter()
            tally.sent += 1
            new -= 1
        tally.no_connection += new

    def _read(self, pause: float) -> None:
        later, now = self._later, time.perf_counter()
        while later and later[0][0] <= now:
            self._connect(later.popleft()[1])
        by_number = self._by_number
        for number, _ in self._epoll.poll(pause, 256):
            connection = by_number[number]
            if connection.connecting:
                self._connected(connection)
                continue
            try:
                data = connection.socket.recv(_READ)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            if data:
                self._take(connection, connection.received + data if connection.received else data)
            else:
                if connection.asked:
                    self.tally.wrong["cut off"] += 1
                else:
                    self._idle.remove(connection)
                self._connect_again(connection)

    def _take(self, connection: _Connection, data: bytes) -> None:
        """Judge an answer once it is whole."""
        end = data.find(b"\r\n\r\n") + 4
        length = _LENGTH.search(data, 0, end) if end > 3 else None
        if length is None or len(data) < end + int(length[1]):
            connection.received = data
            return
        connection.received = b""
        tally, now = self.tally, time.perf_counter()
        head, body, waited = data[:end], data[end:], now - connection.sent_at
        if not connection.asked:
            tally.wrong["unasked"] += 1
        elif head.startswith(b"HTTP/1.1 200 ") and body == self.body:
            tally.good += 1
            tally.good_by_second[int(now - self._start)] += 1
            tally.latencies.append(waited)
        elif head.startswith(b"HTTP/1.1 503 ") and _RETRY.search(head) and _PROBLEM.search(head):
            code = _CODE.search(body)
            tally.refused[code[1].decode() if code else "without a code"] += 1
            tally.refusal_latencies.append(waited)
        else:
            code = _CODE.search(body)
            tally.wrong[f"{head[9:12].decode('latin-1')} {code[1].decode() if code else 'with another body'}"] += 1
        connection.asked = False
        if _CLOSE.search(head):
            self._connect_again(connection)
        else:
            self._idle.append(connection)

    def _connect_again(self, connection: _Connection) -> None:
        self._by_number.pop(connection.socket.fileno(), None)
        connection.socket.close()
        self._connect(connection)

    def _connect(self, connection: _Connection) -> None:
        self.tally.connects += 1
        one = connection.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Without this the kernel picks the port before it knows the peer, and runs out of them.
        one.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
        one.bind((connection.source, 0))
        connection.received, connection.asked, connection.connecting, connection.sent_at = b"", False, True, 0.0
        self._by_number[one.fileno()] = connection
        one.connect_ex(("127.0.0.1", self.port))
        self._epoll.register(one.fileno(), select.EPOLLOUT)

    def _connected(self, connection: _Connection) -> None:
        one = connection.socket
        connection.connecting = False
        if one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.tally.connects_refused += 1
            self._by_number.pop(one.fileno(), None)
            one.close()
            self._later.append((time.perf_counter() + 0.1, connection))
            return
        self._epoll.modify(one.fileno(), select.EPOLLIN)
        self._idle.append(connection)
