"""What supervisor and worker say to each other: one JSON line each over a socket pair.

A worker's end of file means that the supervisor is gone, and the other way round; neither can
outlive the other unseen.
"""

import asyncio
import socket
from typing import TypeAlias

import msgspec

from gateway.runtime.metrics import Snapshot
from gateway.runtime.settings import Settings

LINE_LIMIT = 16 * 1024 * 1024
"""Bytes of one line; a snapshot with 10,000 routes is below 10 MB."""


class Start(msgspec.Struct, frozen=True, tag="start"):
    """First line to a worker; `settings` name the ports and descriptors that it shares with the others.

    `policy` is the digest of a kept policy, or empty where `settings.upstream` is only observed.
    `date` is the one against which contracts are judged.
    """

    settings: Settings
    slot: str
    policy: str
    date: str


class Adopt(msgspec.Struct, frozen=True, tag="adopt"):
    """Put the kept policy of this digest in force."""

    policy: str
    date: str


class LoadCertificates(msgspec.Struct, frozen=True, tag="load_certificates"):
    """Read the listeners' certificates again."""


class Report(msgspec.Struct, frozen=True, tag="report"):
    """Answer with a `Status`."""


class Drain(msgspec.Struct, frozen=True, tag="drain"):
    """Accept nothing more, finish what is under way, close the ledger, answer with a last `Status`, exit."""


class Status(msgspec.Struct, frozen=True, tag="status"):
    """How a worker is. `records` counts the lines of its ledger since it started."""

    policy: str
    ledger: bool
    consent: bool
    records: int
    metrics: Snapshot


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The last order was carried out, by a worker in which `policy` is now in force."""

    policy: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The last order was not carried out; the worker goes on as before. `why` is fixed text."""

    why: str


Order: TypeAlias = Start | Adopt | LoadCertificates | Report | Drain
Answer: TypeAlias = Status | Done | Failed

_orders = msgspec.json.Decoder(Order)
_answers = msgspec.json.Decoder(Answer)


class Channel:
    """One end of the socket pair. Lines come in order; `None` stands for the end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, end: socket.socket) -> "Channel":
        return cls(*await asyncio.open_connection(sock=end, limit=LINE_LIMIT))

    async def send(self, message: Order | Answer) -> None:
        """Send one line; a peer that is gone is noticed by whoever reads."""
        try:
            self._writer.write(msgspec.json.encode(message) + b"\n")
            await self._writer.drain()
        except ConnectionError:
            return

    async def order(self) -> Order | None:
        line = await self._line()
        return _orders.decode(line) if line else None

    async def answer(self) -> Answer | None:
        line = await self._line()
        return _answers.decode(line) if line else None

    async def _line(self) -> bytes:
        try:
            return await self._reader.readline()
        except ConnectionError:
            return b""

    async def close(self) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return
