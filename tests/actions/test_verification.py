import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.actions import moves, verification
from app.actions.unit import Unit, action
from app.actions.verification import Claimed
from app.models import Binary
from app.rules.access import Role
from app.rules.binary import ContentHealth, Move, State, VerificationStatus
from app.rules.errors import InvalidTransition
from app.storage.content import Digest
from tests.worker.records import (
    PAST,
    blobs,
    events,
    facts,
    future,
    hashing,
    present,
    server_of,
    version,
)

pytestmark = pytest.mark.usefixtures("opened")

CONTENT = [b"first", b"second"]
RIGHT = Digest(hashlib.sha256(b"firstsecond").hexdigest(), 11)
WRONG = Digest(hashlib.sha256(b"other").hexdigest(), 5)


@action(Role.ADMIN)
async def reset(unit: Unit, binary_id: UUID) -> Binary:
    return await moves.move(unit, binary_id, Move.RESET)


async def claimed() -> Claimed:
    taken = await verification.claim(lease_seconds=60)
    assert taken is not None
    return taken


async def test_a_claim_holds_all_that_hashing_needs() -> None:
    binary = await hashing(await version(), CONTENT, epoch=4)
    before = datetime.now(UTC)
    taken = await claimed()
    assert taken == Claimed(
        organization_id=binary.organization_id,
        binary_id=binary.id,
        epoch=4,
        token=taken.token,
        hash=RIGHT.sha256,
        size=11,
        attempts=1,
        blobs=tuple(await blobs(binary)),
    )
    row = await present(binary)
    assert (row.state, row.verification_status) == (State.HASHING, VerificationStatus.RUNNING)
    assert (row.lease_token, row.verification_attempts, row.bytes_hashed) == (taken.token, 1, 0)
    assert (row.revision, row.epoch, row.updated_at) == (3, 4, binary.updated_at)
    assert row.lease_expires_at is not None
    lease = row.lease_expires_at - before
    assert timedelta(seconds=59.9) < lease < timedelta(seconds=65)
    assert await events(binary.id) == []


async def test_a_binary_without_parts_is_claimed_too() -> None:
    await hashing(await version(), [])
    taken = await claimed()
    assert (taken.blobs, taken.size) == ((), 0)


@pytest.mark.parametrize(
    "values",
    [
        {"state": State.HASHABLE, "verification_status": None},
        {"state": State.SIGNABLE, "verification_status": VerificationStatus.PASSED},
        {"verification_status": VerificationStatus.FAILED},
        {"verification_status": VerificationStatus.RETRYING, "verification_due_at": future()},
        {"verification_status": VerificationStatus.RUNNING, "lease_expires_at": future()},
    ],
)
async def test_what_does_not_wait_is_not_claimed(values: dict[str, Any]) -> None:
    binary = await hashing(await version(), CONTENT, **values)
    before = await facts(binary)
    assert await verification.claim(lease_seconds=60) is None
    assert await facts(binary) == before


@pytest.mark.parametrize("ago", [timedelta(milliseconds=20), timedelta(days=400)])
@pytest.mark.parametrize(
    ("status", "column"),
    [
        (VerificationStatus.RETRYING, "verification_due_at"),
        (VerificationStatus.RUNNING, "lease_expires_at"),
    ],
)
async def test_what_is_due_is_claimed(
    status: VerificationStatus, column: str, ago: timedelta
) -> None:
    values: dict[str, Any] = {"verification_attempts": 2, "verification_status": status}
    values[column] = datetime.now(UTC) - ago
    binary = await hashing(await version(), CONTENT, **values)
    taken = await claimed()
    assert (taken.binary_id, taken.attempts) == (binary.id, 3)
    assert (await present(binary)).verification_due_at is None


async def test_the_oldest_is_claimed_first_and_what_was_unreadable_last() -> None:
    of = await version()
    retrying: dict[str, Any] = {"verification_status": VerificationStatus.RETRYING}
    fourth = await hashing(of, CONTENT, **retrying, verification_due_at=PAST + timedelta(1))
    third = await hashing(of, CONTENT, **retrying, verification_due_at=PAST)
    first = await hashing(of, CONTENT)
    second = await hashing(of, CONTENT)
    order = [(await claimed()).binary_id for _ in range(4)]
    assert order == [first.id, second.id, third.id, fourth.id]


async def test_64_claimers_at_once_claim_each_record_once() -> None:
    of = await version()
    waiting = {(await hashing(of, CONTENT)).id for _ in range(20)}
    taken = await asyncio.gather(*(verification.claim(lease_seconds=60) for _ in range(64)))
    got = [one for one in taken if one is not None]
    assert len(got) == 20
    assert {one.binary_id for one in got} == waiting
    assert len({one.token for one in got}) == 20


