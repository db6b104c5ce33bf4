"""The scrubber on both databases and a real disk: what it finds, when, and how fast."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.actions import health, moves
from app.actions.unit import Unit, action
from app.models import Binary, ContentScrub
from app.rules.access import Role
from app.rules.binary import ContentHealth, Move, State, VerificationStatus
from app.rules.failures import StorageDegraded
from app.server import Server
from app.worker.scrubbing import Scrubbing
from tests.reads.test_deep import flip
from tests.worker.records import PAST, blobs, events, future, hashing, present, server_of, version
from tests.worker.running import LARGE, HeldStore, until, working

pytestmark = pytest.mark.usefixtures("opened")

DAYS = timedelta(days=30)
FAST = 1 << 40
KIND = "binary.content_health"


async def signed(store: HeldStore, parts: list[bytes], **values: Any) -> Binary:
    """A signed binary that was last looked at long ago."""
    return await hashing(
        await version(),
        parts,
        store=store,
        **{
            "state": State.SIGNED,
            "verification_status": VerificationStatus.PASSED,
            "content_health": ContentHealth.OK,
            "content_checked_at": PAST,
            **values,
        },
    )


async def file(store: HeldStore, binary: Binary, index: int = 0) -> Path:
    """The file of one of its parts."""
    blob = (await blobs(binary))[index]
    return store.root / blob[:2] / blob


@contextlib.asynccontextmanager
async def scrubbing(store: HeldStore, *, rate: int = FAST) -> AsyncIterator[None]:
    """A scrubber that runs for as long as the block lasts."""
    made = Scrubbing(store, rate=rate, again_after=DAYS, interval=0.02)
    task = asyncio.create_task(made.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def checked(binary: Binary, *, since: datetime = PAST) -> Any:
    """The binary, once it was looked at since then."""

    async def looked() -> bool:
        return bool((await present(binary)).content_checked_at > since)

    await until(looked)
    return await present(binary)


async def told(binary: Binary) -> list[Any]:
    """What the Events say of its health."""
    return [after["contentHealth"] for kind, after in await events(binary.id) if kind == KIND]


async def test_what_is_right_stays_so_without_an_event(store: HeldStore) -> None:
    """It is looked at once, and then not for as long as it was said."""
    binary = await signed(store, [b"con", b"tent"])
    fresh = await signed(store, [b"fresh"], content_checked_at=datetime.now(UTC))
    before = await present(fresh)
    async with scrubbing(store):
        row = await checked(binary)
        await asyncio.sleep(0.1)
    assert row.content_health is ContentHealth.OK
    assert (await present(binary)).content_checked_at == row.content_checked_at
    assert (await present(fresh)).content_checked_at == before.content_checked_at
    assert (await told(binary), row.revision) == ([], 3)


@pytest.mark.parametrize("damage", ["bit", "cut", "gone"])
async def test_damage_is_marked_and_a_restored_file_is_served_again(
    store: HeldStore, damage: str
) -> None:
    """One bit in one of two parts is enough; the mark goes when the right bytes are back."""
    binary = await signed(store, [b"con", b"tent"])
    path = await file(store, binary, 1)
    if damage == "bit":
        flip(path, 5)
    elif damage == "cut":
        os.truncate(path, 1)
    else:
        path.unlink()
    expected = ContentHealth.MISSING if damage == "gone" else ContentHealth.CORRUPT
    async with scrubbing(store):
        row = await checked(binary)
        assert row.content_health is expected
        path.write_bytes(b"tent")
        await asyncio.sleep(0.1)
        # Within the hour it is left alone.
        assert (await present(binary)).content_health is expected
        await Binary.filter(id=binary.id).update(
            content_checked_at=datetime.now(UTC) - timedelta(hours=1)
        )

        async def mended() -> bool:
            return (await present(binary)).content_health is ContentHealth.OK

        await until(mended)
    assert await told(binary) == [expected, "OK"]


async def test_a_worker_looks_at_content(server: Server, store: HeldStore) -> None:
    """It is one of the worker's loops, and no worker is held up by it at its end."""
    binary = await signed(store, [b"content"])
    flip(await file(store, binary), 0)
    async with working(server):
        assert (await checked(binary)).content_health is ContentHealth.CORRUPT


@pytest.mark.parametrize("state", [State.UPLOADABLE, State.HASHABLE, State.HASHING])
async def test_content_that_was_not_verified_is_not_judged(store: HeldStore, state: State) -> None:
    """Of that, verification decides."""
    values = {"verification_status": None, "content_health": None, "state": state}
    binary = await signed(store, [b"content"], **values)
    flip(await file(store, binary), 0)
    assert await health.claim(again_after=DAYS, rate=FAST) is None
    assert (await present(binary)).content_health is None


