"""What is the bucket's own: uploads in parts, versions, and what a start is refused for."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiobotocore.session import get_session

from app.rules.failures import InvalidHash, StorageDegraded
from app.storage.bucket import opened
from app.storage.content import Digest
from app.storage.location import Location
from app.storage.s3 import PART, S3Store
from tests.buckets import CREDENTIALS, Quiet, accepting, dropping, make_bucket
from tests.storage.samples import all_names, chunked, content, digest_of, sample, stored


@pytest.fixture
async def s3(location: Location) -> AsyncIterator[S3Store]:
    store = S3Store(location)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def client(location: Location) -> AsyncIterator[Any]:
    """A client that knows nothing of Bindery."""
    made = get_session().create_client(
        "s3", region_name="us-east-1", endpoint_url=location.endpoint
    )
    async with made as found:
        yield found


async def everything(client: Any, location: Location) -> tuple[int, int]:
    """How many versions, markers included, and how many uploads the bucket holds."""
    versions = await client.list_object_versions(Bucket=location.bucket)
    uploads = await client.list_multipart_uploads(Bucket=location.bucket)
    kept = versions.get("Versions", []) + versions.get("DeleteMarkers", [])
    return len(kept), len(uploads.get("Uploads", []))


@pytest.mark.parametrize("size", [PART, PART + 1, 2 * PART, 2 * PART + 12_345])
async def test_a_large_blob_comes_in_parts(
    s3: S3Store, client: Any, location: Location, size: int
) -> None:
    data = sample(size)
    name = await stored(s3, data)
    assert await content(s3, name) == data
    head = await client.head_object(Bucket=location.bucket, Key=f"content/{name}")
    assert head["ContentLength"] == size
    # The tag of an object that was made of parts tells their number.
    assert head["ETag"].strip('"').endswith(f"-{-(-size // PART)}") is (size > PART)
    assert await everything(client, location) == (1, 0)


async def test_a_large_blob_that_is_refused_leaves_no_upload(
    s3: S3Store, client: Any, location: Location
) -> None:
    data = sample(2 * PART + 1)
    with pytest.raises(InvalidHash):
        await s3.write(s3.new_name(), chunked(data), expect=Digest("0" * 64, len(data)))
    assert await everything(client, location) == (0, 0)


async def test_every_version_is_erased(s3: S3Store, client: Any, location: Location) -> None:
    await client.put_bucket_versioning(
        Bucket=location.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    kept, gone = await stored(s3, b"kept"), await stored(s3, b"gone")
    await client.put_object(Bucket=location.bucket, Key=f"content/{gone}", Body=b"again")
    await client.delete_object(Bucket=location.bucket, Key=f"content/{gone}")
    await client.put_object(Bucket=location.bucket, Key=f"content/{gone}", Body=b"and again")
    before, _ = await everything(client, location)
    await s3.erase([gone])
    after, _ = await everything(client, location)
    assert before - after == 4
    assert await all_names(s3) == [kept]
    listed = await client.list_object_versions(Bucket=location.bucket, Prefix=f"content/{gone}")
    assert not listed.get("Versions")
    assert not listed.get("DeleteMarkers")


async def test_an_upload_under_way_is_erased_with_its_name(
    s3: S3Store, client: Any, location: Location
) -> None:
    name, other = s3.new_name(), s3.new_name()
    async with opened(location) as bucket:
        upload = await bucket.begin(name)
        await bucket.put_part(name, upload, 1, b"x", sha256=digest_of(b"x").sha256)
        await bucket.begin(name)
        kept = await bucket.begin(other)
        await s3.erase([name])
        assert await bucket.uploads("") == [(other, kept)]


async def test_what_is_completed_already_is_complete(location: Location) -> None:
    async with opened(location) as bucket:
        name = "0" * 32
        upload = await bucket.begin(name)
        part = await bucket.put_part(name, upload, 1, b"abc", sha256=digest_of(b"abc").sha256)
        await bucket.complete(name, upload, [part], size=3)
        await bucket.complete(name, upload, [part], size=3)
        await bucket.abort(name, upload)
        assert await bucket.size(name) == 3


async def test_other_objects_are_none_of_ours(s3: S3Store, client: Any, location: Location) -> None:
    await client.put_object(Bucket=location.bucket, Key="content/readme.txt", Body=b"x")
    await client.put_object(Bucket=location.bucket, Key="a" * 32, Body=b"x")
    name = await stored(s3, b"x")
    assert await all_names(s3) == [name]


async def refused(location: Location) -> str:
    """Why a store at this location is not opened."""
    store = S3Store(location)
    with pytest.raises(StorageDegraded) as raised:
        await store.open()
    assert not await store.healthy()
    return str(raised.value)


async def test_a_bucket_that_there_is_not(location: Location) -> None:
    told = await refused(replace(location, bucket="no-such-bucket"))
    assert told == (
        "The bucket no-such-bucket of BINDERY_CONTENT can't be looked at: there is no such"
        " bucket. Make it, or name another."
    )


async def test_a_bucket_with_object_lock(location: Location, s3_server: str) -> None:
    make_bucket(s3_server, "locked-bucket", locked=True)
    told = await refused(replace(location, bucket="locked-bucket"))
    assert told.startswith("The bucket locked-bucket of BINDERY_CONTENT has object lock")


async def test_no_credentials(location: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CREDENTIALS:
        if name != "AWS_EC2_METADATA_DISABLED":
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    assert "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in await refused(location)


async def test_nobody_answers(location: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.storage.bucket.ATTEMPTS", 1)
    told = await refused(replace(location, endpoint="http://127.0.0.1:9"))
    assert told.endswith("BINDERY_S3_ENDPOINT http://127.0.0.1:9 does not answer.")


@pytest.mark.parametrize("quiet", [accepting, dropping])
async def test_nobody_says_anything(
    location: Location, monkeypatch: pytest.MonkeyPatch, quiet: Quiet
) -> None:
    monkeypatch.setattr("app.storage.bucket.OPENING_SECONDS", 1.5)
    with quiet() as address:
        began = time.monotonic()
        told = await refused(replace(location, endpoint=address))
        assert 1.5 <= time.monotonic() - began < 4.5  # A connection alone may wait for 5.
    assert told == (
        f"The bucket {location.bucket} of BINDERY_CONTENT can't be used: BINDERY_S3_ENDPOINT"
        f" {address} does not answer."
    )


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [
        ("s3://bucket", "bucket", ""),
        ("s3://bucket/", "bucket", ""),
        ("s3://my.bucket-1/a/b/", "my.bucket-1", "a/b/"),
    ],
)
def test_locations(url: str, bucket: str, prefix: str) -> None:
    found = Location.of(url)
    assert (found.bucket, found.prefix, found.region) == (bucket, prefix, "us-east-1")


@pytest.mark.parametrize("url", ["s3:/bucket", "s3://", "s3://B", "file:///x", "s3://b/a b", "x"])
def test_what_is_no_location(url: str) -> None:
    with pytest.raises(ValueError, match="s3://bucket"):
        Location.of(url)