async def test_64_claimers_at_once_share_no_record() -> None:
    binary = await hashing(await version(), CONTENT)
    taken = await asyncio.gather(*(verification.claim(lease_seconds=60) for _ in range(64)))
    (got,) = [one for one in taken if one is not None]
    assert (await present(binary)).lease_token == got.token
    assert (await present(binary)).verification_attempts == 1


async def test_renewing_shows_progress_and_extends_the_lease() -> None:
    binary = await hashing(await version(), CONTENT)
    taken = await claimed()
    before = datetime.now(UTC)
    assert await verification.renew(taken, bytes_hashed=5, lease_seconds=1000) is True
    row = await present(binary)
    assert row.lease_expires_at is not None
    lease = row.lease_expires_at - before
    assert timedelta(seconds=999.9) < lease < timedelta(seconds=1005)
    assert (row.bytes_hashed, row.revision, row.updated_at) == (5, 3, binary.updated_at)
    assert await events(binary.id) == []


async def test_an_expired_lease_that_nobody_took_is_renewed() -> None:
    binary = await hashing(await version(), CONTENT)
    taken = await claimed()
    await Binary.filter(id=binary.id).update(lease_expires_at=PAST)
    assert await verification.renew(taken, bytes_hashed=5, lease_seconds=60) is True
    assert await verification.claim(lease_seconds=60) is None


async def test_equal_content_makes_the_binary_signable() -> None:
    binary = await hashing(await version(), CONTENT, verification_error="An old one.")
    taken = await claimed()
    assert await verification.finish(taken, RIGHT) is True
    row = await present(binary)
    assert (row.state, row.revision, row.epoch) == (State.SIGNABLE, 4, 1)
    assert row.verification_status is VerificationStatus.PASSED
    assert (row.verification_error, row.lease_token, row.lease_expires_at) == (None, None, None)
    assert (row.computed_hash, row.computed_size, row.bytes_hashed) == (RIGHT.sha256, 11, 11)
    assert (row.content_health, row.content_checked_at) == (ContentHealth.OK, row.updated_at)
    assert await events(binary.id) == [
        ("binary.pass_verification", {"state": "SIGNABLE", "revision": 4})
    ]
    assert await verification.finish(taken, RIGHT) is False


async def test_other_content_fails_and_stays_in_hashing() -> None:
    binary = await hashing(await version(), CONTENT)
    taken = await claimed()
    assert await verification.finish(taken, WRONG) is True
    row = await present(binary)
    error = (
        "The stored content is 5 bytes long, declared were 11"
        f" and has the SHA-256 {WRONG.sha256}, declared was {RIGHT.sha256}."
        " Reset the binary to upload it again."
    )
    assert (row.state, row.revision, row.epoch) == (State.HASHING, 3, 1)
    assert (row.verification_status, row.verification_error) == (VerificationStatus.FAILED, error)
    assert (row.lease_token, row.lease_expires_at) == (None, None)
    assert (row.computed_hash, row.computed_size, row.bytes_hashed) == (WRONG.sha256, 5, 5)
    assert (row.content_health, row.content_checked_at) == (None, None)
    assert await events(binary.id) == [
        (
            "binary.verification_failed",
            {
                "verificationStatus": "FAILED",
                "verificationError": error,
                "computedHash": WRONG.sha256,
                "computedSize": 5,
                "bytesHashed": 5,
                "expectedHash": RIGHT.sha256,
                "expectedSize": 11,
            },
        )
    ]
    assert await verification.claim(lease_seconds=60) is None


async def test_unreadable_content_is_put_off() -> None:
    binary = await hashing(await version(), CONTENT, verification_attempts=6)
    taken = await claimed()
    before = datetime.now(UTC)
    assert await verification.retry(taken, "It is away.", delay=timedelta(seconds=100)) is True
    row = await present(binary)
    assert (row.state, row.revision) == (State.HASHING, 3)
    assert row.verification_status is VerificationStatus.RETRYING
    assert (row.verification_error, row.verification_attempts) == ("It is away.", 7)
    assert (row.lease_token, row.lease_expires_at) == (None, None)
    assert row.verification_due_at is not None
    wait = row.verification_due_at - before
    assert timedelta(seconds=99.9) < wait < timedelta(seconds=105)
    ((kind, after),) = await events(binary.id)
    assert kind == "binary.verification_retrying"
    assert datetime.fromisoformat(after.pop("verificationDueAt")) == row.verification_due_at
    assert after == {
        "verificationStatus": "RETRYING",
        "verificationError": "It is away.",
        "verificationAttempts": 7,
    }
    assert await verification.claim(lease_seconds=60) is None


