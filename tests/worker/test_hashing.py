import asyncio
import time
from typing import Any
from uuid import UUID

import pytest

from app.actions import moves, verification
from app.actions.unit import Unit, action
from app.actions.verification import Claimed
from app.models import Binary
from app.rules.access import Role
from app.rules.binary import Move, State, VerificationStatus
from app.rules.failures import DatabaseUnavailable
from app.server import Server
from app.storage.disk import DiskStore
from app.worker import hashing as room
from app.worker.hashing import Hashing
from tests.worker.records import (
    blobs,
    events,
    facts,
    hashing,
    present,
    server_of,
    version,
    write,
)
from tests.worker.running import LARGE, PROGRESS, HeldStore, reaches, signable, until, working

pytestmark = pytest.mark.usefixtures("opened")


@action(Role.ADMIN)
async def reset(unit: Unit, binary_id: UUID) -> Binary:
    binary = await moves.move(unit, binary_id, Move.RESET)
    await moves.drop_parts(unit, binary_id)
    return binary


async def claim(lease_seconds: float) -> Claimed:
    claimed = await verification.claim(lease_seconds=lease_seconds)
    assert claimed is not None
    return claimed


async def shows(binary: Binary, bytes_hashed: int) -> None:
    async def shown() -> bool:
        return bool((await present(binary)).bytes_hashed == bytes_hashed)

    await until(shown)


async def test_a_wrong_hash_fails_for_good(server: Server, store: HeldStore) -> None:
    of = await version()
    wrong = await hashing(of, [b"con", b"tent"], store=store, hash="0" * 64)
    async with working(server):
        await reaches("FAILED")
        await hashing(of, [b"content"], store=store)
        await reaches("FAILED", "PASSED")
    row = await present(wrong)
    assert (row.state, row.revision, row.verification_attempts) == (State.HASHING, 3, 1)
    assert row.verification_error == (
        "The stored content has the SHA-256"
        " ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73,"
        f" declared was {'0' * 64}. Reset the binary to upload it again."
    )
    assert [kind for kind, _ in await events(wrong.id)] == ["binary.verification_failed"]


async def test_a_missing_blob_is_waited_for(server: Server, store: HeldStore) -> None:
    binary = await hashing(await version(), [b"con", b"tent"])
    first, second = await blobs(binary)
    await write(store, first, b"con")
    async with working(server, poll_seconds=60):
        await reaches("RETRYING")
        row = await present(binary)
        assert row.verification_error == f"The stored bytes {second} are missing."
        await write(store, second, b"tent")
        # The worker comes back by itself, though nobody tells it and its next look is far.
        await signable(1)
    row = await present(binary)
    assert (row.verification_attempts, row.verification_error) == (2, None)
    assert [kind for kind, _ in await events(binary.id)] == [
        "binary.verification_retrying",
        "binary.pass_verification",
    ]