@action(Role.ADMIN)
async def moved(unit: Unit, binary_id: Any, which: Move) -> None:
    await moves.move(unit, binary_id, which)
    await moves.drop_parts(unit, binary_id)


@pytest.mark.parametrize(
    ("state", "move"), [(State.SIGNED, Move.DESTROY), (State.SIGNABLE, Move.RESET)]
)
async def test_content_that_goes_meanwhile_is_not_judged(
    store: HeldStore, state: State, move: Move
) -> None:
    """What was found belongs to an epoch that is over."""
    binary = await signed(store, [b"content"], state=state)
    claimed = await health.claim(again_after=DAYS, rate=FAST)
    assert claimed is not None
    await moved(server_of(binary), binary.id, move)
    before = await present(binary)
    assert await health.tell(claimed, ContentHealth.MISSING) is False
    after = await present(binary)
    assert (after.content_health, after.content_checked_at) == (
        None,
        before.content_checked_at,
    )
    assert await told(binary) == []


async def test_two_processes_look_at_different_contents(store: HeldStore) -> None:
    """What one has taken the other leaves alone, until it is given back or given up."""
    both = [await signed(store, [b"content"]) for _ in range(2)]
    first, second, third = [await health.claim(again_after=DAYS, rate=FAST) for _ in range(3)]
    assert first is not None
    assert second is not None
    assert {first.binary_id, second.binary_id} == {one.id for one in both}
    assert third is None
    await health.drop(first)
    again = await health.claim(again_after=DAYS, rate=FAST)
    assert again == first


async def test_what_is_suspected_is_looked_at_before_what_is_due(store: HeldStore) -> None:
    """Once, whoever suspects it however often; and only in the epoch that was read."""
    due = await signed(store, [b"content"])
    others = [await signed(store, [b"content"], content_checked_at=future()) for _ in range(2)]
    for one, epoch in ((others[0], others[0].epoch), (others[0], others[0].epoch), (others[1], 9)):
        await health.suspect(one.organization_id, one.id, epoch=epoch)
    looks = [await health.claim(again_after=DAYS, rate=FAST) for _ in range(3)]
    assert [look and look.binary_id for look in looks] == [others[0].id, due.id, None]
    assert looks[0] is not None
    await health.tell(looks[0], ContentHealth.OK)
    assert await health.claim(again_after=DAYS, rate=FAST) is None


async def test_a_look_that_nobody_ended_is_begun_again(store: HeldStore) -> None:
    binary = await signed(store, [b"content"])
    assert await health.claim(again_after=DAYS, rate=FAST) is not None
    await ContentScrub.filter(binary_id=binary.id).update(until=PAST)
    again = await health.claim(again_after=timedelta(days=100_000), rate=FAST)
    assert again is not None
    assert again.binary_id == binary.id


async def test_it_reads_no_faster_than_it_may(store: HeldStore) -> None:
    """9 MiB at 6 MiB a second take a second and a half."""
    binary = await signed(store, [LARGE])
    begun = time.monotonic()
    async with scrubbing(store, rate=6 << 20):
        row = await checked(binary)
        taken = time.monotonic() - begun
    assert row.content_health is ContentHealth.OK
    assert taken >= 1.5


async def test_it_ends_at_once_while_it_waits(store: HeldStore) -> None:
    """A pause of hours holds up no stop, and what was not read is not judged."""
    binary = await signed(store, [LARGE])
    flip(await file(store, binary), 0)
    begun = time.monotonic()
    async with scrubbing(store, rate=1):
        await asyncio.sleep(0.3)
    assert time.monotonic() - begun < 5
    assert (await present(binary)).content_checked_at == PAST


async def test_a_store_that_fails_says_nothing_of_the_content(
    store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is marked, and the next content is looked at."""
    first = await signed(store, [b"first"])
    second = await signed(store, [b"second"], content_checked_at=PAST + timedelta(days=1))
    digest = store.digest
    bad = await blobs(first)

    async def failing(names: Any, **options: Any) -> Any:
        if list(names) == bad:
            raise StorageDegraded("The store can't do this: Input/output error.")
        return await digest(names, **options)

    monkeypatch.setattr(store, "digest", failing)
    async with scrubbing(store):
        await checked(second, since=PAST + timedelta(days=1))
    row = await present(first)
    assert (row.content_health, row.content_checked_at) == (ContentHealth.OK, PAST)
