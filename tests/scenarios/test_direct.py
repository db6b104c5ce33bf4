"""A binary's whole life with its content in a bucket that clients send to and fetch from."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from aiobotocore.session import get_session

from app.actions import direct
from app.actions.content import erase_garbage
from app.actions.unit import Actor
from app.models import Binary, BinaryPart, StorageGarbage, StorageIntent, StorageUpload
from app.reads import fsck
from app.rules.access import Role
from app.server import Server
from app.settings import Settings
from app.storage.location import Location
from tests.api import BINARY, PART, Api
from tests.buckets import location, s3_server

__all__ = ["location", "s3_server"]

MIB = 1 << 20
PARTS = [random.Random(seed).randbytes(size) for seed, size in enumerate((5 * MIB, 6 * MIB, 77))]
CONTENT = b"".join(PARTS)


@pytest.fixture
def settings(settings: Settings, location: Location) -> Settings:
    return replace(
        settings, content=f"s3://{location.bucket}/content", s3_endpoint=location.endpoint
    )


@pytest.fixture
async def web() -> AsyncIterator[httpx.AsyncClient]:
    """A client for the bucket; it has no key of Bindery's."""
    async with httpx.AsyncClient(timeout=30) as client:
        yield client


@pytest.fixture
async def bucket(location: Location) -> AsyncIterator[Any]:
    made = get_session().create_client(
        "s3", region_name="us-east-1", endpoint_url=location.endpoint
    )
    async with made as client:
        yield client


async def held(bucket: Any, location: Location) -> tuple[list[int], int]:
    """The sizes of all objects, and how many uploads are under way."""
    objects = await bucket.list_objects_v2(Bucket=location.bucket)
    uploads = await bucket.list_multipart_uploads(Bucket=location.bucket)
    return [one["Size"] for one in objects.get("Contents", [])], len(uploads.get("Uploads", []))


def declared(*contents: bytes) -> list[dict[str, Any]]:
    return [
        {"index": index, "size": len(data), "hash": hashlib.sha256(data).hexdigest()}
        for index, data in enumerate(contents, 1)
    ]


async def begun(api: Api, *contents: bytes, target: str = "portable") -> dict[str, Any]:
    """A new binary with its parts registered."""
    whole = b"".join(contents)
    found: dict[str, Any] = await api.do(
        "createBinary",
        f"binary {{ id state parts {{ {PART} }} }}",
        artifactVersionId=await api.version(),
        target=target,
        hash=hashlib.sha256(whole).hexdigest(),
        size=len(whole),
        parts=declared(*contents),
    )
    return found


async def put(web: httpx.AsyncClient, part: dict[str, Any], data: bytes) -> int:
    headers = {one["name"]: one["value"] for one in part["uploadHeaders"]}
    answer = await web.request(
        part["uploadMethod"], part["uploadUrl"], content=data, headers=headers
    )
    return answer.status_code


