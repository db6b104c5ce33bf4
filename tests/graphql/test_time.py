"""What a deadline ends, and what it lets be."""

from __future__ import annotations

import asyncio

import pytest

from app.graphql.deadline import Deadline

SOON = 0.01
LONG = 60.0


async def test_a_block_within_its_time_is_left_alone() -> None:
    task = asyncio.current_task()
    assert task is not None
    with Deadline(SOON):
        pass
    await asyncio.sleep(3 * SOON)
    assert task.cancelling() == 0


async def test_a_block_without_a_limit_has_no_end() -> None:
    with Deadline():
        await asyncio.sleep(3 * SOON)


async def test_what_takes_too_long_is_ended() -> None:
    task = asyncio.current_task()
    assert task is not None
    with pytest.raises(TimeoutError):
        await _lasting(Deadline(SOON))
    with pytest.raises(TimeoutError):
        await _lasting(Deadline(), limit=SOON)
    assert task.cancelling() == 0


async def test_a_limit_that_was_set_is_not_moved() -> None:
    with pytest.raises(TimeoutError):
        await _lasting(Deadline(SOON), limit=LONG)


async def test_a_cancellation_by_somebody_else_stays_one() -> None:
    async def body() -> None:
        with Deadline(LONG):
            await asyncio.sleep(LONG)

    task = asyncio.create_task(body())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_the_block_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError), Deadline(LONG):
        raise ZeroDivisionError


async def _lasting(deadline: Deadline, *, limit: float | None = None) -> None:
    with deadline:
        if limit is not None:
            deadline.limit(limit)
        await asyncio.sleep(LONG)
