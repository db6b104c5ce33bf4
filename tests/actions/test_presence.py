"""Intents of processes that are gone, and parts whose intent was given up meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from app import database
from app.actions import moves, part, presence
from app.actions.content import erase_garbage
from app.actions.presence import BOOT, Presence
from app.models import Binary, BinaryPart, Process, StorageGarbage, StorageIntent
from app.rules.failures import DatabaseUnavailable
from app.rules.part import PartState
from app.storage.memory import MemoryStore
from tests.worker.records import version

pytestmark = pytest.mark.usefixtures("opened")
POSTGRES = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)

CONTENT = b"content"


async def aged(seconds: float, *boots: object) -> None:
    """Lets processes have been silent for so long, by the database's clock."""
    for boot in boots:
        await database.execute(
            "UPDATE process SET seen_at = now() - make_interval(secs => $1) WHERE boot = $2",
            [float(seconds), boot],
            using=database.writer(),
        )


async def intents(*boots: object) -> list[str]:
    """An intent for each process, in their order."""
    names = [uuid4().hex for _ in boots]
    for name, boot in zip(names, boots, strict=True):
        await StorageIntent.create(blob=name, boot=boot)
    return names


async def left() -> set[str]:
    return {row.blob for row in await StorageIntent.all()}


async def garbage() -> set[str]:
    return {row.blob for row in await StorageGarbage.all()}


@POSTGRES
async def test_only_the_intents_of_silent_processes_are_reaped() -> None:
    live, silent, unknown = uuid4(), uuid4(), uuid4()
    for boot in (live, silent):
        await Process.create(boot=boot, seen_at="2020-01-01T00:00:00Z")
    await aged(9, live)
    await aged(11, silent)
    own, of_live, of_silent, of_unknown = await intents(BOOT, live, silent, unknown)
    assert await presence.reap(silent_seconds=10) == 2
    assert await left() == {own, of_live}
    assert await garbage() == {of_silent, of_unknown}
    assert {row.boot for row in await Process.all()} == {live}
    assert await presence.reap(silent_seconds=10) == 0


@POSTGRES
async def test_a_blob_that_is_garbage_already_is_reaped_all_the_same() -> None:
    (name,) = await intents(uuid4())
    await StorageGarbage.create(blob=name, binary_id=None)
    await presence.reap(silent_seconds=10)
    assert (await left(), await garbage()) == (set(), {name})


@POSTGRES
async def test_a_beat_is_a_sign_of_life_until_the_process_leaves() -> None:
    await presence.beat()
    await aged(100, BOOT)
    await presence.beat()
    (row,) = await Process.all()
    assert row.boot == BOOT
    assert await database.query("SELECT 1 FROM process WHERE seen_at > now() - interval '5 s'")
    await intents(BOOT)
    await presence.leave()
    assert await Process.exists(), "What it left behind is still to be found."
    await StorageIntent.all().delete()
    await presence.leave()
    assert not await Process.exists()


@POSTGRES
async def test_nobody_is_judged_by_one_that_was_out_of_touch_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    one = Presence(silent_seconds=10)
    (name,) = await intents(uuid4())

    async def kept(*, after: float) -> int:
        nonlocal now
        now += after
        return await one.keep()

    assert [await kept(after=3) for _ in range(4)] == [0, 0, 0, 0]
    # Here it was away for a while, and so may have been everybody.
    assert [await kept(after=seconds) for seconds in (6, 3, 3, 3)] == [0, 0, 0, 0]
    assert await left() == {name}
    assert await kept(after=3) == 1
    assert await left() == set()


async def uploading() -> tuple[MemoryStore, part.Registration]:
    """An empty store, and a part whose bytes are to come."""
    of = await version()
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    binary = await Binary.create(
        organization_id=of.organization_id,
        artifact_version_id=of.id,
        target="portable",
        hash=sha256,
        size=len(CONTENT),
        state="UPLOADABLE",
    )
    row = await BinaryPart.create(
        organization_id=of.organization_id,
        binary_id=binary.id,
        index=1,
        size=len(CONTENT),
        hash=sha256,
    )
    store = MemoryStore()
    await store.open()
    return store, part.Registration(of.organization_id, binary.id, row.id, binary.epoch)


async def sent(meanwhile: Callable[[], Awaitable[object]]) -> AsyncIterator[bytes]:
    """The bytes of the part; something else happens before the last of them."""
    yield CONTENT[:-1]
    await meanwhile()
    yield CONTENT[-1:]


async def given_up() -> None:
    """What another process does with the intents of one that it takes for dead."""
    (row,) = await StorageIntent.all()
    await StorageGarbage.create(blob=row.blob, binary_id=None)
    await StorageIntent.all().delete()


@pytest.mark.parametrize("erased", [True, False])
async def test_what_was_given_up_is_not_stored(erased: bool) -> None:
    store, registration = await uploading()

    async def meanwhile() -> None:
        await given_up()
        if erased:
            await erase_garbage(store)

    with pytest.raises(DatabaseUnavailable, match="Send the part again"):
        await part.receive(store, registration, sent(meanwhile))
    row = await BinaryPart.get(id=registration.part_id)
    assert row.state is PartState.UPLOADABLE
    assert row.blob is None
    assert (await Binary.get(id=registration.binary_id)).bytes_uploaded == 0
    # Its bytes came after the erasing, so there is something to erase again.
    await erase_garbage(store)
    assert [name async for name in store.names()] == []
    assert (await left(), await garbage()) == (set(), set())
    await store.close()


async def test_who_is_cut_off_while_the_part_is_stored_takes_nothing_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, registration = await uploading()
    storing = asyncio.Event()
    hold = moves.hold

    async def slow(*args: Any, **options: Any) -> Binary:
        storing.set()
        await asyncio.sleep(0.05)
        return await hold(*args, **options)

    async def nothing() -> None:
        return

    monkeypatch.setattr(moves, "hold", slow)
    upload = asyncio.create_task(part.receive(store, registration, sent(nothing)))
    await storing.wait()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    await database.drain()
    await erase_garbage(store)
    row = await BinaryPart.get(id=registration.part_id)
    if row.blob is None:
        assert [name async for name in store.names()] == []
    else:
        assert [name async for name in store.names()] == [row.blob]
    assert (await left(), await garbage()) == (set(), set())
    await store.close()
