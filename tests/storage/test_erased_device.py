"""What is erased is not on the disk any more: looked for on the raw device, not in its files."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.storage.disk import DiskStore
from tests.faults.power import Powered, ground, missing
from tests.worker.records import write

WINDOWS, WIDTH = 500, 32
SIZES = (40, 4096, 70_000, (1 << 20) + 1)


@pytest.fixture
def disk() -> Iterator[Powered]:
    """An ext4 file system on a loop device."""
    reason = missing()
    if reason:
        pytest.skip(f"0 of {WINDOWS} windows are looked for on a raw device: {reason}")
    with ground(1) as made:
        yield made


@asynccontextmanager
async def opened(root: Path) -> AsyncIterator[DiskStore]:
    store = DiskStore(root, reserve=0)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def on_device(image: Path) -> bytes:
    """All that was ever written to the device; what was not is left out."""
    data, place = b"", 0
    with image.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while place < end:
            try:
                start = os.lseek(file.fileno(), place, os.SEEK_DATA)
            except OSError:
                break
            place = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            data += os.pread(file.fileno(), place - start, start) + bytes(WIDTH)
    return data


def found(contents: list[bytes], image: Path) -> int:
    """How many of 500 windows of the contents are on the device."""
    chance, device = random.Random(32), on_device(image)
    count = 0
    for _ in range(WINDOWS):
        content = chance.choice(contents)
        place = chance.randrange(len(content) - WIDTH + 1)
        count += content[place : place + WIDTH] in device
    return count


async def test_erased_content_is_on_the_raw_device_no_more(disk: Powered) -> None:
    """It is there before, and not after, nor after a power cut; a mere unlink leaves it there."""
    chance = random.Random(1)
    contents = [chance.randbytes(size) for size in SIZES * 3]
    unlinked = [chance.randbytes(size) for size in SIZES * 3]
    root, image = disk.disks[0].path / "blobs", disk.disks[0].image
    async with opened(root) as store:
        names = [store.new_name() for _ in contents]
        others = [store.new_name() for _ in unlinked]
        for name, content in zip(names + others, contents + unlinked, strict=True):
            await write(store, name, content)
        assert found(contents, image) == WINDOWS
        assert found(unlinked, image) == WINDOWS
        await store.erase(names)
        for name in others:
            (root / name[:2] / name).unlink()
        os.sync()
        assert found(contents, image) == 0
        # So the search finds what is only unlinked: the test can fail.
        assert found(unlinked, image) > WINDOWS // 2
    disk.disks[0].cut()
    disk.disks[0].unmount()
    disk.disks[0].mount()
    assert found(contents, image) == 0
    async with opened(root) as store:
        assert [await store.size(name) for name in names] == [None] * len(names)
