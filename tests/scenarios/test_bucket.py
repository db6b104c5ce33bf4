"""A binary's whole life with its content in a bucket, through the server."""

from __future__ import annotations

import httpx
import pytest
from aiobotocore.session import get_session

from app.main import content_store
from app.models import StorageGarbage, StorageIntent
from app.settings import Settings, SettingsError
from app.storage.location import Location
from tests.api import Api
from tests.buckets import location, s3_server
from tests.buckets import through_bucket as settings

__all__ = ["location", "s3_server", "settings"]

CONTENT = bytes(range(256)) * 40_000
"""About 10 MB: more than is sent to the bucket at once."""


async def objects(location: Location) -> list[int]:
    """The sizes of all objects."""
    made = get_session().create_client(
        "s3", region_name="us-east-1", endpoint_url=location.endpoint
    )
    async with made as client:
        found = await client.list_objects_v2(Bucket=location.bucket)
        return [one["Size"] for one in found.get("Contents", [])]


async def test_from_upload_to_destruction(
    api: Api, http: httpx.AsyncClient, location: Location
) -> None:
    version = await api.version()
    signed = await api.reach("SIGNED", version, CONTENT)
    assert await objects(location) == [len(CONTENT)]
    found = await api.ask("query($id: ID!) { binary(id: $id) { downloadUrl } }", id=signed)
    url = found["binary"]["downloadUrl"]
    whole = await http.get(url)
    assert whole.content == CONTENT
    part = await http.get(url, headers={"range": "bytes=9000000-9000099"})
    assert (part.status_code, part.content) == (206, CONTENT[9_000_000:9_000_100])
    assert (await http.get("/health/ready")).status_code == 200
    await api.do("destroyBinary", "binary { id state }", binaryId=signed)
    assert await objects(location) == []
    assert (await http.get(url)).status_code == 410
    assert await StorageIntent.all().count() + await StorageGarbage.all().count() == 0


async def test_wrong_bytes_leave_nothing(
    api: Api, http: httpx.AsyncClient, location: Location
) -> None:
    binary = await api.binary(await api.version(), CONTENT)
    (part,) = binary["parts"]
    wrong = CONTENT[:-1] + b"!"
    refused = await http.put(part["uploadUrl"], content=wrong)
    assert refused.json()["errors"][0]["extensions"]["code"] == "INVALID_HASH"
    assert await objects(location) == []
    assert (await http.put(part["uploadUrl"], content=CONTENT)).status_code == 200
    assert await objects(location) == [len(CONTENT)]


def test_a_place_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match="BINDERY_CONTENT is 's3:bucket'"):
        content_store(Settings(content="s3:bucket"))
