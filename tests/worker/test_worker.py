import asyncio
import time
from typing import Any

import pytest

from app.actions import verification
from app.rules.binary import State, VerificationStatus
from app.rules.failures import DatabaseUnavailable
from app.server import Server
from app.worker.worker import Worker
from tests.worker.records import events, hashing, present, version
from tests.worker.running import LARGE, HeldStore, reaches, signable, statuses, working

pytestmark = pytest.mark.usefixtures("opened")


async def test_20_records_become_signable(server: Server, store: HeldStore) -> None:
    binaries = []
    for number in range(20):
        parts = [b"%d" % number, b"a", b"b"][: number % 4]
        binaries.append(await hashing(await version(), parts, store=store))
    async with working(server, poll_seconds=60):
        await signable(20)
    for binary in binaries:
        row = await present(binary)
        assert row.verification_status is VerificationStatus.PASSED
        assert (row.computed_hash, row.computed_size) == (binary.hash, binary.size)
        assert (row.bytes_hashed, row.verification_attempts) == (binary.size, 1)
        assert await events(binary.id) == [
            ("binary.pass_verification", {"state": "SIGNABLE", "revision": 4})
        ]


async def test_work_is_seen_at_once_when_told(server: Server, store: HeldStore) -> None:
    async with working(server, poll_seconds=60):
        await asyncio.sleep(0.1)
        await hashing(await version(), [b"content"], store=store)
        server.work.set()
        await signable(1)


async def test_work_is_seen_soon_when_not_told(server: Server, store: HeldStore) -> None:
    async with working(server):
        await asyncio.sleep(0.1)
        await hashing(await version(), [b"content"], store=store)
        await signable(1)


async def test_two_workers_share_the_work(server: Server, store: HeldStore) -> None:
    of = await version()
    binaries = [await hashing(of, [b"content"], store=store) for _ in range(20)]
    async with working(server), working(server):
        await signable(20)
    attempts = [(await present(binary)).verification_attempts for binary in binaries]
    assert attempts == [1] * 20


async def test_two_records_are_verified_at_once(server: Server, store: HeldStore) -> None:
    of = await version()
    for number in range(3):
        await store.hold(await hashing(of, [b"%d" % number], store=store))
    async with working(server, poll_seconds=60):
        await store.holds(2)
        await asyncio.sleep(0.2)
        assert store.holding == 2
        assert await statuses() == ["RUNNING", "RUNNING", "PENDING"]
        store.let_go()
        await signable(3)


async def test_stopping_gives_the_work_back_within_a_second(
    server: Server, store: HeldStore
) -> None:
    binary = await hashing(await version(), [LARGE], store=store)
    await store.hold(binary)
    worker = Worker(server)
    running = asyncio.create_task(worker.run())
    await store.holds(1)
    assert await statuses() == ["RUNNING"]
    begun = time.monotonic()
    worker.stop()
    await running
    assert time.monotonic() - begun < 1
    row = await present(binary)
    assert (row.state, row.verification_status) == (State.HASHING, VerificationStatus.PENDING)
    assert (row.lease_token, row.lease_expires_at, row.bytes_hashed) == (None, None, 0)
    assert await events(binary.id) == []
    store.let_go()
    async with working(server):
        await signable(1)
    assert (await present(binary)).verification_attempts == 2


async def test_cancelling_gives_the_work_back_too(server: Server, store: HeldStore) -> None:
    await store.hold(await hashing(await version(), [LARGE], store=store))
    running = asyncio.create_task(Worker(server).run())
    await store.holds(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await statuses() == ["PENDING"]


async def test_a_worker_stopped_before_it_runs_does_nothing(
    server: Server, store: HeldStore
) -> None:
    await hashing(await version(), [b"content"], store=store)
    worker = Worker(server)
    worker.stop()
    await worker.run()
    assert await statuses() == ["PENDING"]


async def test_stopping_at_any_moment_leaves_nothing_stuck(
    server: Server, store: HeldStore
) -> None:
    of = await version()
    binaries = [await hashing(of, [b"content"], store=store) for _ in range(40)]
    for moment in range(30):
        async with working(server):
            await asyncio.sleep(moment / 2000)
        assert "RUNNING" not in await statuses()
    async with working(server):
        await signable(40)
    for binary in binaries:
        assert [kind for kind, _ in await events(binary.id)] == ["binary.pass_verification"]


@pytest.mark.parametrize("error", [DatabaseUnavailable("It is away."), RuntimeError("A bug.")])
async def test_no_failure_ends_the_worker(
    error: Exception,
    server: Server,
    store: HeldStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await hashing(await version(), [b"content"], store=store)
    claim, failures = verification.claim, [error] * 3

    async def failing(**options: Any) -> verification.Claimed | None:
        if failures:
            raise failures.pop()
        return await claim(**options)

    monkeypatch.setattr(verification, "claim", failing)
    async with working(server, poll_seconds=0.01):
        await signable(1)
    said = [one.getMessage() for one in caplog.records if one.name == "app.worker.pace"]
    assert [text[:23] for text in said] == ["Verification is put off"] * 3


async def test_a_slot_is_free_again_after_a_failure(
    server: Server, store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = await version()
    for _ in range(4):
        await hashing(of, [b"content"], store=store)
    finish = verification.finish

    async def failing(claimed: verification.Claimed, *arguments: Any) -> bool:
        if claimed.attempts == 1:
            raise RuntimeError("A bug.")
        return await finish(claimed, *arguments)

    monkeypatch.setattr(verification, "finish", failing)
    async with working(server, poll_seconds=0.01, lease_seconds=0.1):
        await reaches(*["PASSED"] * 4)
