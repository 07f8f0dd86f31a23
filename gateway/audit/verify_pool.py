"""Segments read by several processes at once."""

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, Self

from gateway.audit.verify_files import size_of
from gateway.audit.verify_log import part_start
from gateway.audit.verify_meter import Meter
from gateway.audit.verify_segment import Job, Part, State, read_segment

WORTH_BYTES = 16 * 1024 * 1024
"""Less than this is read sooner than other processes are started."""

_TOLD_BYTES = 1024 * 1024
_POLL_SECONDS = 0.1
_shared: Any = None


def _begin(counter: Any) -> None:
    global _shared  # noqa: PLW0603 - how a pool gives its processes something to share
    _shared = counter


def _work(job: Job, state: State) -> Part:
    untold = 0

    def told(count: int) -> None:
        nonlocal untold
        untold += count
        if untold >= _TOLD_BYTES:
            with _shared.get_lock():
                _shared.value += untold
            untold = 0

    part = read_segment(job, state, told)
    with _shared.get_lock():
        _shared.value += untold
    return part


class Batch:
    """The segments of one log that are being read elsewhere; called with a job, it waits for its part."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._parts: dict[int, tuple[State, Future[Part]]] = {}

    def put(self, job: Job, state: State, future: "Future[Part]") -> None:
        self._parts[id(job)] = state, future

    def __call__(self, job: Job) -> tuple[State, Part] | None:
        """The part, None where nobody else reads it or whoever did so failed."""
        state, future = self._parts.pop(id(job), (None, None))
        if state is None or future is None:
            return None
        while True:
            try:
                part = future.result(_POLL_SECONDS)
            except NotYet:
                self._meter.tell()
            except (OSError, BrokenProcessPool):
                return None  # whoever asked reads it, and meets the same error if it lies in the file
            else:
                self._meter.tell()
                return state, part

    def cancel(self) -> None:
        """What was not begun is not needed any more."""
        for _, future in self._parts.values():
            future.cancel()


class Pool:
    """Up to `jobs` processes, started when there is enough to read."""

    def __init__(self, jobs: int, meter: Meter) -> None:
        self._jobs = jobs
        self._meter = meter
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)

    def start(self, logs: Sequence[Sequence[Job]]) -> list[Batch]:
        """Have what can be read alone read; one batch for each log. Raises OSError where a file cannot be read."""
        batches = [Batch(self._meter) for _ in logs]
        if self._jobs < 2 or sum(size_of(job.segment) for jobs in logs for job in jobs) < WORTH_BYTES:
            return batches
        for batch, jobs in zip(batches, logs, strict=True):
            for job in jobs:
                state = part_start(job.segment)
                if state is not None:
                    batch.put(job, state, self._processes().submit(_work, job, state))
        return batches

    def _processes(self) -> ProcessPoolExecutor:
        if self._executor is None:
            # Not forked: a progress bar runs in a thread, and locks that it holds would stay locked.
            context = multiprocessing.get_context("spawn")
            counter = context.Value("Q", 0)
            self._meter.elsewhere = counter
            self._executor = ProcessPoolExecutor(self._jobs, context, _begin, (counter,))
        return self._executor
