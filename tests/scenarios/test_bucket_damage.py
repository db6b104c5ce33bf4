"""What goes wrong in a bucket is found by fsck and by the worker, as it is on a disk."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiobotocore.session import get_session

from app.actions.repair import repair
from app.models import Binary, BinaryPart
from app.reads.fsck import inspect
from app.rules.binary import ContentHealth
from app.rules.fsck import Damage
from app.rules.prn import parse_prn
from app.server import Server
from app.storage.location import Location
from app.worker.scrubbing import Scrubbing
from tests.api import Api
from tests.buckets import location, s3_server
from tests.buckets import through_bucket as settings
from tests.worker.records import PAST
from tests.worker.running import until

__all__ = ["location", "s3_server", "settings"]

CONTENT = bytes(range(256)) * 400


@pytest.fixture
async def bucket(location: Location) -> AsyncIterator[Any]:
    made = get_session().create_client(
        "s3", region_name="us-east-1", endpoint_url=location.endpoint
    )
    async with made as client:
        yield client


async def keys(bucket: Any, location: Location) -> list[str]:
    found = await bucket.list_objects_v2(Bucket=location.bucket)
    return [one["Key"] for one in found.get("Contents", [])]


async def signed(api: Api, target: str) -> tuple[Binary, BinaryPart]:
    """A signed binary, and its one part."""
    found = await api.ask("{ artifactVersions { nodes { id } } }")
    versions = found["artifactVersions"]["nodes"]
    version = versions[0]["id"] if versions else await api.version()
    id = parse_prn(await api.reach("SIGNED", version, CONTENT, target), path=()).id
    return await Binary.get(id=id), await BinaryPart.get(binary_id=id)


async def test_damage_is_found_and_repaired(
    api: Api, server: Server, bucket: Any, location: Location
) -> None:
    """An object too many, one that is gone, and one with other bytes of the same size."""
    lost, gone = await signed(api, "arm-lost")
    rotten, changed = await signed(api, "arm-rotten")
    assert await inspect(server.store, deep=True, alone=False) == []
    key = next(one for one in await keys(bucket, location) if one.endswith(str(changed.blob)))
    prefix = key.removesuffix(str(changed.blob))
    orphan = server.store.new_name()
    await bucket.put_object(Bucket=location.bucket, Key=prefix + orphan, Body=b"left over")
    await bucket.put_object(Bucket=location.bucket, Key=key, Body=CONTENT[::-1])
    await bucket.delete_object(Bucket=location.bucket, Key=prefix + str(gone.blob))
    found = await inspect(server.store, deep=True, alone=False)
    assert {(one.code, one.subject) for one in found} == {
        (Damage.BLOB_ORPHAN, orphan),
        (Damage.BLOB_MISSING, str(gone.id)),
        (Damage.BLOB_DIGEST, str(changed.id)),
    }
    mended = await repair(server.store, found)
    assert [one.code for one in mended] == [Damage.BLOB_ORPHAN]
    assert await keys(bucket, location) == [key]
    for binary, health in ((lost, ContentHealth.MISSING), (rotten, ContentHealth.CORRUPT)):
        assert (await Binary.get(id=binary.id)).content_health is health


async def test_the_worker_looks_into_the_bucket(
    api: Api, server: Server, bucket: Any, location: Location
) -> None:
    binary, part = await signed(api, "arm-rotten")
    (key,) = await keys(bucket, location)
    assert key.endswith(str(part.blob))
    await bucket.put_object(Bucket=location.bucket, Key=key, Body=CONTENT[::-1])
    await Binary.filter(id=binary.id).update(content_checked_at=PAST)
    made = Scrubbing(server.store, rate=1 << 40, again_after=timedelta(days=30), interval=0.02)
    task = asyncio.create_task(made.run())

    async def marked() -> bool:
        return (await Binary.get(id=binary.id)).content_health is ContentHealth.CORRUPT

    await until(marked)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
