"""Reading from a bucket, whatever breaks off on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from app.rules.failures import ContentCorrupt, StorageDegraded
from app.storage.bucket import Bucket
from app.storage.location import Missing

RESUMES: Final = 5
"""How often in a row a reading goes on where it broke off, without having come any further."""
AT_ONCE: Final = 8
"""Parts that are asked for their size at once."""


@dataclass(eq=False)
class Reading:
    """A reading under way, which ends when its blob is erased."""

    name: str
    erased: bool = False

    def check(self) -> None:
        """Raises ContentCorrupt where the blob was erased since."""
        if self.erased:
            raise ContentCorrupt(f"The stored bytes {self.name} were erased meanwhile.")


async def resumed(
    bucket: Bucket, name: str, *, start: int, end: int
) -> AsyncGenerator[bytes, None]:
    """Yields a range as it comes; goes on where a connection broke off.

    Raises ContentCorrupt, StorageDegraded.
    """
    fruitless = 0
    while start < end:
        begun = start
        try:
            async with aclosing(bucket.get(name, start=start, end=end)) as chunks:
                async for chunk in chunks:
                    yield chunk
                    start += len(chunk)
        except Missing:
            raise missing(name) from None
        except StorageDegraded:
            if fruitless >= RESUMES:
                raise
        fruitless = fruitless + 1 if start == begun else 0
        if fruitless > RESUMES:
            raise StorageDegraded("The bucket ends its answers too early.")
        if fruitless:
            await asyncio.sleep(0.05 * 2**fruitless)


async def part_sizes(bucket: Bucket, name: str) -> list[int]:
    """The sizes of a finished object's parts. Raises ContentCorrupt."""
    first = await bucket.part_size(name, 1)
    if first is None:
        raise missing(name)
    free = asyncio.Semaphore(AT_ONCE)

    async def size(number: int) -> int:
        async with free:
            found = await bucket.part_size(name, number)
        if found is None:
            raise missing(name)
        return found[0]

    return [first[0], *await asyncio.gather(*map(size, range(2, first[1] + 1)))]


def missing(name: str) -> ContentCorrupt:
    """What is raised for a blob that is not there."""
    return ContentCorrupt(f"The stored bytes {name} are missing.")
