"""Where the keys for tokens come from: a file that is read once, or a URL that is asked in the background.

Keys that were good stay until better ones come: an issuer that is down takes nobody's identity away.
"""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from gateway.crypto.token_keys import KeySet, read_key_set
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings_identity import TokenSettings

FETCH_SECONDS = 5.0
"""How long one answer of the issuer is waited for; a request waits no longer than that, for the first only."""
LARGEST_SET = 256 * 1024
_FIRST_RETRY = 1.0
_LONGEST_RETRY = 60.0
ASK_AGAIN_SECONDS = 10.0
"""An unknown key makes the issuer be asked again, but no sooner than this after the last time."""


class KeySource(Protocol):
    """`keys` are the newest good ones, None before there were any."""

    keys: KeySet | None

    @property
    def pending(self) -> bool:
        """Whether the first keys may still come in a moment."""

    async def first(self) -> None:
        """Wait until nothing is pending any more."""

    def missed(self) -> None:
        """A token named a key that is not among them."""

    def abandon(self) -> None:
        """Fetch nothing more; `close` also waits until that is so."""

    async def close(self) -> None: ...


class KeyFile:
    """A JWK set on disk. A change of the file makes new workers, so it is not looked at again.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds no keys that serve.
    """

    pending = False

    def __init__(self, settings: TokenSettings) -> None:
        self.keys: KeySet | None = read_key_set(Path(settings.keys).read_bytes(), settings.algorithms)

    async def first(self) -> None: ...
    def missed(self) -> None: ...
    def abandon(self) -> None: ...
    async def close(self) -> None: ...


class KeyUrl:
    """A JWK set behind a URL, asked every `refresh_seconds`, sooner after a failure or an unknown key.

    `on_fetch` is told of every outcome. Must be made inside the event loop that uses it.

    Raises:
        OSError: the authorities for the URL cannot be read.
    """

    def __init__(
        self,
        settings: TokenSettings,
        *,
        on_fetch: Callable[[bool], None],
        log: Any,
        ask_again_seconds: float,
    ) -> None:
        self.keys: KeySet | None = None
        self._settings = settings
        self._on_fetch = on_fetch
        self._log = log
        self._ask_again_seconds = ask_again_seconds
        self._received = b""
        self._tried = asyncio.Event()
        self._wanted = asyncio.Event()
        self._tls: ssl.SSLContext | bool = ssl.create_default_context(cafile=settings.ca) if settings.ca else True
        self._task = asyncio.create_task(self._run())

    @property
    def pending(self) -> bool:
        return not self._tried.is_set()

    async def first(self) -> None:
        await self._tried.wait()

    def missed(self) -> None:
        self._wanted.set()

    def abandon(self) -> None:
        self._task.cancel()

    async def close(self) -> None:
        self.abandon()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            await self._keep_fetching()
        finally:
            self._tried.set()  # nobody is to wait for what is not coming

    async def _keep_fetching(self) -> None:
        retry = _FIRST_RETRY
        while True:
            self._wanted.clear()
            fetched = await self._fetch()
            self._on_fetch(fetched)
            self._tried.set()
            if fetched:
                retry = _FIRST_RETRY
                await self._rest(self._settings.refresh_seconds)
            else:
                await asyncio.sleep(min(retry, self._settings.refresh_seconds))
                retry = min(2 * retry, _LONGEST_RETRY)

    async def _rest(self, seconds: float) -> None:
        """Until the time is over, or somebody misses a key; at least as long as the issuer is to be left alone."""
        quiet = min(self._ask_again_seconds, seconds)
        await asyncio.sleep(quiet)
        try:
            async with asyncio.timeout(seconds - quiet):
                await self._wanted.wait()
        except TimeoutError:
            return

    async def _fetch(self) -> bool:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                self._take(await self._download())
        except TimeoutError:
            self._log.warning("token keys not fetched", kind="timeout")
        except (aiohttp.ClientError, OSError) as error:
            self._log.warning("token keys not fetched", exception=type(error).__name__)
        except ValueError:
            self._log.warning("token keys not fetched", kind="no keys in the answer")
        else:
            return True
        return False

    def _take(self, received: bytes) -> None:
        """The same answer leaves the same keys, and so what was verified with them."""
        if self.keys is None or received != self._received:
            self.keys = read_key_set(received, self._settings.algorithms)
            self._received = received

    async def _download(self) -> bytes:
        async with (
            aiohttp.ClientSession() as session,
            session.get(self._settings.keys, ssl=self._tls, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise ValueError("the answer is no JWK set")
            received = bytearray()
            async for chunk in answer.content.iter_any():
                received += chunk
                if len(received) > LARGEST_SET:
                    raise ValueError("the answer is longer than any JWK set")
            return bytes(received)


def open_keys(settings: TokenSettings, metrics: Metrics, log: Any) -> KeySource:
    """The source of the configured keys, for the running event loop. Raises as `KeyFile` and `KeyUrl`."""
    if not settings.fetched:
        return KeyFile(settings)

    def count(fetched: bool) -> None:
        metrics.key_fetches["fetched" if fetched else "failed"] += 1

    return KeyUrl(settings, on_fetch=count, log=log, ask_again_seconds=ASK_AGAIN_SECONDS)
