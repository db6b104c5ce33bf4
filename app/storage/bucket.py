"""A bucket of S3 or of what speaks its protocol: single requests, repeated where that is safe.

Names of objects are never used twice, so that each request may be sent again: what arrives twice
says the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from app.rules.failures import StorageDegraded
from app.storage.location import (
    MISSING,
    Location,
    Missing,
    code_of,
    explained,
    translated,
    unusable,
)
from app.storage.uploads import Arrived, base64_of, hex_of, named

ATTEMPTS: Final = 6
"""How often a request is sent before its failure is told."""
CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 30.0
"""How long a request may wait for a connection, and for each next byte."""
OPENING_SECONDS: Final = 6.0
"""How long a bucket may take to prove that blobs can be kept in it, repeated requests included."""
ABORTS: Final = 20
"""How often an upload is aborted: parts that were on their way may arrive in between."""
BATCH: Final = 1000
"""Objects that one request may delete."""

_NO_LOCKS: Final = frozenset(
    {"ObjectLockConfigurationNotFoundError", "NotImplemented", "MethodNotAllowed"}
)


@asynccontextmanager
async def answering(location: Location) -> AsyncIterator[None]:
    """Ends a block of requests that takes OPENING_SECONDS. Raises StorageDegraded then.

    A single request may wait for long, and is sent six times: who waits for a start is told sooner.
    """
    try:
        async with asyncio.timeout(OPENING_SECONDS):
            yield
    except TimeoutError as error:
        raise unusable(error, location, what="be used") from error


@asynccontextmanager
async def opened(location: Location) -> AsyncIterator[Bucket]:
    """The bucket, for as long as the block lasts. Raises StorageDegraded, naming the setting."""
    config = AioConfig(
        # Links that are signed the old way don't bind the checksum that comes with them.
        signature_version="s3v4",
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=50,
        # A path needs no name server that knows every bucket, as one at hand seldom does.
        s3={"addressing_style": "path" if location.endpoint else "auto"},
        # Each request with content carries its SHA-256; others of the protocol know no CRC.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    async with AsyncExitStack() as stack:
        made = get_session().create_client(
            "s3",
            region_name=location.region,
            endpoint_url=location.endpoint or None,
            config=config,
        )
        yield Bucket(await stack.enter_async_context(made), location)


class Bucket:
    """Requests to one bucket. Each raises StorageDegraded when it fails for good."""

    def __init__(self, client: Any, location: Location) -> None:
        self._client = client
        self._location = location
        self._in = {"Bucket": location.bucket}

    def key(self, name: str) -> str:
        """The key of the object `name`."""
        return self._location.prefix + name

    def _at(self, name: str) -> dict[str, str]:
        return {**self._in, "Key": self.key(name)}

    async def check(self) -> None:
        """Raises StorageDegraded, with the setting to mend, unless blobs can be kept here."""
        with explained(self._location, what="be looked at"):
            await self._client.head_bucket(**self._in)
        if await self._locked():
            raise StorageDegraded(
                f"The bucket {self._location.bucket} of BINDERY_CONTENT has object lock, so that"
                " nothing could be erased. Name a bucket without it."
            )

    async def _locked(self) -> bool:
        with explained(self._location, what="be asked for object lock"):
            try:
                found = await self._client.get_object_lock_configuration(**self._in)
            except ClientError as error:
                # Who does not know the question has no locks.
                if code_of(error) in _NO_LOCKS:
                    return False
                raise
        return "Enabled" in str(found.get("ObjectLockConfiguration", {}))

    async def probe(self, name: str) -> None:
        """Writes and deletes a small object. Raises StorageDegraded, naming the setting."""
        at = self._at(name)
        with explained(self._location, what="be written to"):
            await self._client.put_object(**at, Body=b"bindery")
        with explained(self._location, what="be erased from"):
            await self._client.delete_object(**at)

    async def answers(self) -> bool:
        """Whether the bucket answers now."""
        try:
            with translated():
                await self._client.head_bucket(**self._in)
        except (Missing, StorageDegraded):
            return False
        return True

    async def size(self, name: str) -> int | None:
        """The size of an object in bytes, None where there is none."""
        try:
            with translated():
                found = await self._client.head_object(**self._at(name))
        except Missing:
            return None
        return int(found["ContentLength"])

    async def put(self, name: str, content: bytes, *, sha256: str) -> None:
        """Stores a small object. It is refused if it arrives with another digest."""
        with translated():
            await self._client.put_object(
                **self._at(name), Body=content, ChecksumSHA256=base64_of(sha256)
            )

    async def get(self, name: str, *, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yields the bytes of an object from `start` to before `end`, as they come.

        It may end too early, without an error. Raises Missing.
        """
        with translated():
            answer = await self._client.get_object(
                **self._at(name), Range=f"bytes={start}-{end - 1}"
            )
            async with answer["Body"] as body:
                while chunk := await body.read(1 << 16):
                    yield chunk

    async def begin(self, name: str) -> str:
        """Begins an upload in parts, and gives its id."""
        with translated():
            begun = await self._client.create_multipart_upload(
                **self._at(name), ChecksumAlgorithm="SHA256"
            )
        return str(begun["UploadId"])

    async def put_part(
        self, name: str, upload: str, number: int, content: bytes, *, sha256: str
    ) -> Arrived:
        """Stores one part of an upload. Raises Missing."""
        checksum = base64_of(sha256)
        with translated():
            answer = await self._client.upload_part(
                **self._at(name),
                UploadId=upload,
                PartNumber=number,
                Body=content,
                ChecksumSHA256=checksum,
            )
        return Arrived(number, len(content), sha256, answer["ETag"])

    async def part_url(
        self, name: str, upload: str, number: int, *, sha256: str, seconds: int
    ) -> str:
        """Where to send a part with its checksum, for a while."""
        wanted = {
            **self._at(name),
            "UploadId": upload,
            "PartNumber": number,
            "ChecksumSHA256": base64_of(sha256),
        }
        with translated():
            return str(
                await self._client.generate_presigned_url(
                    "upload_part", Params=wanted, ExpiresIn=seconds
                )
            )

    async def content_url(self, name: str, *, filename: str, seconds: int) -> str:
        """Where to fetch an object, for a while."""
        wanted = {
            **self._at(name),
            "ResponseContentDisposition": f'attachment; filename="{filename}"',
            "ResponseContentType": "application/octet-stream",
        }
        with translated():
            return str(
                await self._client.generate_presigned_url(
                    "get_object", Params=wanted, ExpiresIn=seconds
                )
            )

    async def parts(self, name: str, upload: str) -> list[Arrived]:
        """The parts of an upload under way. Raises Missing."""
        pages = self._client.get_paginator("list_parts").paginate(**self._at(name), UploadId=upload)
        with translated():
            return [
                Arrived(
                    found["PartNumber"],
                    found["Size"],
                    hex_of(found.get("ChecksumSHA256")),
                    found["ETag"],
                )
                async for page in pages
                for found in page.get("Parts", ())
            ]

    async def part_size(self, name: str, number: int) -> tuple[int, int] | None:
        """The size of a part of a finished object, and how many parts that has."""
        try:
            with translated():
                found = await self._client.head_object(**self._at(name), PartNumber=number)
        except Missing:
            return None
        return int(found["ContentLength"]), int(found.get("PartsCount", 1))

    async def complete(
        self, name: str, upload: str, parts: Sequence[Arrived], *, size: int
    ) -> None:
        """Makes one object of the parts; one that is there already is success. Raises Missing."""
        try:
            with translated():
                await self._client.complete_multipart_upload(
                    **self._at(name),
                    UploadId=upload,
                    MultipartUpload={"Parts": list(map(named, parts))},
                )
        except (Missing, StorageDegraded):
            # The answer to an earlier attempt may have been lost.
            if await self.size(name) != size:
                raise
        # Where the answer to the beginning was lost, it was begun again: those are too many.
        for other, left in await self.uploads(name):
            await self.abort(other, left)

    async def abort(self, name: str, upload: str) -> None:
        """Aborts an upload, again and again until none of its parts is left."""
        at = {**self._at(name), "UploadId": upload}
        for _ in range(ABORTS):
            try:
                with translated():
                    await self._client.abort_multipart_upload(**at)
                    await self._client.list_parts(**at, MaxParts=1)
            except Missing:
                return
        raise StorageDegraded("An upload in the bucket can't be aborted.")

    async def uploads(self, name: str) -> list[tuple[str, str]]:
        """Names and ids of the uploads under way, of objects whose names begin with `name`."""
        pages = self._client.get_paginator("list_multipart_uploads").paginate(
            **self._in, Prefix=self.key(name)
        )
        cut = len(self._location.prefix)
        with translated():
            return [
                (found["Key"][cut:], found["UploadId"])
                async for page in pages
                for found in page.get("Uploads", ())
            ]

    async def delete(self, names: Collection[str]) -> None:
        """Deletes objects in each of their versions; what is not there is deleted."""
        with translated():
            versioning = await self._client.get_bucket_versioning(**self._in)
        found = [{"Key": self.key(name)} for name in names]
        if versioning.get("Status"):
            found = [one for name in names for one in await self._versions(name)]
        for first in range(0, len(found), BATCH):
            with translated():
                answer = await self._client.delete_objects(
                    **self._in, Delete={"Objects": found[first : first + BATCH], "Quiet": True}
                )
            failed = [one["Code"] for one in answer.get("Errors", ()) if one["Code"] not in MISSING]
            if failed:
                raise StorageDegraded(f"The bucket refused to delete: {failed[0]}.")

    async def _versions(self, name: str) -> list[dict[str, str]]:
        key = self.key(name)
        pages = self._client.get_paginator("list_object_versions").paginate(**self._in, Prefix=key)
        with translated():
            return [
                {"Key": key, "VersionId": found["VersionId"]}
                async for page in pages
                for kind in ("Versions", "DeleteMarkers")
                for found in page.get(kind, ())
                if found["Key"] == key
            ]

    async def names(self) -> AsyncGenerator[str, None]:
        """Yields what follows the prefix in each key, in ascending order."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            **self._in, Prefix=self._location.prefix
        )
        cut = len(self._location.prefix)
        with translated():
            async for page in pages:
                for found in page.get("Contents", ()):
                    yield found["Key"][cut:]
