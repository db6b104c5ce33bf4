"""What the disk store does with work in parallel: its threads, and the room that it promises."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import AsyncIterator, Callable
from errno import EIO
from pathlib import Path

import pytest

from app.rules.failures import StorageDegraded, StorageFull
from app.storage import syscalls
from app.storage.content import PIECE
from app.storage.disk import DiskStore
from app.storage.threads import THREADS
from tests.storage.conftest import Kernel
from tests.storage.samples import (
    all_names,
    content,
    descriptors,
    digest_of,
    sample,
    stored,
)


async def test_erasing_resumes_after_a_cancellation(
    disk: DiskStore, kernel: Kernel, tmp_path: Path
) -> None:
    names = [await stored(disk, sample(3 * PIECE)) for _ in range(3)]
    started, go_on = threading.Event(), threading.Event()

    def fault() -> None:
        started.set()
        go_on.wait(10)

    kernel.faults["pwrite blob"] = fault
    erasing = asyncio.create_task(disk.erase(names))
    await asyncio.to_thread(started.wait, 10)
    erasing.cancel()
    await asyncio.sleep(0.01)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await erasing
    assert len(await all_names(disk)) == 3
    await disk.erase(names)
    assert await all_names(disk) == []


async def test_a_cancelled_write_waits_for_its_thread(
    disk: DiskStore, kernel: Kernel, tmp_path: Path
) -> None:
    started, go_on = threading.Event(), threading.Event()

    def fault() -> None:
        started.set()
        go_on.wait(10)

    kernel.faults["write blob"] = fault
    before = descriptors()
    write = asyncio.create_task(stored(disk, b"abc"))
    await asyncio.to_thread(started.wait, 10)
    for _ in range(3):
        write.cancel()
        await asyncio.sleep(0.01)
        assert not write.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await write
    assert await all_names(disk) == []
    assert descriptors() == before


async def test_a_write_cancelled_while_it_is_synced_leaves_nothing(
    disk: DiskStore, kernel: Kernel
) -> None:
    started, go_on = threading.Event(), threading.Event()

    def fault() -> None:
        started.set()
        go_on.wait(10)

    kernel.faults["fsync folder"] = fault
    write = asyncio.create_task(stored(disk, b"abc"))
    await asyncio.to_thread(started.wait, 10)
    write.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await write
    assert await all_names(disk) == []


async def test_closing_waits_for_a_write_under_way(disk: DiskStore) -> None:
    sending = asyncio.Event()
    data = sample(PIECE + 1)

    async def slow() -> AsyncIterator[bytes]:
        yield data[:PIECE]
        await sending.wait()
        yield data[PIECE:]

    name = disk.new_name()
    write = asyncio.create_task(disk.write(name, slow(), expect=digest_of(data)))
    await asyncio.sleep(0.01)
    closing = asyncio.create_task(disk.close())
    await asyncio.sleep(0.01)
    assert not closing.done()
    sending.set()
    await closing
    assert await write == digest_of(data)
    await disk.open()
    assert await content(disk, name) == data


async def test_hashing_does_not_keep_an_upload_waiting(disk: DiskStore) -> None:
    name = await stored(disk, b"x")
    go_on = threading.Event()

    def progress(done: int) -> None:
        go_on.wait(10)

    digests = [
        asyncio.create_task(disk.digest([name], progress=progress, stop=threading.Event()))
        for _ in range(2 * THREADS)
    ]
    await asyncio.sleep(0.01)
    assert await content(disk, await stored(disk, b"y")) == b"y"
    digests[-1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(digests.pop(), timeout=5)
    go_on.set()
    assert await asyncio.gather(*digests) == [digest_of(b"x")] * (2 * THREADS - 1)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that sets how many bytes are free on the disk."""

    def set_free(space: int) -> None:
        monkeypatch.setattr(syscalls, "free_space", lambda _: space)

    return set_free


