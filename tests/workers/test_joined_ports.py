"""Several data ports as one: each is asked, in order, and a drain drains all at once."""

import asyncio

import pytest

from gateway.workers.joined_ports import JoinedPorts


class Port:
    """Notes what it is asked; its drain ends once the other's has begun."""

    def __init__(self, name, asked, both):
        self.name, self.asked, self.both = name, asked, both

    def _note(self, *what):
        self.asked.append((self.name, *what))

    async def listen(self):
        self._note("listen")
        if self.name == "broken":
            raise OSError("in use")

    def adopt(self, policy):
        self._note("adopt", policy)

    def reload_certificates(self):
        self._note("reload")
        if self.name == "broken":
            raise OSError("no certificate")

    async def drain(self, timeout):  # noqa: ASYNC109 - the contract of graceful shutdown
        self._note("drain", timeout)
        await self.both.wait()

    async def close(self):
        self._note("close")

    def abandon(self):
        self._note("abandon")


def joined(*names):
    asked, both = [], asyncio.Barrier(len(names))
    return JoinedPorts([Port(name, asked, both) for name in names]), asked


async def test_what_is_asked_of_all_is_asked_of_each():
    ports, asked = joined("proxy", "relay")
    await ports.listen()
    ports.adopt("policy")
    ports.reload_certificates()
    async with asyncio.timeout(5):
        await ports.drain(7)
    await ports.close()
    ports.abandon()

    expected = [("listen",), ("adopt", "policy"), ("reload",), ("drain", 7), ("close",), ("abandon",)]
    assert asked == [(name, *what) for what in expected for name in ("proxy", "relay")]


async def test_what_fails_in_one_fails():
    ports, asked = joined("broken", "relay")
    with pytest.raises(OSError, match="in use"):
        await ports.listen()
    with pytest.raises(OSError, match="no certificate"):
        ports.reload_certificates()
    assert asked == [("broken", "listen"), ("broken", "reload")]