async def test_bytes_go_from_the_client_to_the_bucket(
    api: Api,
    server: Server,
    http: httpx.AsyncClient,
    web: httpx.AsyncClient,
    bucket: Any,
    location: Location,
) -> None:
    binary = await begun(api, *PARTS)
    id = binary["id"]
    for part in binary["parts"]:
        assert part["uploadUrl"].startswith(f"{location.endpoint}/{location.bucket}/content/")
        assert "X-Amz-Signature=" in part["uploadUrl"]
        assert "x-amz-checksum-sha256" in part["uploadUrl"]
    assert await put(web, binary["parts"][1], PARTS[1]) == 200
    assert await put(web, binary["parts"][0], PARTS[0]) == 200

    # What has arrived is known when the parts are registered once more.
    again = await api.do(
        "createBinaryParts", f"parts {{ {PART} }}", binaryId=id, parts=declared(*PARTS)
    )
    assert [part["state"] for part in again] == ["VALID", "VALID", "UPLOADABLE"]
    refused = await api.fail("finishBinaryUpload", BINARY, binaryId=id)
    assert (refused["code"], refused["missing"]) == ("PARTS_INCOMPLETE", [3])
    assert await held(bucket, location) == ([], 1)
    assert await fsck.inspect(server.store, alone=False) == []

    assert await put(web, again[2], PARTS[2]) == 200
    await api.do("finishBinaryUpload", BINARY, binaryId=id, startHashing=True)
    assert await held(bucket, location) == ([len(CONTENT)], 0)
    await api.wait(id, "SIGNABLE")
    await api.sign(id, CONTENT)
    assert await fsck.inspect(server.store, deep=True, alone=False) == []
    assert (
        server.metrics.registry.get_sample_value(
            "bindery_content_bytes_total", {"direction": "received"}
        )
        == 0
    )

    found = await api.ask("query($id: ID!) { binary(id: $id) { downloadUrl } }", id=id)
    url = found["binary"]["downloadUrl"]
    sent_on = await http.get(url)
    assert sent_on.status_code == 307
    whole = await web.get(sent_on.headers["location"])
    assert whole.content == CONTENT
    assert "attachment" in whole.headers["content-disposition"]
    some = await web.get(sent_on.headers["location"], headers={"range": "bytes=5242870-5242889"})
    assert (some.status_code, some.content) == (206, CONTENT[5_242_870:5_242_890])
    assert (await http.head(url)).headers["content-length"] == str(len(CONTENT))

    await api.do("destroyBinary", BINARY, binaryId=id)
    assert await held(bucket, location) == ([], 0)
    assert (await http.get(url)).status_code == 410
    assert (await web.get(sent_on.headers["location"])).status_code in (403, 404)
    assert await StorageUpload.all().count() + await StorageGarbage.all().count() == 0
    assert await StorageIntent.all().count() == 0


async def test_the_server_reads_what_lies_in_parts(
    api: Api, server: Server, web: httpx.AsyncClient
) -> None:
    binary = await begun(api, *PARTS)
    for part, data in zip(binary["parts"], PARTS, strict=True):
        assert await put(web, part, data) == 200
    await api.do("finishBinaryUpload", BINARY, binaryId=binary["id"])
    rows = await BinaryPart.all().order_by("index")
    for row, data in zip(rows, PARTS, strict=True):
        assert row.blob is not None
        assert await server.store.size(row.blob) == len(data)
        blocks = [block async for block in server.store.read(row.blob, start=7, length=60)]
        assert b"".join(blocks) == data[7:67]


async def test_bytes_of_another_size_are_not_the_part(api: Api, web: httpx.AsyncClient) -> None:
    binary = await begun(api, b"what was declared")
    (part,) = binary["parts"]
    assert await put(web, part, b"something longer than that") == 200
    (again,) = await api.do(
        "createBinaryParts",
        f"parts {{ {PART} }}",
        binaryId=binary["id"],
        parts=declared(b"what was declared"),
    )
    assert again["state"] == "INVALID_SIZE"
    assert await put(web, again, b"what was declared") == 200
    await api.do("finishBinaryUpload", BINARY, binaryId=binary["id"])


async def test_a_reset_leaves_nothing_and_begins_anew(
    api: Api, server: Server, web: httpx.AsyncClient, bucket: Any, location: Location
) -> None:
    binary = await begun(api, b"first")
    (late,) = binary["parts"]
    assert await put(web, late, b"first") == 200
    await api.do("finishBinaryUpload", BINARY, binaryId=binary["id"])
    await api.do("resetBinary", BINARY, binaryId=binary["id"])
    await erase_garbage(server.store)
    assert await held(bucket, location) == ([], 0)
    # The link of before is good for an hour, the upload that it is for is no more.
    assert await put(web, late, b"first") >= 400
    assert await held(bucket, location) == ([], 0)
    (part,) = await api.do(
        "createBinaryParts", f"parts {{ {PART} }}", binaryId=binary["id"], parts=declared(b"first")
    )
    assert part["uploadUrl"].split("?")[0] != late["uploadUrl"].split("?")[0]
    assert await put(web, part, b"first") == 200
    await api.do("finishBinaryUpload", BINARY, binaryId=binary["id"])
    await api.do("deleteBinary", "deletedBinaryId", binaryId=binary["id"])
    await erase_garbage(server.store)
    assert await held(bucket, location) == ([], 0)


