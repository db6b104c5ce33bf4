"""B1: a server whose bucket fails in every way, all the time.

Clients live whole lives on it at once, through the server and past it, and go on as any client does
when something fails. A case is a fault. In the end nothing that was acknowledged may be missing,
and nothing may be left in the bucket that no row names.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import random
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar
from unittest import mock
from uuid import uuid4

import httpx
from aiobotocore.session import get_session

from app.actions.content import erase_garbage
from app.main import create_app, running
from app.models import BinaryPart, StorageGarbage, StorageIntent, StorageUpload
from app.rules.failures import StorageDegraded
from app.server import Server
from app.settings import Settings
from app.storage import bucket
from app.storage.uploads import split
from tests.api import BINARY, PART, Api
from tests.buckets import CREDENTIALS, make_bucket, serving
from tests.conftest import new_api
from tests.soak.turn import Turn
from tests.suites.proxy import Proxy

T = TypeVar("T")

CLIENTS: Final = 6
SHARE: Final = 0.2
"""How many of the requests fail."""
PATIENCE: Final = 1.0
"""Seconds after which the server gives up waiting for the bucket."""
AGAIN: Final = 60
"""How often a client tries again before that is a finding."""
WAIT_SECONDS: Final = 90.0
"""How long a verification may take, whatever has to be tried again."""
TIDY_SECONDS: Final = 60.0
MIB: Final = 1 << 20
_PASSING: Final = frozenset({"STORAGE_DEGRADED", "DATABASE_UNAVAILABLE"})


def play(turn: Turn) -> None:
    """Plays the turn's faults, one half through the server and one past it."""
    logging.getLogger().addHandler(logging.NullHandler())
    logging.disable(logging.ERROR)
    with (
        mock.patch.dict(os.environ, CREDENTIALS),
        mock.patch.object(bucket, "READ_SECONDS", PATIENCE),
        serving() as address,
        tempfile.TemporaryDirectory(prefix="bindery-") as folder,
    ):
        try:
            total = turn.last - turn.first
            for direct, until in ((True, total // 2), (False, total)):
                asyncio.run(_half(turn, address, Path(folder), direct=direct, until=until))
        finally:
            logging.disable(logging.NOTSET)


async def _half(turn: Turn, address: str, folder: Path, *, direct: bool, until: int) -> None:
    chance = turn.random(turn.next)
    proxy = Proxy(address, chance, SHARE, PATIENCE * 1.5)
    name = f"bindery-{uuid4().hex}"
    make_bucket(address, name)
    async with proxy.serving() as before:
        settings = Settings(
            data=folder / name,
            content=f"s3://{name}/content",
            s3_endpoint=before,
            s3_direct=direct,
            erase_wait_seconds=0.5,
            rate_requests=10**9,
            rate_cost=10**12,
        )
        proxy.share = 0.0
        app = create_app(settings)
        server: Server = app.state.server
        async with _client(app) as http, httpx.AsyncClient(timeout=20) as web, running(server):
            api = await new_api(http, "acme")
            # Clients that sign for the first time at once would make it more than once.
            await api.key_id()
            half = Half(turn, proxy, server, http, web, api)
            proxy.share = SHARE
            await half.live(until, chance)
            proxy.share = 0.0
            await half.judge(address, name)


@contextlib.asynccontextmanager
async def _client(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://bindery") as client:
        yield client


@dataclass
class Half:
    """One half of a turn, on one server and one bucket."""

    turn: Turn
    proxy: Proxy
    server: Server
    http: httpx.AsyncClient
    web: httpx.AsyncClient
    api: Api
    kept: dict[str, bytes] = field(default_factory=dict)
    """Contents of binaries that were acknowledged as signed, by id."""
    lives: int = 0

    async def live(self, until: int, chance: random.Random) -> None:
        """Lives until so many cases of the turn are done, or its time is over."""
        begun = self.turn.done
        version = await self.api.version()

        async def client(number: int) -> None:
            while self.turn.done < until and self.turn.left > 0:
                self.lives += 1
                life = Life(
                    self, version, f"arm-linux-t{self.lives}", random.Random(chance.random())
                )
                try:
                    await life.run()
                except GaveUp as failure:
                    self.turn.find(self.turn.next, f"a client gave up: {failure}")
                except Over:
                    return
                self.turn.done = min(until, begun + self.proxy.injected.total())

        await asyncio.gather(*map(client, range(CLIENTS)))

    async def judge(self, address: str, name: str) -> None:
        """Notes what is lost and what is left over, once the bucket works again."""
        async with asyncio.timeout(TIDY_SECONDS):
            while await StorageGarbage.exists() or await StorageIntent.exists():
                with contextlib.suppress(StorageDegraded):
                    await erase_garbage(self.server.store)
                await asyncio.sleep(0.1)
        for id, content in self.kept.items():
            found = await self.fetched(id)
            if found != content:
                self.turn.find(self.turn.next, f"{id} is lost, or another content")
        rows = await BinaryPart.filter(blob__isnull=False)
        uploads = await StorageUpload.all()
        named = {split(str(row.blob))[0] for row in rows}
        made = get_session().create_client("s3", region_name="us-east-1", endpoint_url=address)
        async with made as client:
            objects = set()
            async for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
                objects |= {one["Key"].removeprefix("content/") for one in page.get("Contents", ())}
            open_uploads = await client.list_multipart_uploads(Bucket=name)
        under_way = {
            (one["Key"].removeprefix("content/"), one["UploadId"])
            for one in open_uploads.get("Uploads", ())
        }
        for orphan in sorted(objects - named):
            self.turn.find(self.turn.next, f"no row names the object {orphan}")
        awaited = {(one.blob, one.upload) for one in uploads if not one.completing}
        for name, _ in sorted(under_way - awaited):
            self.turn.find(self.turn.next, f"no row names an upload to {name}")

    async def fetched(self, id: str) -> bytes:
        """The content of a binary, by its link."""
        answer = await self.api.ask("query($id: ID!) { binary(id: $id) { downloadUrl } }", id=id)
        url = answer["binary"]["downloadUrl"]
        found = await self.http.get(url)
        if found.status_code == 307:
            found = await self.web.get(found.headers["location"])
        return found.content if found.status_code == 200 else b""


class GaveUp(Exception):
    """A client tried again and again, and nothing came of it."""


class Over(Exception):
    """Something was found, so the other clients need not try on."""


@dataclass
class Life:
    """One binary's life, as a client that never gives up early has it."""

    half: Half
    version: str
    target: str
    chance: random.Random
    told: Counter[str] = field(default_factory=Counter)
    """What attempts to send a part came to."""

    async def run(self) -> None:
        """From the record to the signature, and sometimes to its end."""
        contents = [self.chance.randbytes(self.chance.choice([1, 500, 70_000]))]
        if self.chance.random() < 0.15:
            # Through the server, 9 MiB are sent on in parts.
            contents.insert(0, self.chance.randbytes(self.chance.choice([5, 9]) * MIB))
        whole = b"".join(contents)
        digest = hashlib.sha256(whole).hexdigest()
        id = await self._created(digest, len(whole))
        await self._uploaded(id, contents)
        ending = self.chance.random()
        if ending < 0.15:
            await self._do("deleteBinary", "deletedBinaryId", binaryId=id)
            return
        await self._until(id, "finishBinaryUpload", {"HASHABLE", "HASHING", "SIGNABLE"}, contents)
        if ending < 0.3:
            await self._do("resetBinary", BINARY, binaryId=id)
            return
        await self._until(id, "startBinaryHashing", {"HASHING", "SIGNABLE"}, contents)
        await self._waited(id)
        await self.half.api.sign(id, whole)
        self.half.kept[id] = whole
        if ending < 0.5:
            del self.half.kept[id]
            await self._do("destroyBinary", BINARY, binaryId=id)
        elif await self._again(lambda: self._fetched(id, whole)) is None:
            raise GaveUp(f"{id} can't be fetched")

    async def _created(self, digest: str, size: int) -> str:
        payload = await self._do(
            "createBinary",
            "binary { id }",
            artifactVersionId=self.version,
            target=self.target,
            hash=digest,
            size=size,
        )
        return str(payload["binary"]["id"])

    async def _uploaded(self, id: str, contents: list[bytes]) -> None:
        declared = [
            {"index": index, "size": len(data), "hash": hashlib.sha256(data).hexdigest()}
            for index, data in enumerate(contents, 1)
        ]

        async def sent() -> bool | None:
            payload = await self._do(
                "createBinaryParts", f"parts {{ {PART} }}", binaryId=id, parts=declared
            )
            for part, data in zip(payload["parts"], contents, strict=True):
                if part["state"] != "VALID" and not await self._put(part, data):
                    return None
            return True

        if await self._again(sent) is None:
            raise GaveUp(f"{id} can't be uploaded: {dict(self.told)}")

    async def _put(self, part: dict[str, Any], data: bytes) -> bool:
        headers = {one["name"]: one["value"] for one in part["uploadHeaders"]}
        url = part["uploadUrl"]
        client = self.half.web if url.startswith("http") else self.half.http
        try:
            answer = await client.put(url, content=data, headers=headers)
        except httpx.HTTPError as error:
            self.told[type(error).__name__] += 1
            return False
        self.told[f"{answer.status_code} {answer.text[:200]}"] += 1
        return answer.status_code == 200

    async def _until(self, id: str, mutation: str, states: set[str], contents: list[bytes]) -> None:
        """Makes a move, and sends what the bucket turns out to lack."""

        async def moved() -> bool | None:
            if await self.half.api.state(id) in states:
                return True
            payload = await self.half.api.mutate(mutation, BINARY, binaryId=id)
            if any(error["code"] == "PARTS_INCOMPLETE" for error in payload["errors"]):
                await self._uploaded(id, contents)
            return None

        if await self._again(moved) is None:
            raise GaveUp(f"{mutation} of {id} does not come about")

    async def _waited(self, id: str) -> None:
        try:
            await self.half.api.wait(id, "SIGNABLE", seconds=WAIT_SECONDS)
        except TimeoutError:
            raise GaveUp(f"{id} is not verified") from None

    async def _fetched(self, id: str, whole: bytes) -> bool | None:
        try:
            return True if await self.half.fetched(id) == whole else None
        except httpx.HTTPError:
            return None

    async def _do(self, mutation: str, selection: str, **input: Any) -> dict[str, Any]:
        """A mutation's payload, asked again while the bucket does not answer."""
        key = uuid4().hex

        async def done() -> dict[str, Any] | None:
            payload = await self.half.api.mutate(mutation, selection, **input, idempotencyKey=key)
            codes = {error["code"] for error in payload["errors"]}
            if codes & _PASSING:
                return None
            if codes:
                raise GaveUp(f"{mutation} was refused: {payload['errors']}")
            return payload

        found = await self._again(done)
        if found is None:
            raise GaveUp(f"{mutation} does not come about")
        return found

    async def _again(self, attempt: Callable[[], Awaitable[T | None]]) -> T | None:
        for _ in range(AGAIN):
            if self.half.turn.found:
                raise Over
            found = await attempt()
            if found is not None:
                return found
            await asyncio.sleep(0.05)
        return None
