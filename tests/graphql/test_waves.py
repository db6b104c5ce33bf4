"""Waves of reads: what is wanted together is read together, whatever takes how long."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence

import pytest

from app.graphql.waves import QUIET_TICKS, Loader, Waves


class Reads:
    """A read that keeps what it was asked for, and takes its time."""

    def __init__(self, waves: Waves, seconds: float = 0, *, error: Exception | None = None) -> None:
        self.asked: list[list[int]] = []
        self._seconds = seconds
        self._error = error
        self.loader: Loader[int, str] = Loader(waves, self._read)

    async def _read(self, keys: list[int]) -> list[str]:
        self.asked.append(keys)
        await asyncio.sleep(self._seconds)
        if self._error is not None:
            raise self._error
        return [f"value {key}" for key in keys]


async def test_what_is_wanted_together_is_one_read() -> None:
    reads = Reads(Waves())
    alone, several = await asyncio.gather(reads.loader.load(3), reads.loader.load_many([1, 3, 2]))
    assert (alone, several) == ("value 3", ["value 1", "value 3", "value 2"])
    assert reads.asked == [[3, 1, 2]]


async def test_a_value_is_read_once() -> None:
    reads = Reads(Waves())
    assert await reads.loader.load(1) == await reads.loader.load(1) == "value 1"
    assert reads.asked == [[1]]


async def test_the_slowest_read_does_not_tear_the_next_one_apart() -> None:
    waves = Waves()
    quick, slow, below = Reads(waves), Reads(waves, 0.05), Reads(waves)

    async def path(first: Reads, key: int) -> str:
        await first.loader.load(key)
        return await below.loader.load(key)

    found = await asyncio.gather(path(quick, 1), path(slow, 2), path(quick, 3))
    assert list(found) == ["value 1", "value 2", "value 3"]
    assert [sorted(keys) for keys in below.asked] == [[1, 2, 3]]


async def test_the_longest_way_to_the_next_read_does_not_tear_it_apart() -> None:
    waves = Waves()
    above, below = Reads(waves), Reads(waves)

    async def path(rounds: int) -> str:
        await above.loader.load(rounds)
        for _ in range(rounds):
            await asyncio.sleep(0)
        return await below.loader.load(rounds)

    await asyncio.gather(*map(path, range(QUIET_TICKS)))
    assert below.asked == [list(range(QUIET_TICKS))]


async def test_one_request_does_not_wait_for_another() -> None:
    slow, quick = Reads(Waves(), 10), Reads(Waves())
    waiting = asyncio.ensure_future(slow.loader.load(1))
    async with asyncio.timeout(5):
        assert await quick.loader.load(1) == "value 1"
    assert not waiting.done()
    waiting.cancel()


async def test_one_waiter_is_cancelled_without_the_others() -> None:
    reads = Reads(Waves())
    first, second = reads.loader.load(1), reads.loader.load(1)
    first.cancel()
    assert await second == "value 1"


async def test_an_error_reaches_each_waiter_of_its_read() -> None:
    waves = Waves()
    bad, good = Reads(waves, error=ValueError("no")), Reads(waves)
    found = await asyncio.gather(
        bad.loader.load(1), bad.loader.load(2), good.loader.load(1), return_exceptions=True
    )
    assert [str(one) for one in found] == ["no", "no", "value 1"]


async def test_a_read_that_gives_too_few_values_is_an_error() -> None:
    async def nothing(_keys: Sequence[int]) -> list[str]:
        return []

    with pytest.raises(ValueError, match="shorter"):
        await Loader(Waves(), nothing).load(1)


async def test_a_read_can_not_wait_for_another_one() -> None:
    waves = Waves()
    other = Reads(waves)

    async def nested(keys: list[int]) -> list[str]:
        return await other.loader.load_many(keys)

    with pytest.raises(RuntimeError, match="another loader"):
        await Loader(waves, nested).load(1)


async def test_nothing_is_left_over() -> None:
    waves = Waves()
    await Reads(waves).loader.load(1)
    await asyncio.sleep(0)
    gc.collect()
    assert asyncio.all_tasks() == {asyncio.current_task()}