async def test_released_work_waits_as_if_never_claimed() -> None:
    binary = await hashing(await version(), CONTENT)
    taken = await claimed()
    await verification.renew(taken, bytes_hashed=5, lease_seconds=60)
    assert await verification.release(taken) is True
    row = await present(binary)
    assert (row.verification_status, row.bytes_hashed) == (VerificationStatus.PENDING, 0)
    assert (row.lease_token, row.lease_expires_at, row.revision) == (None, None, 3)
    assert await events(binary.id) == []
    assert (await claimed()).binary_id == binary.id


async def assert_a_zombie_changes_nothing(binary: Binary, zombie: Claimed) -> None:
    """None of a former holder's writes matches the row, or leaves an Event."""
    before = (await facts(binary), await events(binary.id))
    assert await verification.renew(zombie, bytes_hashed=1, lease_seconds=9) is False
    assert await verification.finish(zombie, RIGHT) is False
    assert await verification.finish(zombie, WRONG) is False
    assert await verification.retry(zombie, "Late.", delay=timedelta(seconds=9)) is False
    assert await verification.release(zombie) is False
    assert (await facts(binary), await events(binary.id)) == before


async def test_an_expired_lease_is_retaken_and_its_first_holder_refused() -> None:
    binary = await hashing(await version(), CONTENT)
    first = await claimed()
    await Binary.filter(id=binary.id).update(lease_expires_at=PAST)
    second = await claimed()
    assert (second.binary_id, second.attempts) == (first.binary_id, 2)
    assert second.token != first.token
    await assert_a_zombie_changes_nothing(binary, first)
    assert await verification.finish(second, RIGHT) is True
    await assert_a_zombie_changes_nothing(binary, first)


async def test_a_lease_expires_by_itself() -> None:
    binary = await hashing(await version(), CONTENT)
    first = await verification.claim(lease_seconds=0.05)
    assert first is not None
    await asyncio.sleep(0.1)
    second = await claimed()
    assert (second.binary_id, second.attempts) == (binary.id, 2)
    await assert_a_zombie_changes_nothing(binary, first)


async def test_a_result_from_before_a_reset_matches_no_row() -> None:
    binary = await hashing(await version(), CONTENT)
    taken = await claimed()
    await reset(server_of(binary), binary.id)
    assert (await present(binary)).epoch == 2
    await assert_a_zombie_changes_nothing(binary, taken)
    # Even if the new attempt had come to hashing under the very same token.
    await Binary.filter(id=binary.id).update(
        state=State.HASHING,
        verification_status=VerificationStatus.RUNNING,
        lease_token=taken.token,
        lease_expires_at=future(),
    )
    await assert_a_zombie_changes_nothing(binary, taken)


async def test_a_result_for_a_deleted_record_matches_no_row() -> None:
    binary = await hashing(await version(), [])
    taken = await claimed()
    await binary.delete()
    assert await verification.finish(taken, RIGHT) is False
    assert await verification.renew(taken, bytes_hashed=1, lease_seconds=9) is False
    assert await events(binary.id) == []


@pytest.mark.parametrize("digest", [RIGHT, WRONG])
async def test_of_a_result_and_a_reset_at_once_one_wins(digest: Digest) -> None:
    of = await version()
    for _ in range(10):
        binary = await hashing(of, CONTENT)
        taken = await claimed()
        finished, undone = await asyncio.gather(
            verification.finish(taken, digest),
            reset(server_of(binary), binary.id),
            return_exceptions=True,
        )
        assert isinstance(finished, bool)
        # A reset is possible before and after either result.
        assert not isinstance(undone, BaseException)
        row = await present(binary)
        assert (row.state, row.epoch, row.verification_status) == (State.UPLOADABLE, 2, None)
        kinds = [kind for kind, _ in await events(binary.id)]
        assert len(kinds) == 1 + finished


async def test_what_a_dead_process_was_verifying_is_requeued() -> None:
    of = await version()
    running = await hashing(of, CONTENT)
    dead = await claimed()
    failed = await hashing(of, CONTENT, verification_status=VerificationStatus.FAILED)
    untouched = await facts(failed)
    assert await verification.requeue_dead() == 1
    row = await present(running)
    assert (row.verification_status, row.lease_token) == (VerificationStatus.PENDING, None)
    assert (row.lease_expires_at, row.bytes_hashed) == (None, 0)
    assert await facts(failed) == untouched
    await assert_a_zombie_changes_nothing(running, dead)
    assert await verification.requeue_dead() == 0
    assert (await claimed()).binary_id == running.id


async def test_a_failed_verification_can_be_reset() -> None:
    binary = await hashing(await version(), CONTENT)
    await verification.finish(await claimed(), WRONG)
    await reset(server_of(binary), binary.id)
    again = await present(binary)
    assert (again.state, again.epoch, again.verification_status) == (State.UPLOADABLE, 2, None)
    assert (again.verification_error, again.computed_hash) == (None, None)
    with pytest.raises(InvalidTransition):
        await reset(server_of(binary), binary.id)