async def test_a_finish_that_broke_off_is_finished(
    api: Api, server: Server, web: httpx.AsyncClient, bucket: Any, location: Location
) -> None:
    binary = await begun(api, b"content")
    assert await put(web, binary["parts"][0], b"content") == 200
    row = await Binary.get(target="portable")
    actor = Actor(organization_id=row.organization_id, role=Role.WRITE)
    assert server.uploads is not None
    # The server dies after the object was made, before the state says so.
    await direct.complete(server.uploads, actor, row.id)
    assert await held(bucket, location) == ([7], 0)
    assert await api.state(binary["id"]) == "UPLOADABLE"
    await api.do("finishBinaryUpload", BINARY, binaryId=binary["id"])
    assert await held(bucket, location) == ([7], 0)


async def test_a_part_replaced_after_that_begins_anew(
    api: Api, server: Server, web: httpx.AsyncClient, bucket: Any, location: Location
) -> None:
    binary = await begun(api, b"content")
    assert await put(web, binary["parts"][0], b"content") == 200
    row = await Binary.get(target="portable")
    actor = Actor(organization_id=row.organization_id, role=Role.WRITE)
    assert server.uploads is not None
    await direct.complete(server.uploads, actor, row.id)
    (part,) = await api.do(
        "createBinaryParts",
        f"parts {{ {PART} }}",
        binaryId=binary["id"],
        parts=declared(b"another"),
    )
    await erase_garbage(server.store)
    assert await held(bucket, location) == ([], 1)
    assert await put(web, part, b"another") == 200
    await api.do("finishBinaryUpload", BINARY, binaryId=binary["id"])
    assert await held(bucket, location) == ([7], 0)


async def test_an_upload_that_the_bucket_lost_begins_anew(
    api: Api, web: httpx.AsyncClient, bucket: Any, location: Location
) -> None:
    binary = await begun(api, b"content")
    assert await put(web, binary["parts"][0], b"content") == 200
    upload = await StorageUpload.get()
    # As a rule of the bucket does with uploads that take too long.
    await bucket.abort_multipart_upload(
        Bucket=location.bucket, Key=f"content/{upload.blob}", UploadId=upload.upload
    )
    refused = await api.fail("finishBinaryUpload", BINARY, binaryId=binary["id"])
    assert refused["code"] == "PARTS_INCOMPLETE"
    (part,) = await api.do(
        "createBinaryParts",
        f"parts {{ {PART} }}",
        binaryId=binary["id"],
        parts=declared(b"content"),
    )
    assert await put(web, part, b"content") == 200
    await api.do("finishBinaryUpload", BINARY, binaryId=binary["id"])


async def test_many_who_begin_at_once_have_one_upload(
    api: Api, server: Server, bucket: Any, location: Location
) -> None:
    binary = await begun(api)
    await asyncio.gather(
        *(
            api.do(
                "createBinaryParts",
                f"parts {{ {PART} }}",
                binaryId=binary["id"],
                parts=declared(b"x"),
            )
            for _ in range(8)
        )
    )
    await erase_garbage(server.store)
    assert await held(bucket, location) == ([], 1)
    assert await StorageIntent.all().count() == 0


class TestCdn:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, s3_download_url="https://cdn.example/")

    async def test_downloads_go_to_the_cdn(
        self, api: Api, http: httpx.AsyncClient, web: httpx.AsyncClient
    ) -> None:
        binary = await begun(api, b"content")
        assert await put(web, binary["parts"][0], b"content") == 200
        await api.do("finishBinaryUpload", BINARY, binaryId=binary["id"])
        found = await api.ask(
            "query($id: ID!) { binary(id: $id) { downloadUrl } }", id=binary["id"]
        )
        sent_on = await http.get(found["binary"]["downloadUrl"])
        upload = await StorageUpload.get()
        assert sent_on.headers["location"] == f"https://cdn.example/content/{upload.blob}"
