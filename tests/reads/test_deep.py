"""`fsck --deep`: every bit of the stored content that changed is found, and nothing else."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.models import Binary, BinaryPart
from app.reads.fsck import inspect
from app.rules.binary import State, VerificationStatus
from app.rules.fsck import Damage
from app.storage.disk import DiskStore
from tests.worker.databases import opened
from tests.worker.records import blobs, hashing, version

__all__ = ["opened"]

FLIPS = int(os.environ.get("BINDERY_FLIPS", "50"))
SIZES = [[1], [17, 4096], [1 << 20], [(1 << 20) + 1], [3 << 20, 5]]
HASHED = {"state": State.HASHABLE, "verification_status": None}

pytestmark = pytest.mark.usefixtures("opened")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[DiskStore]:
    made = DiskStore(tmp_path / "blobs", reserve=0)
    await made.open()
    yield made
    await made.close()


async def stored(store: DiskStore, sizes: list[int], **values: Any) -> Binary:
    """A hashed binary of random bytes, in parts of these sizes."""
    data = random.Random(str(sizes))
    parts = [data.randbytes(size) for size in sizes]
    binary = await hashing(await version(), parts, store=store, **{**HASHED, **values})
    if binary.state is State.SIGNABLE:
        await Binary.filter(id=binary.id).update(
            verification_status=VerificationStatus.PASSED,
            computed_hash=binary.hash,
            computed_size=binary.size,
        )
    return binary


def flip(path: Path, bit: int) -> None:
    """Turns one bit of a file, as a failing disk does: size and times stay."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(bit // 8)
        (byte,) = file.read(1)
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


async def test_each_flipped_bit_is_found(store: DiskStore, tmp_path: Path) -> None:
    """One bit of one file after the other; the part is named, and it alone."""
    for sizes in SIZES:
        await stored(store, sizes)
    parts = await BinaryPart.all()
    files = {part.id: tmp_path / "blobs" / str(part.blob)[:2] / str(part.blob) for part in parts}
    assert await inspect(store, deep=True) == []
    seeded = random.Random(10)
    done = 0
    while done < FLIPS:
        chosen = seeded.sample(parts, min(seeded.randint(1, len(parts)), FLIPS - done))
        flips = {part.id: seeded.randrange(8 * part.size) for part in chosen}
        for id, bit in flips.items():
            flip(files[id], bit)
        found = await inspect(store, deep=True)
        assert [(one.code, one.subject) for one in found] == [
            (Damage.BLOB_DIGEST, str(id)) for id in sorted(flips)
        ]
        assert await inspect(store) == []
        for id, bit in flips.items():
            flip(files[id], bit)
        done += len(flips)
    assert await inspect(store, deep=True) == []
    assert done == FLIPS


@pytest.mark.parametrize("sizes", [[9], [9, 4]])
async def test_a_content_is_compared_with_its_record(store: DiskStore, sizes: list[int]) -> None:
    """The parts are as declared, and yet not what was verified: said of verified ones alone."""
    await stored(store, sizes, hash="a" * 64)
    verified = await stored(store, sizes, hash="b" * 64, state=State.SIGNABLE)
    (found,) = await inspect(store, deep=True)
    assert (found.code, found.subject) == (Damage.CONTENT_DIGEST, str(verified.id))
    assert "b" * 64 in found.wrong


async def test_parts_in_another_order_are_another_content(store: DiskStore) -> None:
    """Each part is whole, but their indexes were exchanged."""
    binary = await stored(store, [9, 4], state=State.SIGNABLE)
    first, second = await BinaryPart.filter(binary_id=binary.id).order_by("index")
    for part, index in ((first, 3), (second, 1), (first, 2)):
        await BinaryPart.filter(id=part.id).update(index=index)
    (found,) = await inspect(store, deep=True)
    assert (found.code, found.subject) == (Damage.CONTENT_DIGEST, str(binary.id))


class Reads:
    """How often each blob of a store was read."""

    def __init__(self, store: DiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count: Counter[str] = Counter()
        self._digest = store.digest
        monkeypatch.setattr(store, "digest", self._counted)

    async def _counted(self, names: list[str], **options: Any) -> Any:
        self.count.update(names)
        return await self._digest(names, **options)


@pytest.mark.parametrize("state", [State.HASHABLE, State.SIGNABLE])
async def test_each_part_is_read_once(
    store: DiskStore, monkeypatch: pytest.MonkeyPatch, state: State
) -> None:
    """A content of several parts is judged part by part and as a whole, from the same bytes."""
    expected: list[str] = []
    for sizes in ([9, 4, 2], [7]):
        expected += await blobs(await stored(store, sizes, state=state))
    reads = Reads(store, monkeypatch)
    assert await inspect(store, deep=True) == []
    assert reads.count == Counter(expected)


async def test_what_is_missing_is_told_once(store: DiskStore, tmp_path: Path) -> None:
    """A missing or cut file is told by the look at the sizes; its bytes are not told again."""
    binary = await stored(store, [9, 4], state=State.SIGNABLE)
    gone, cut = [tmp_path / "blobs" / blob[:2] / blob for blob in await blobs(binary)]
    gone.unlink()
    os.truncate(cut, 3)
    found = await inspect(store, deep=True)
    assert sorted(one.code for one in found) == [Damage.BLOB_MISSING, Damage.BLOB_SIZE]


async def test_what_can_not_be_read_is_told_and_the_rest_is_read(
    store: DiskStore, tmp_path: Path
) -> None:
    """A file in the middle of being erased has its size still, and can't be read."""
    binary = await stored(store, [9, 4, 2], state=State.SIGNABLE)
    first, second, _ = [tmp_path / "blobs" / blob[:2] / blob for blob in await blobs(binary)]
    first.chmod(0o200)
    flip(second, 0)
    found = await inspect(store, deep=True)
    assert sorted(one.code for one in found) == [Damage.BLOB_DIGEST, Damage.BLOB_UNREADABLE]


async def test_a_part_that_goes_meanwhile_is_no_damage(
    store: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reset between the listing and the reading takes the row, and then the file."""
    binary = await stored(store, [9])
    digest = store.digest

    async def late(names: list[str], **options: Any) -> Any:
        await BinaryPart.filter(binary_id=binary.id).delete()
        await store.erase(names)
        return await digest(names, **options)

    monkeypatch.setattr(store, "digest", late)
    assert await inspect(store, deep=True) == []
