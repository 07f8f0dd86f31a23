"""Heads as objects in a bucket with object lock: in COMPLIANCE mode not even its owner can delete one early.

An object is named after the size of the anchor log, so that names sort as the log grows and no clock
has a say: `<prefix><origin of the anchor log>/<size, 16 digits>.json`.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

from gateway.audit.anchors import AnchorFailed, AnchorRefused, S3Anchor, Statement, pins_of
from gateway.audit.comparison import Pin
from gateway.crypto.sign import VerifyKey

NEEDED = "the anchor s3 needs boto3: install privacy-gateway[s3]"
CONNECT_SECONDS = 3
READ_SECONDS = 10
_LOOK_BACK = 2000
"""Leaves of the anchor log, below its present size, among which the newest object is looked for."""
_NO_LOCK = {"ObjectLockConfigurationNotFoundError", "InvalidRequest"}
_LARGEST = 1024 * 1024


class S3:
    """Puts an object for each head. boto3 is loaded when the first one is wanted, and works in a thread."""

    def __init__(self, settings: S3Anchor) -> None:
        self.name = f"s3:{settings.bucket}/{settings.prefix}"
        self._settings = settings
        self._client: Any = None
        self._errors: tuple[type[Exception], ...] = ()
        self._locked = False

    async def recall(self, present: Statement, keys: list[VerifyKey]) -> list[Pin]:
        """What the newest object says.

        Raises:
            AnchorRefused: boto3 is missing, the bucket has no object lock, or the object is another gateway's.
            AnchorFailed: the bucket cannot be reached or read.
        """
        return await asyncio.to_thread(self._recall, present, keys)

    async def keep(self, statement: Statement) -> None:
        """Return when the bucket has it. Raises AnchorFailed."""
        await asyncio.to_thread(self._keep, statement)

    def _keep(self, statement: Statement) -> None:
        self._prepare()
        until = datetime.now(UTC) + timedelta(days=self._settings.retain_days)
        head = statement.signed.head
        try:
            self._client.put_object(
                Bucket=self._settings.bucket,
                Key=self._key(head.origin, head.size),
                Body=statement.line(),
                ContentType="application/json",
                ObjectLockMode="COMPLIANCE",
                ObjectLockRetainUntilDate=until,
            )
        except self._errors as error:
            raise _failed(error) from None

    def _recall(self, present: Statement, keys: list[VerifyKey]) -> list[Pin]:
        self._prepare()
        head = present.signed.head
        try:
            newest = self._newest(head.origin, head.size)
            if newest is None:
                return []
            found = self._client.get_object(Bucket=self._settings.bucket, Key=newest[0], VersionId=newest[1])
            line = found["Body"].read(_LARGEST)
        except self._errors as error:
            raise _failed(error) from None
        pins = pins_of(line, self.name, keys)
        if pins is None:
            raise AnchorRefused(f"{self.name}: the newest object is no head of a log; give heads their own prefix")
        return pins

    def _newest(self, origin: str, size: int) -> tuple[str, str] | None:
        """Key and version of an object with more leaves than that, else of the largest near it."""
        for key, versions in groupby(self._versions(origin, size), itemgetter(0)):
            return key, _oldest(versions)
        newest = None
        for key, versions in groupby(self._versions(origin, max(0, size - _LOOK_BACK)), itemgetter(0)):
            newest = key, _oldest(versions)
        return newest

    def _versions(self, origin: str, size: int) -> Iterator[tuple[str, str]]:
        """Keys and versions of all objects with more leaves than that, also of those that a delete marker hides."""
        marker = self._key(origin, size)
        position = {"KeyMarker": marker} if size else {}
        while True:
            page = self._client.list_object_versions(
                Bucket=self._settings.bucket, Prefix=f"{self._settings.prefix}{origin}/", **position
            )
            yield from ((each["Key"], each["VersionId"]) for each in page.get("Versions", ()) if each["Key"] > marker)
            if not page.get("IsTruncated"):
                return
            position = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}

    def _key(self, origin: str, size: int) -> str:
        return f"{self._settings.prefix}{origin}/{size:016d}.json"

    def _prepare(self) -> None:
        """A client, and once the certainty that what is put cannot be taken away."""
        if self._client is None:
            self._connect()
        if self._locked:
            return
        bucket = self._settings.bucket
        try:
            answer = self._client.get_object_lock_configuration(Bucket=bucket)
        except self._errors as error:
            if _code(error) in _NO_LOCK:
                raise _unlocked(self.name) from None
            raise _failed(error) from None
        if answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") != "Enabled":
            raise _unlocked(self.name)
        self._locked = True

    def _connect(self) -> None:
        try:
            import boto3  # noqa: PLC0415 - an extra, and slow to load
            from botocore.config import Config  # noqa: PLC0415
            from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
        except ModuleNotFoundError:
            raise AnchorRefused(NEEDED) from None
        self._errors = (BotoCoreError, ClientError)
        config = Config(connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries={"total_max_attempts": 2})
        try:
            self._client = boto3.Session().client(
                "s3", endpoint_url=self._settings.endpoint, region_name=self._settings.region, config=config
            )
        except self._errors as error:
            raise _failed(error) from None


def _oldest(versions: Iterator[tuple[str, str]]) -> str:
    """S3 lists the versions of an object newest first; only the oldest is sure to be ours."""
    return [version for _, version in versions][-1]


def _code(error: Exception) -> str:
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _failed(error: Exception) -> AnchorFailed:
    """The service's error code or the class of the failure; never its text, which may quote credentials."""
    return AnchorFailed(f"S3 answers {_code(error) or type(error).__name__}")


def _unlocked(name: str) -> AnchorRefused:
    why = "the bucket has no object lock, so what is kept there can be deleted"
    return AnchorRefused(f"{name}: {why}; create one with `--object-lock-enabled-for-bucket` and name it here")
