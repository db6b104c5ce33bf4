"""A server with its byte routes over a real database, and what tests do to it."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import UUID

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.types import Message

from app.actions import moves
from app.actions.artifact import create_artifact, create_artifact_version
from app.actions.content import erase_garbage
from app.actions.part import NewPart, create_binary_parts
from app.actions.unit import Actor, Unit, action
from app.http.routes import routes
from app.models import Binary, BinaryPart, Organization, StorageGarbage, StorageIntent
from app.rules import link
from app.rules.access import Role
from app.rules.binary import Move, State
from app.rules.part import PartState
from app.server import Server
from app.storage.content import ContentStore, Digest

MIB = 1024 * 1024
MIN_PART = 5 * MIB


@lru_cache(maxsize=8)
def sample(size: int, seed: int = 1) -> bytes:
    """Bytes that look random, the same for the same seed."""
    return random.Random(seed).randbytes(size)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@action(Role.ADMIN)
async def moved(unit: Unit, binary_id: UUID, which: Move) -> Binary:
    """Makes a move and nothing else, but for the parts that a reset or a destroy drops."""
    binary = await moves.move(unit, binary_id, which)
    if which in (Move.RESET, Move.DESTROY):
        await moves.drop_parts(unit, binary_id)
    return binary


@dataclass
class House:
    server: Server
    actor: Actor
    version_id: UUID
    app: Starlette
    client: httpx.AsyncClient

    @property
    def store(self) -> ContentStore:
        return self.server.store

    async def binary(self, data: bytes = b"", state: State = State.UPLOADABLE) -> Binary:
        """A binary that is declared as `data`, without parts."""
        return await Binary.create(
            organization_id=self.actor.organization_id,
            artifact_version_id=self.version_id,
            target=f"arm-linux-t{random.getrandbits(64):x}",
            hash=sha256(data),
            size=len(data),
            state=state,
            destroyed=state is State.DESTROYED,
        )

    async def registered(
        self, *contents: bytes, binary: Binary | None = None
    ) -> tuple[Binary, list[BinaryPart]]:
        """An uploadable binary, with a registered part for each of `contents`."""
        binary = binary or await self.binary(b"".join(contents))
        parts = [NewPart(i, len(data), sha256(data)) for i, data in enumerate(contents, 1)]
        return binary, await create_binary_parts(self.actor, binary.id, parts=parts)

    async def stored(self, *contents: bytes, state: State = State.SIGNED) -> Binary:
        """A binary whose parts, of any size, lie in the store."""
        binary = await self.binary(b"".join(contents), state)
        for index, data in enumerate(contents, 1):
            blob = self.store.new_name()
            await self.store.write(blob, _once(data), expect=Digest(sha256(data), len(data)))
            await BinaryPart.create(
                organization_id=self.actor.organization_id,
                binary_id=binary.id,
                index=index,
                size=len(data),
                hash=sha256(data),
                state=PartState.VALID,
                blob=blob,
            )
        return binary

    async def move(self, binary: Binary, *which: Move) -> Binary:
        for each in which:
            binary = await moved(self.actor, binary.id, each)
        return binary

    def upload_url(self, binary: Binary, part: BinaryPart) -> str:
        return self.server.upload_url(binary, part)[0]

    def download_url(self, binary: Binary) -> str:
        return self.server.download_url(binary)

    def expired(self, binary: Binary, part: BinaryPart | None = None) -> str:
        return link.sign(
            link.Link(
                kind="download" if part is None else "upload",
                organization_id=binary.organization_id,
                binary_id=binary.id,
                part_registration_id=None if part is None else part.id,
                epoch=binary.epoch,
                expires=1,
            ),
            key=self.server.secret,
        )

    async def assert_tidy(self) -> None:
        """Nothing is on its way in, and after erasing the garbage each blob belongs to a part."""
        assert await StorageIntent.all().count() == 0
        await erase_garbage(self.store)
        assert await StorageGarbage.all().count() == 0
        held = await BinaryPart.filter(blob__isnull=False).order_by("blob")
        assert [name async for name in self.store.names()] == [part.blob for part in held]


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def organization() -> tuple[Actor, UUID]:
    """A new organization's administrator, and an artifact version to put binaries into."""
    made = await Organization.create(name=f"Organization {random.getrandbits(64)}")
    actor = Actor(organization_id=made.id, role=Role.ADMIN)
    artifact = await create_artifact(actor, name="firmware")
    version = await create_artifact_version(actor, artifact.id, version="1.0.0")
    return actor, version.id


def built(server: Server, actor: Actor, version_id: UUID) -> House:
    app = Starlette(routes=routes(server))
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://bindery.test", timeout=30
    )
    return House(server, actor, version_id, app, client)


async def part_of(part: BinaryPart) -> BinaryPart:
    """The part as it is now."""
    return await BinaryPart.get(id=part.id)


def error_of(response: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal, after a look at its form."""
    (error,) = response.json()["errors"]
    assert set(error) == {"message", "extensions"}
    assert len(error["extensions"]["requestId"]) == 32
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    return response.status_code, error["extensions"]["code"]


async def until(happened: Callable[[], Awaitable[bool]]) -> None:
    """Waits for what nothing announces."""
    async with asyncio.timeout(10):
        while not await happened():  # noqa: ASYNC110 - uvicorn and rows have no event.
            await asyncio.sleep(0.005)


@dataclass
class Exchange:
    """One request to an ASGI application, message by message."""

    scope: dict[str, Any]
    to_send: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    sent: list[Message] = field(default_factory=list)
    received_before_answer: int = 0

    async def receive(self) -> Message:
        message = await self.to_send.get()
        self.received_before_answer += not self.sent
        return message

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def body(self, data: bytes, *, more: bool) -> None:
        self.to_send.put_nowait({"type": "http.request", "body": data, "more_body": more})

    def disconnect(self) -> None:
        self.to_send.put_nowait({"type": "http.disconnect"})

    @property
    def response(self) -> httpx.Response:
        start, *rest = self.sent
        return httpx.Response(
            start["status"],
            headers=start["headers"],
            content=b"".join(message["body"] for message in rest),
        )


def exchange(
    method: str, url: str, headers: Sequence[tuple[str, str]] = (), **more: Any
) -> Exchange:
    path, _, query = url.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
        "client": ("127.0.0.1", 1),
        "server": ("bindery.test", 80),
        "state": {},
    }
    return Exchange(scope | more)


@asynccontextmanager
async def served(app: Starlette, *, http: str = "httptools") -> AsyncIterator[int]:
    """Serves the application with uvicorn; gives the port."""
    config = uvicorn.Config(
        app,
        port=0,
        http=http,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await until(started)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await running
