"""100 MB that no rule reads, through a server, with its memory watched meanwhile."""

import http.client
import threading
import time

from process_tree import Server, cpu_seconds, resident_bytes

INTERVAL = 0.02


class Watch(threading.Thread):
    """Samples the resident set until stopped."""

    def __init__(self, pid: int, *, every: float = INTERVAL) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.every = every
        self.samples: list[tuple[float, int]] = []
        self.over = threading.Event()

    def run(self) -> None:
        start = time.perf_counter()
        while True:
            self.samples.append((round(time.perf_counter() - start, 3), resident_bytes(self.pid)))
            if self.over.wait(self.every):
                return


def stream_blob(server: Server, size: int) -> dict[str, object]:
    """Fetch the blob twice while memory is sampled; time and CPU are those of the second fetch.

    Returns:
        `seconds`, `cpu_seconds`, `before`, `peak` and `growth` (bytes resident), and `samples`.
    """
    before = resident_bytes(server.pid)
    watch = Watch(server.pid)
    watch.start()
    _fetch(server.port, size)
    used, start = cpu_seconds(server.pid), time.perf_counter()
    _fetch(server.port, size)
    seconds = time.perf_counter() - start
    used = cpu_seconds(server.pid) - used
    watch.over.set()
    watch.join()
    peak = max(resident for _, resident in watch.samples)
    return {
        "seconds": seconds,
        "cpu_seconds": used,
        "before": before,
        "peak": peak,
        "growth": peak - before,
        "samples": watch.samples,
    }


def _fetch(port: int, size: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/blob.bin")
    answer = connection.getresponse()
    received = 0
    while piece := answer.read(1 << 20):
        received += len(piece)
    connection.close()
    if answer.status != 200 or received != size:
        raise SystemExit(f"the blob came back with {answer.status} and {received} of {size} bytes")
