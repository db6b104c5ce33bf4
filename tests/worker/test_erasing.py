import asyncio
import time
from typing import Any
from uuid import UUID

import pytest

from app.actions import content, moves
from app.actions.unit import Unit, action
from app.models import Binary, StorageGarbage
from app.rules.access import Role
from app.rules.binary import Move, State, VerificationStatus
from app.rules.failures import DatabaseUnavailable, StorageDegraded
from app.server import Server
from app.worker import erasing as room
from app.worker.worker import Worker
from tests.worker.records import blobs, events, hashing, present, server_of, version, write
from tests.worker.running import HeldStore, until, working

pytestmark = pytest.mark.usefixtures("opened")


@action(Role.ADMIN)
async def destroy(unit: Unit, binary_id: UUID) -> Binary:
    binary = await moves.move(unit, binary_id, Move.DESTROY)
    await moves.drop_parts(unit, binary_id)
    return binary


async def signed(store: HeldStore, parts: list[bytes]) -> Binary:
    return await hashing(
        await version(),
        parts,
        store=store,
        state=State.SIGNED,
        verification_status=VerificationStatus.PASSED,
    )


async def erased(binary: Binary) -> None:
    async def noted() -> bool:
        return (await present(binary)).content_erased_at is not None

    await until(noted)


async def no_garbage() -> bool:
    return not await StorageGarbage.exists()


@pytest.mark.parametrize("parts", [[b"con", b"tent"], []])
async def test_destroyed_content_is_erased(
    parts: list[bytes], server: Server, store: HeldStore
) -> None:
    binary = await signed(store, parts)
    names = await blobs(binary)
    assert len(names) == len(parts)
    async with working(server, poll_seconds=60):
        await asyncio.sleep(0.1)
        await destroy(server_of(binary), binary.id)
        server.work.set()
        await erased(binary)
    assert [await store.size(name) for name in names] == [None] * len(parts)
    assert await StorageGarbage.all().count() == 0
    row = await present(binary)
    assert (row.state, row.revision) == (State.DESTROYED, 4)
    assert [kind for kind, _ in await events(binary.id)] == [
        "binary.destroy",
        "binary.content_erased",
    ]


async def test_garbage_of_another_process_is_seen_soon(server: Server, store: HeldStore) -> None:
    name = store.new_name()
    async with working(server):
        await asyncio.sleep(0.1)
        await write(store, name, b"content")
        await StorageGarbage.create(blob=name)
        await until(no_garbage)
    assert await store.size(name) is None


async def test_what_a_part_has_is_never_erased(server: Server, store: HeldStore) -> None:
    """Whatever calls it garbage; all other garbage goes."""
    binary = await signed(store, [b"con", b"tent"])
    names = await blobs(binary)
    other = store.new_name()
    await write(store, other, b"content")
    for name in (*names, other):
        await StorageGarbage.create(blob=name, binary_id=binary.id)

    async def gone() -> bool:
        return await store.size(other) is None

    async with working(server, poll_seconds=0.01):
        await until(gone)
        await asyncio.sleep(0.1)
    assert [await store.size(name) for name in names] == [3, 4]
    assert await StorageGarbage.all().count() == 2


async def test_a_destroyed_binary_without_garbage_is_noted_after_a_while(
    server: Server, store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = await signed(store, [])
    async with working(server):
        await asyncio.sleep(0.1)
        await destroy(server_of(binary), binary.id)
        await asyncio.sleep(0.2)
        assert (await present(binary)).content_erased_at is None
        monkeypatch.setattr(room, "LOOK_AGAIN_SECONDS", 0.01)
        await erased(binary)


async def test_what_was_erased_and_not_noted_is_noted_with_the_next_look(
    server: Server, store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database goes away between the last bytes and the words that they are gone."""
    monkeypatch.setattr(room, "LOOK_AGAIN_SECONDS", 60)
    note, failures = content._note, [DatabaseUnavailable("It is away.")]

    async def failing(*arguments: Any) -> None:
        if failures:
            raise failures.pop()
        await note(*arguments)

    monkeypatch.setattr(content, "_note", failing)
    binary = await signed(store, [b"content"])
    async with working(server, poll_seconds=0.01):
        await destroy(server_of(binary), binary.id)
        await erased(binary)
    assert failures == []


@pytest.mark.parametrize("error", [StorageDegraded("The disk failed."), RuntimeError("A bug.")])
async def test_what_could_not_be_erased_is_erased_later(
    error: Exception, server: Server, store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = store.new_name()
    await write(store, name, b"content")
    await StorageGarbage.create(blob=name)
    erase, failures = store.erase, [error] * 2

    async def failing(names: list[str]) -> None:
        if failures:
            raise failures.pop()
        await erase(names)

    monkeypatch.setattr(store, "erase", failing)
    async with working(server, poll_seconds=0.01):
        await until(no_garbage)
    assert failures == []
    assert await store.size(name) is None


async def test_stopping_does_not_wait_for_a_long_erasure(
    server: Server, store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await StorageGarbage.create(blob=store.new_name())
    begun = asyncio.Event()

    async def endless(*_: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(store, "erase", endless)
    worker = Worker(server)
    running = asyncio.create_task(worker.run())
    await begun.wait()
    stopped = time.monotonic()
    worker.stop()
    await running
    assert time.monotonic() - stopped < 1
    assert await StorageGarbage.all().count() == 1


async def test_stopping_at_any_moment_leaves_the_rest_for_later(
    server: Server, store: HeldStore
) -> None:
    names = [store.new_name() for _ in range(60)]
    binary = await signed(store, [b"content"])
    await destroy(server_of(binary), binary.id)
    for moment, name in enumerate(names):
        await write(store, name, b"content")
        await StorageGarbage.create(blob=name)
        async with working(server):
            await asyncio.sleep(moment / 4000)
    async with working(server):
        await until(no_garbage)
        await erased(binary)
    assert [await store.size(name) for name in names] == [None] * 60
    assert len(await events(binary.id)) == 2