async def test_the_reserve_stays_free(tmp_path: Path, free: Callable[[int], None]) -> None:
    store = DiskStore(tmp_path / "content", reserve=1000)
    await store.open()
    free(1009)
    before = descriptors()
    with pytest.raises(StorageFull):
        await store.check_room(10)
    with pytest.raises(StorageFull):
        await stored(store, b"0123456789")
    assert await all_names(store) == []
    assert descriptors() == before
    free(1010)
    await store.check_room(10)
    await stored(store, b"0123456789")
    free(999)
    with pytest.raises(StorageFull):
        await stored(store, b"")
    await store.close()


async def test_room_is_promised_once(tmp_path: Path, free: Callable[[int], None]) -> None:
    store = DiskStore(tmp_path / "content", reserve=1000)
    await store.open()
    free(1015)
    sending = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        await sending.wait()
        yield b"0123456789"

    first = asyncio.create_task(
        store.write(store.new_name(), slow(), expect=digest_of(b"0123456789"))
    )
    await asyncio.sleep(0.01)
    with pytest.raises(StorageFull):
        await store.check_room(10)
    with pytest.raises(StorageFull):
        await stored(store, b"0123456789")
    sending.set()
    await first
    await stored(store, b"0123456789")
    await store.close()


async def test_room_that_was_used_is_not_counted_again(
    tmp_path: Path, free: Callable[[int], None]
) -> None:
    store = DiskStore(tmp_path / "content", reserve=1000)
    await store.open()
    data = sample(PIECE)
    first_waits, sending = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield data
        first_waits.set()
        await sending.wait()

    first = asyncio.create_task(store.write(store.new_name(), slow(), expect=digest_of(data)))
    await first_waits.wait()
    free(1010)
    await stored(store, b"0123456789")
    sending.set()
    await first
    await store.close()


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> dict[int, threading.Event]:
    """What each block of a blob, by its offset, waits for before it is read."""
    found: dict[int, threading.Event] = {}

    def read_block(descriptor: int, size: int, offset: int) -> bytes:
        if offset in found:
            assert found[offset].wait(10)
        return os.pread(descriptor, size, offset)

    monkeypatch.setattr(syscalls, "read_block", read_block)
    return found


async def test_blocks_that_are_read_ahead_are_hashed_in_their_order(
    disk: DiskStore, gates: dict[int, threading.Event]
) -> None:
    data = sample(3 * PIECE)
    name = await stored(disk, data)
    gates[0] = threading.Event()
    running = hashlib.sha256()
    reading = asyncio.create_task(content(disk, name, running=running))
    # The second block is there long before the first one.
    await asyncio.sleep(0.05)
    assert running.digest() == hashlib.sha256().digest()
    gates[0].set()
    assert await reading == data
    assert running.digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("last", [0, PIECE])
async def test_a_cancelled_download_keeps_its_file_until_every_thread_is_done(
    disk: DiskStore, gates: dict[int, threading.Event], last: int
) -> None:
    name = await stored(disk, sample(3 * PIECE))
    before = descriptors()
    gates |= {0: threading.Event(), PIECE: threading.Event()}
    reading = asyncio.create_task(content(disk, name))
    await asyncio.sleep(0.05)
    for _ in range(3):
        reading.cancel()
        await asyncio.sleep(0.01)
    gates[PIECE - last].set()
    await asyncio.sleep(0.05)
    reading.cancel()
    await asyncio.sleep(0.01)
    assert not reading.done()
    assert descriptors() == before + 1
    gates[last].set()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert descriptors() == before


async def test_a_block_after_one_that_failed_is_not_hashed(
    disk: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await stored(disk, sample(3 * PIECE))
    before = descriptors()

    def read_block(descriptor: int, size: int, offset: int) -> bytes:
        if offset == 0:
            raise OSError(EIO, os.strerror(EIO))
        return os.pread(descriptor, size, offset)

    monkeypatch.setattr(syscalls, "read_block", read_block)
    running = hashlib.sha256()
    with pytest.raises(StorageDegraded):
        await content(disk, name, running=running)
    assert running.digest() == hashlib.sha256().digest()
    assert descriptors() == before
