import builtins
import json
import shutil
import zlib
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from anchored import Log
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from gateway.audit.anchor_s3 import S3
from gateway.audit.anchors import AnchorFailed, AnchorRefused, S3Anchor
from gateway.crypto.sign import parse_vkey
from gateway.stores.keyfile import create_keys

ORIGIN = "example.org/log/anchor"
PREFIX = "shop/heads/"


@pytest.fixture(scope="module")
def endpoint():
    """A real S3 API over HTTP that keeps object locks."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    for name, value in {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def client(endpoint):
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")


@pytest.fixture
def bucket(client, request):
    name = f"heads-{zlib.crc32(request.node.name.encode())}"
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


@pytest.fixture
def log(tmp_path):
    create_keys(tmp_path / "state")
    Log(tmp_path / "state", "w0").write(2)
    return Log(tmp_path / "state", "anchor")


def anchor(endpoint: str, bucket: str) -> S3:
    return S3(S3Anchor(bucket, PREFIX, 30, endpoint, "us-east-1"))


async def recalled(s3: S3, log: Log) -> dict[str, int]:
    pins = await s3.recall(log.reader.statement(()), [parse_vkey(log.key.vkey)])
    return {pin.head.origin.rpartition("/")[2]: pin.head.size for pin in pins}


async def test_each_head_is_an_object_that_nobody_can_delete(endpoint, client, bucket, log):
    s3 = anchor(endpoint, bucket)
    assert await recalled(s3, log) == {}
    statement = log.heads()
    await s3.keep(statement)
    [found] = client.list_objects_v2(Bucket=bucket)["Contents"]
    assert found["Key"] == f"{PREFIX}{ORIGIN}/0000000000000003.json"
    kept = client.get_object(Bucket=bucket, Key=found["Key"])
    assert kept["Body"].read() == statement.line()
    assert kept["ObjectLockMode"] == "COMPLIANCE"
    assert abs(kept["ObjectLockRetainUntilDate"] - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=1)
    with pytest.raises(ClientError, match="AccessDenied"):
        client.delete_object(Bucket=bucket, Key=found["Key"], VersionId=kept["VersionId"])
    with pytest.raises(ClientError, match="AccessDenied"):
        client.delete_object(
            Bucket=bucket, Key=found["Key"], VersionId=kept["VersionId"], BypassGovernanceRetention=True
        )
    assert await recalled(s3, log) == {"anchor": 3, "w0": 5}


async def test_what_a_delete_marker_or_a_new_version_hides_is_found(endpoint, client, bucket, log):
    s3 = anchor(endpoint, bucket)
    for _ in range(3):
        await s3.keep(log.heads())
    key = f"{PREFIX}{ORIGIN}/0000000000000007.json"
    client.put_object(Bucket=bucket, Key=key, Body=b"{}")
    client.delete_object(Bucket=bucket, Key=key)
    assert (await recalled(s3, log))["anchor"] == 7


async def test_a_log_that_is_smaller_than_an_object_says_is_found(endpoint, bucket, log, tmp_path):
    s3 = anchor(endpoint, bucket)
    await s3.keep(log.heads())
    log.close()
    shutil.copytree(log.slot, tmp_path / "older")
    for _ in range(3):
        await s3.keep(log.heads())
    log.close()
    shutil.rmtree(log.slot)
    assert (await recalled(s3, log))["anchor"] > 0
    shutil.copytree(tmp_path / "older", log.slot)
    assert (await recalled(s3, log))["anchor"] > log.reader.statement(()).signed.head.size


async def test_a_bucket_without_lock_is_refused_with_what_to_do(endpoint, client, log):
    client.create_bucket(Bucket="open-bucket")
    with pytest.raises(AnchorRefused, match=r"no object lock.*--object-lock-enabled-for-bucket"):
        await recalled(anchor(endpoint, "open-bucket"), log)
    with pytest.raises(AnchorRefused, match="no object lock"):
        await anchor(endpoint, "open-bucket").keep(log.heads())
    assert "Contents" not in client.list_objects_v2(Bucket="open-bucket")


async def test_other_failures_name_the_services_code(endpoint, log):
    with pytest.raises(AnchorFailed, match="S3 answers NoSuchBucket"):
        await recalled(anchor(endpoint, "no-such-bucket"), log)
    with pytest.raises(AnchorFailed, match="S3 answers EndpointConnectionError"):
        await recalled(anchor("http://127.0.0.1:9", "any-bucket"), log)


async def test_without_credentials_it_fails_and_says_so(endpoint, bucket, log, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(AnchorFailed, match="NoCredentialsError"):
        await recalled(anchor(endpoint, bucket), log)


async def test_without_the_extra_its_name_is_said(endpoint, bucket, log, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "boto3":
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(AnchorRefused, match=r"privacy-gateway\[s3\]"):
        await recalled(anchor(endpoint, bucket), log)


async def test_an_object_that_is_no_head_is_refused(endpoint, client, bucket, log):
    client.put_object(Bucket=bucket, Key=f"{PREFIX}{ORIGIN}/0000000000000009.json", Body=json.dumps({}).encode())
    with pytest.raises(AnchorRefused, match="no head of a log"):
        await recalled(anchor(endpoint, bucket), log)
