"""Gathers the small chunks of a network into pieces that are worth a hop to a thread."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from app.rules.failures import InvalidSize
from app.storage.content import PIECE


async def gather(chunks: AsyncIterator[bytes], *, size: int) -> AsyncGenerator[memoryview, None]:
    """Yield the bytes of `chunks` in pieces of 1 MiB (the last one may be smaller).

    Every piece lies in the same buffer: be done with it before you ask for the next one.
    Raises `InvalidSize` as soon as the chunks are more than `size` bytes, and at the end if
    they are fewer.
    """
    piece = memoryview(bytearray(min(PIECE, size)))
    filled = received = 0
    async for chunk in chunks:
        received += len(chunk)
        if received > size:
            raise _not_the_size(declared=size, received=received)
        rest = memoryview(chunk)
        while rest:
            taken = min(len(rest), len(piece) - filled)
            piece[filled : filled + taken] = rest[:taken]
            rest = rest[taken:]
            filled += taken
            if filled == len(piece):
                yield piece
                filled = 0
    if received < size:
        raise _not_the_size(declared=size, received=received)
    if filled:
        yield piece[:filled]


def _not_the_size(*, declared: int, received: int) -> InvalidSize:
    relation = f"{received} came" if received < declared else f"at least {received} came"
    return InvalidSize(
        f"The bytes are not as many as declared: {declared} were declared, {relation}.",
        declared_size=declared,
        received_size=received,
    )
