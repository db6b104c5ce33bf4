"""What the disk store does when the disk fails it: a typed error, and no false promise."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from errno import EDQUOT, EIO, EMFILE, ENOSPC, EROFS
from pathlib import Path

import pytest

from app.rules.failures import StorageDegraded, StorageFull
from app.rules.refusal import BinderyError
from app.storage import syscalls
from app.storage.content import PIECE
from app.storage.disk import DiskStore
from tests.storage.conftest import Kernel
from tests.storage.samples import (
    all_names,
    chunked,
    content,
    descriptors,
    digest_of,
    sample,
    stored,
)

FULL, DISTRUST, PASSING = (StorageFull, True), (StorageDegraded, False), (StorageDegraded, True)


@pytest.mark.parametrize(
    ("call", "error", "expected"),
    [
        ("open folder", EMFILE, PASSING),
        ("open blob", EMFILE, PASSING),
        ("open blob", ENOSPC, FULL),
        ("open blob", EROFS, DISTRUST),
        ("write blob", ENOSPC, FULL),
        ("write blob", EDQUOT, FULL),
        ("write blob", EIO, DISTRUST),
        ("fsync blob", EIO, DISTRUST),
        ("fsync blob", ENOSPC, DISTRUST),
        ("close blob", EIO, DISTRUST),
        ("fsync folder", EIO, DISTRUST),
    ],
)
async def test_a_call_that_fails_once(
    disk: DiskStore,
    kernel: Kernel,
    call: str,
    error: int,
    expected: tuple[type[BinderyError], bool],
) -> None:
    kept = await stored(disk, b"kept")
    before = descriptors()
    kernel.fail(call, error, times=1)
    refusal, next_is_taken = expected
    with pytest.raises(refusal):
        await stored(disk, sample(2 * PIECE))
    assert await all_names(disk) == [kept]
    assert descriptors() == before
    assert await content(disk, kept) == b"kept"
    if not next_is_taken:
        with pytest.raises(StorageDegraded, match="refused until"):
            await stored(disk, b"next")
    assert await disk.healthy()
    await stored(disk, b"next")
    assert descriptors() == before


@pytest.mark.parametrize("call", ["fsync blob", "fsync folder"])
async def test_no_data_is_synced_twice(disk: DiskStore, kernel: Kernel, call: str) -> None:
    kernel.fail(call, EIO, times=1)
    with pytest.raises(StorageDegraded):
        await stored(disk, b"x")
    after_failure = kernel.log[kernel.log.index(call) + 1 :]
    assert "fsync blob" not in after_failure
    assert after_failure.index("unlink blob") < after_failure.index("fsync folder")


async def test_a_broken_disk_is_refused_until_a_probe_passes(
    disk: DiskStore, kernel: Kernel, tmp_path: Path
) -> None:
    kept = await stored(disk, b"kept")
    kernel.fail("fsync blob", EIO)
    kernel.fail("fsync probe", EIO)
    with pytest.raises(StorageDegraded):
        await stored(disk, b"x")
    assert not await disk.healthy()
    kernel.log.clear()
    with pytest.raises(StorageDegraded):
        await stored(disk, b"x")
    assert kernel.log == [], "A refused write does not touch the disk."
    assert await content(disk, kept) == b"kept"
    kernel.faults.clear()
    with pytest.raises(StorageDegraded):
        await stored(disk, b"x")
    assert await asyncio.gather(*(disk.healthy() for _ in range(5))) == [True] * 5
    assert kernel.log.count("fsync probe") == 1
    await stored(disk, b"x")
    assert not list((tmp_path / "content").glob("probe-*"))


async def test_a_healthy_disk_is_not_probed(disk: DiskStore, kernel: Kernel) -> None:
    assert await disk.healthy()
    assert kernel.log == []


async def test_a_probe_forgives_only_what_was_before_it(disk: DiskStore, kernel: Kernel) -> None:
    sending = asyncio.Event()
    probing, go_on = threading.Event(), threading.Event()

    def fault() -> None:
        probing.set()
        go_on.wait(10)

    async def slow() -> AsyncIterator[bytes]:
        await sending.wait()
        yield b"abc"

    under_way = asyncio.create_task(disk.write(disk.new_name(), slow(), expect=digest_of(b"abc")))
    await asyncio.sleep(0.01)
    kernel.fail("write blob", EIO)
    with pytest.raises(StorageDegraded):
        await stored(disk, b"x")
    kernel.faults["fsync probe"] = fault
    probe = asyncio.create_task(disk.healthy())
    await asyncio.to_thread(probing.wait, 10)
    sending.set()
    with pytest.raises(StorageDegraded):
        await under_way
    go_on.set()
    assert not await probe
    assert await disk.healthy()


async def test_short_writes_are_continued(disk: DiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real_write, real_pwrite, real_pread = os.write, os.pwrite, os.pread
    monkeypatch.setattr(os, "write", lambda file, data: real_write(file, data[:99_999]))
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: real_pwrite(file, data[:99_999], at))
    monkeypatch.setattr(os, "pread", lambda file, size, at: real_pread(file, min(size, 99_999), at))
    data = sample(PIECE + 1)
    name = await stored(disk, data)
    assert await content(disk, name) == data
    await disk.erase([name])
    assert await all_names(disk) == []


async def test_a_file_of_another_size_than_written_is_not_believed(
    disk: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syscalls, "file_size", lambda _: 2)
    with pytest.raises(StorageDegraded):
        await stored(disk, b"abc")
    assert await all_names(disk) == []


@pytest.mark.parametrize("error", [EIO, ENOSPC])
async def test_a_refusal_that_may_not_have_removed_the_bytes_says_so(
    disk: DiskStore, kernel: Kernel, error: int
) -> None:
    before = descriptors()
    kernel.fail("unlink blob", error)
    with pytest.raises(StorageDegraded, match="failed to remove"):
        await disk.write(disk.new_name(), chunked(b"abc"), expect=digest_of(b"xyz"))
    assert descriptors() == before
    kernel.faults.clear()
    (name,) = await all_names(disk)
    await disk.erase([name])
    assert await disk.healthy()


async def test_a_cancellation_stays_one_when_the_disk_fails(
    disk: DiskStore, kernel: Kernel
) -> None:
    waiting = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield b"a"
        waiting.set()
        await asyncio.Event().wait()

    before = descriptors()
    kernel.fail("unlink blob", EIO)
    write = asyncio.create_task(disk.write(disk.new_name(), stalled(), expect=digest_of(b"abc")))
    await waiting.wait()
    write.cancel()
    with pytest.raises(asyncio.CancelledError):
        await write
    assert descriptors() == before


@pytest.mark.parametrize(
    "call",
    [
        "open folder",
        "open blob",
        "fchmod blob",
        "pwrite blob",
        "fsync blob",
        "ftruncate blob",
        "unlink blob",
        "fsync folder",
    ],
)
async def test_an_erasure_that_fails_is_told_and_can_be_repeated(
    disk: DiskStore, kernel: Kernel, call: str
) -> None:
    name = await stored(disk, sample(PIECE + 1))
    before = descriptors()
    kernel.fail(call, EIO, times=1)
    with pytest.raises(StorageDegraded):
        await disk.erase([name])
    assert descriptors() == before
    await disk.erase([name])
    assert await all_names(disk) == []
    assert descriptors() == before


async def test_erasing_goes_on_where_zeros_find_no_room(disk: DiskStore, kernel: Kernel) -> None:
    name = await stored(disk, sample(PIECE + 1))
    kernel.fail("pwrite blob", ENOSPC)
    await disk.erase([name])
    assert kernel.log[-5:] == [
        "ftruncate blob",
        "close blob",
        "unlink blob",
        "fsync folder",
        "close folder",
    ]
    assert await all_names(disk) == []


async def test_a_missing_folder_is_no_erased_blob(disk: DiskStore, tmp_path: Path) -> None:
    name = await stored(disk, b"x")
    root, elsewhere = tmp_path / "content", tmp_path / "elsewhere"
    root.rename(elsewhere)
    with pytest.raises(StorageDegraded):
        await disk.erase([name])
    elsewhere.rename(root)
    await disk.erase([name])


async def test_a_full_disk_is_opened_and_a_broken_one_is_not(
    disk: DiskStore, kernel: Kernel, tmp_path: Path
) -> None:
    await disk.close()
    kernel.fail("write probe", ENOSPC)
    await disk.open()
    await disk.close()
    kernel.fail("write probe", EROFS)
    before = descriptors()
    with pytest.raises(StorageDegraded, match="can't be used: Read-only file system"):
        await disk.open()
    assert descriptors() == before
    with pytest.raises(StorageDegraded, match="closed"):
        await stored(disk, b"x")
    assert not list((tmp_path / "content").glob("probe-*"))


async def test_a_read_that_the_disk_fails_keeps_nobody_from_writing(
    disk: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await stored(disk, b"abc")
    before = descriptors()

    def fail(*_: object) -> bytes:
        raise OSError(EIO, os.strerror(EIO))

    monkeypatch.setattr(os, "pread", fail)
    with pytest.raises(StorageDegraded):
        await content(disk, name)
    assert descriptors() == before
    await stored(disk, b"x")


async def test_errors_name_no_path(disk: DiskStore, kernel: Kernel, tmp_path: Path) -> None:
    for call, error in (("write blob", EIO), ("open blob", EMFILE), ("write blob", ENOSPC)):
        await disk.healthy()
        kernel.faults.clear()
        kernel.fail(call, error, times=1)
        with pytest.raises(BinderyError) as refusal:
            await stored(disk, b"x")
        assert str(tmp_path) not in refusal.value.message