async def test_what_the_system_says_is_not_shown(
    server: Server, store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = await hashing(await version(), [b"content"], store=store)

    async def failing(*_: Any, **__: Any) -> None:
        raise RuntimeError("/a/path in the house")

    monkeypatch.setattr(store, "digest", failing)
    async with working(server):
        await reaches("RETRYING")
    assert (await present(binary)).verification_error == (
        "The stored content can't be read; the server's log says why."
    )


async def test_progress_is_shown_when_the_lease_is_renewed(
    server: Server, store: HeldStore
) -> None:
    binary = await hashing(await version(), [LARGE], store=store)
    await store.hold(binary)
    async with working(server, lease_seconds=0.3):
        await shows(binary, PROGRESS)
        assert (await present(binary)).verification_status is VerificationStatus.RUNNING
        # Renewed for longer than it lasts, it is nobody else's.
        await asyncio.sleep(0.5)
        assert await verification.claim(lease_seconds=60) is None
        store.let_go()
        await signable(1)
    row = await present(binary)
    assert (row.bytes_hashed, row.verification_attempts) == (len(LARGE), 1)


async def test_progress_is_shown_every_so_many_bytes(
    server: Server, store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert room.RENEW_EVERY_BYTES == 32 << 20
    monkeypatch.setattr(room, "RENEW_EVERY_BYTES", PROGRESS)
    binary = await hashing(await version(), [LARGE], store=store)
    await store.hold(binary)
    async with working(server, lease_seconds=600):
        await shows(binary, PROGRESS)
        store.let_go()
        await signable(1)


async def test_hashing_ends_when_the_binary_is_reset(server: Server, store: HeldStore) -> None:
    of = await version()
    binary = await hashing(of, [LARGE], store=store)
    await store.hold(binary)
    async with working(server, slots=1, lease_seconds=0.3):
        await store.holds(1)
        await reset(server_of(binary), binary.id)
        await store.holds(0)
        # The slot is free for another record.
        await hashing(of, [b"content"], store=store)
        await signable(1)
    row = await present(binary)
    assert (row.state, row.epoch, row.verification_status) == (State.UPLOADABLE, 2, None)
    assert (row.bytes_hashed, row.revision) == (0, 4)
    assert [kind for kind, _ in await events(binary.id)] == ["binary.reset"]


@pytest.mark.parametrize("declared", [None, "0" * 64])
async def test_who_slept_through_its_lease_changes_nothing(
    declared: str | None, server: Server, store: HeldStore
) -> None:
    values = {"hash": declared} if declared else {}
    binary = await hashing(await version(), [LARGE], store=store, **values)
    await store.hold(binary)
    # It thinks that its lease is long, and so gives no sign of life.
    sleeper = Hashing(store, await claim(0.05), lease_seconds=600)
    sleeping = asyncio.create_task(sleeper.run())
    await store.holds(1)
    await asyncio.sleep(0.1)
    other = DiskStore(store.root, reserve=0)
    await other.open()
    assert await Hashing(other, await claim(60), lease_seconds=60).run() is None
    await other.close()
    before = (await facts(binary), await events(binary.id))
    assert before[0]["verification_attempts"] == 2
    assert len(before[1]) == 1
    store.let_go()
    assert await sleeping is None
    assert (await facts(binary), await events(binary.id)) == before


async def test_a_result_waits_for_the_database(
    server: Server, store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = await hashing(await version(), [b"content"], store=store)
    finish, failures = verification.finish, [DatabaseUnavailable("It is away.")]

    async def failing(*arguments: Any) -> bool:
        if failures:
            raise failures.pop()
        return await finish(*arguments)

    monkeypatch.setattr(verification, "finish", failing)
    async with working(server):
        await signable(1)
    assert (await present(binary)).verification_attempts == 1


async def test_a_lease_that_could_not_be_renewed_is_renewed_later(
    server: Server, store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = await hashing(await version(), [LARGE], store=store)
    await store.hold(binary)
    renew, failures = verification.renew, [DatabaseUnavailable("It is away.")] * 2

    async def failing(*arguments: Any, **options: Any) -> bool:
        if failures:
            raise failures.pop()
        return await renew(*arguments, **options)

    monkeypatch.setattr(verification, "renew", failing)
    async with working(server, slots=1, lease_seconds=0.1):
        await shows(binary, PROGRESS)
        store.let_go()
        await signable(1)
    assert (await present(binary)).verification_attempts == 1


async def test_stopping_does_not_wait_for_the_database(
    server: Server, store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = await hashing(await version(), [b"content"], store=store)
    tried = asyncio.Event()

    async def failing(*_: Any) -> bool:
        tried.set()
        raise DatabaseUnavailable("It is away.")

    monkeypatch.setattr(verification, "finish", failing)
    async with working(server):
        await tried.wait()
        begun = time.monotonic()
    assert time.monotonic() - begun < 1
    # Its lease expires by itself.
    row = await present(binary)
    assert row.verification_status is VerificationStatus.RUNNING
    assert row.lease_expires_at is not None
