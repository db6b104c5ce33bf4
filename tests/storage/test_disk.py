"""What is the disk store's own: the order of its calls, and its files."""

from __future__ import annotations

import os
import stat
import threading
from errno import EIO
from pathlib import Path

import pytest

from app.rules.failures import ContentCorrupt, InvalidHash, StorageDegraded
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


def path_of(tmp_path: Path, name: str) -> Path:
    return tmp_path / "content" / name[:2] / name


async def test_a_write_is_durable_before_it_is_told(disk: DiskStore, kernel: Kernel) -> None:
    await stored(disk, sample(PIECE + 1))
    assert kernel.log == [
        "open folder",
        "open blob",
        "write blob",
        "write blob",
        "fsync blob",
        "close blob",
        "fsync folder",
        "close folder",
    ]


async def test_a_refusal_is_durable_too(disk: DiskStore, kernel: Kernel) -> None:
    with pytest.raises(InvalidHash):
        await disk.write(disk.new_name(), chunked(b"abc"), expect=digest_of(b"xyz"))
    assert kernel.log == [
        "open folder",
        "open blob",
        "write blob",
        "close blob",
        "unlink blob",
        "fsync folder",
        "close folder",
    ]


async def test_erasing_writes_zeros_before_it_cuts(
    disk: DiskStore, kernel: Kernel, tmp_path: Path
) -> None:
    name = await stored(disk, sample(PIECE + 1))
    kernel.log.clear()
    on_disk: list[bytes] = []
    kernel.faults["ftruncate blob"] = lambda: on_disk.append(path_of(tmp_path, name).read_bytes())
    await disk.erase([name])
    assert on_disk == [bytes(PIECE + 1)]
    assert kernel.log == [
        "open folder",
        "open blob",
        "fchmod blob",
        "pwrite blob",
        "pwrite blob",
        "fsync blob",
        "ftruncate blob",
        "close blob",
        "unlink blob",
        "fsync folder",
        "close folder",
    ]


async def test_erasing_many_syncs_each_folder_once(disk: DiskStore, kernel: Kernel) -> None:
    names = [first + f"{number:030x}" for first in ("ab", "cd") for number in range(5)]
    for name in names:
        await disk.write(name, chunked(b"x"), expect=digest_of(b"x"))
    kernel.log.clear()
    await disk.erase(names)
    assert kernel.log.count("fsync folder") == 2
    kernel.log.clear()
    await disk.erase(names[:5])
    assert kernel.log.count("fsync folder") == 1, "An earlier removal may not be durable yet."


async def test_nobody_else_may_read(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = DiskStore(tmp_path / "content", reserve=0)
        await store.open()
        path = path_of(tmp_path, await stored(store, b"x"))
        modes = [stat.S_IMODE(file.stat().st_mode) for file in (path, path.parent, path.parents[1])]
        await store.close()
    finally:
        os.umask(before)
    assert modes == [0o600, 0o700, 0o700]


async def test_opening_makes_256_folders_and_leaves_no_probe(
    disk: DiskStore, tmp_path: Path
) -> None:
    root = tmp_path / "content"
    left = root / "probe-0123456789abcdef"
    left.write_bytes(b"left by a crash")
    await disk.open()
    assert sorted(path.name for path in root.iterdir()) == [f"{n:02x}" for n in range(256)]


async def test_opening_syncs_every_folder_that_it_put_a_name_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: dict[int, Path] = {}
    synced: list[Path] = []
    real_open, real_sync = syscalls.open_folder, syscalls.sync_folder

    def open_folder(path: Path) -> int:
        descriptor = real_open(path)
        opened[descriptor] = path
        return descriptor

    def sync_folder(descriptor: int) -> None:
        synced.append(opened[descriptor])
        real_sync(descriptor)

    monkeypatch.setattr(syscalls, "open_folder", open_folder)
    monkeypatch.setattr(syscalls, "sync_folder", sync_folder)
    root = tmp_path / "new" / "content"
    store = DiskStore(root, reserve=0)
    await store.open()
    await store.close()
    assert {root, root.parent, tmp_path} <= set(synced)


async def test_a_root_that_is_a_file_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "file"
    root.write_bytes(b"")
    with pytest.raises(StorageDegraded, match="can't be used: Not a directory"):
        await DiskStore(root).open()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("storage")]


async def test_names_are_those_of_blobs_alone(disk: DiskStore, tmp_path: Path) -> None:
    name = await stored(disk, b"x")
    (tmp_path / "content" / "ab" / "stranger").write_bytes(b"")
    (tmp_path / "content" / "ab" / ("cd" * 16)).write_bytes(b"")
    assert await all_names(disk) == [name]


async def test_a_link_is_no_blob(disk: DiskStore, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    name = disk.new_name()
    path_of(tmp_path, name).symlink_to(secret)
    with pytest.raises(ContentCorrupt):
        await content(disk, name)
    assert await disk.size(name) is None
    with pytest.raises(StorageDegraded):
        await disk.erase([name])
    assert secret.read_bytes() == b"secret"


@pytest.mark.parametrize("left", [0, 1, PIECE, PIECE + 1, 2 * PIECE])
async def test_a_blob_that_was_cut(disk: DiskStore, tmp_path: Path, left: int) -> None:
    name = await stored(disk, sample(4 * PIECE + 1))
    before = descriptors()
    read = disk.read(name, length=4 * PIECE + 1)
    await anext(read)
    os.truncate(path_of(tmp_path, name), left)
    with pytest.raises(ContentCorrupt):
        async for _ in read:
            pass
    with pytest.raises(ContentCorrupt):
        await content(disk, name, length=4 * PIECE + 1)
    assert descriptors() == before


async def test_zeros_of_an_erasure_are_never_read(
    disk: DiskStore, kernel: Kernel, tmp_path: Path
) -> None:
    name = await stored(disk, sample(2 * PIECE))
    read = disk.read(name)
    await anext(read)
    kernel.fail("ftruncate blob", EIO)
    with pytest.raises(StorageDegraded):
        await disk.erase([name])
    assert path_of(tmp_path, name).read_bytes() == bytes(2 * PIECE)
    with pytest.raises(ContentCorrupt):
        await anext(read)
    with pytest.raises(ContentCorrupt):
        await content(disk, name)
    with pytest.raises(ContentCorrupt):
        await disk.digest([name], progress=lambda _: None, stop=threading.Event())
    kernel.faults.clear()
    await disk.erase([name])
    assert await all_names(disk) == []


async def test_an_erasure_cut_short_by_a_crash_is_no_empty_content(
    disk: DiskStore, kernel: Kernel
) -> None:
    name = await stored(disk, sample(10))
    kernel.fail("unlink blob", EIO)
    with pytest.raises(StorageDegraded):
        await disk.erase([name])
    assert await disk.size(name) == 0
    with pytest.raises(ContentCorrupt):
        await content(disk, name)
    with pytest.raises(ContentCorrupt):
        await disk.digest([name], progress=lambda _: None, stop=threading.Event())
