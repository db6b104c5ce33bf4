"""What every content store promises: each test runs on each store."""

from __future__ import annotations

import asyncio
import hashlib
import re
import threading
from collections.abc import AsyncIterator

import pytest

from app.rules.failures import ContentCorrupt, InvalidHash, InvalidSize, StorageDegraded
from app.storage.content import PIECE, ContentStore, Digest
from tests.storage.samples import (
    all_names,
    chunked,
    content,
    descriptors,
    digest_of,
    sample,
    stored,
)

BAD_NAMES = [
    "",
    "../../etc/passwd",
    "/etc/passwd",
    "0" * 31,
    "0" * 33,
    "0" * 31 + "/",
    "0" * 32 + "\n",
    "A" * 32,
    "\u0661" * 32,
    "0" * 31 + "\0",
]


async def test_a_new_name_is_random_and_never_used_twice(store: ContentStore) -> None:
    names = {store.new_name() for _ in range(10_000)}
    assert len(names) == 10_000
    assert all(re.fullmatch(r"[0-9a-f]{32}", name) for name in names)


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7])
@pytest.mark.parametrize("chunk", [65536, 70_001, 4 * PIECE])
async def test_what_is_written_is_read(store: ContentStore, size: int, chunk: int) -> None:
    data = sample(size)
    name = store.new_name()
    before = descriptors()
    assert await store.write(name, chunked(data, chunk), expect=digest_of(data)) == digest_of(data)
    assert await content(store, name) == data
    assert await store.size(name) == size
    assert await all_names(store) == [name]
    assert descriptors() == before


async def test_many_small_chunks(store: ContentStore) -> None:
    data = sample(PIECE + 100_003)
    name = store.new_name()
    await store.write(name, chunked(data, 7), expect=digest_of(data))
    assert await content(store, name) == data


async def test_empty_chunks_are_nothing(store: ContentStore) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for chunk in (b"", b"a", b"", b"", b"b", b""):
            yield chunk

    name = store.new_name()
    await store.write(name, chunks(), expect=digest_of(b"ab"))
    assert await content(store, name) == b"ab"


@pytest.mark.parametrize("size", [0, 1, 65536, PIECE, 2 * PIECE + 1])
async def test_one_byte_more_is_refused(store: ContentStore, size: int) -> None:
    data = sample(size)
    before = descriptors()
    with pytest.raises(InvalidSize) as refusal:
        await store.write(store.new_name(), chunked(data + b"x"), expect=digest_of(data))
    assert refusal.value.facts == {"declared_size": size, "received_size": size + 1}
    assert await all_names(store) == []
    assert descriptors() == before


@pytest.mark.parametrize("size", [1, 65536, PIECE, 2 * PIECE + 1])
async def test_one_byte_fewer_is_refused(store: ContentStore, size: int) -> None:
    data = sample(size)
    before = descriptors()
    with pytest.raises(InvalidSize) as refusal:
        await store.write(store.new_name(), chunked(data[:-1]), expect=digest_of(data))
    assert refusal.value.facts == {"declared_size": size, "received_size": size - 1}
    assert await all_names(store) == []
    assert descriptors() == before


async def test_no_chunk_is_taken_after_one_too_many(store: ContentStore) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 100

    with pytest.raises(InvalidSize):
        await store.write(store.new_name(), endless(), expect=digest_of(b"x" * 250))
    assert taken == 3


@pytest.mark.parametrize("size", [1, 2 * PIECE + 1])
async def test_another_hash_is_refused(store: ContentStore, size: int) -> None:
    declared, received = digest_of(sample(size, seed=1)), digest_of(sample(size, seed=2))
    before = descriptors()
    with pytest.raises(InvalidHash) as refusal:
        await store.write(store.new_name(), chunked(sample(size, seed=2)), expect=declared)
    assert refusal.value.facts == {
        "declared_hash": declared.sha256,
        "received_hash": received.sha256,
    }
    assert await all_names(store) == []
    assert descriptors() == before


@pytest.mark.parametrize("failure", [TimeoutError("slow"), ConnectionResetError(), KeyError("x")])
async def test_the_senders_failure_is_passed_on(store: ContentStore, failure: Exception) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield sample(2 * PIECE)
        raise failure

    before = descriptors()
    with pytest.raises(type(failure)) as raised:
        await store.write(store.new_name(), chunks(), expect=digest_of(sample(3 * PIECE)))
    assert raised.value is failure
    assert await all_names(store) == []
    assert await store.healthy()
    assert descriptors() == before


async def test_a_name_is_used_once(store: ContentStore) -> None:
    name = await stored(store, b"first")
    with pytest.raises(ValueError, match="used once"):
        await store.write(name, chunked(b"second"), expect=digest_of(b"second"))
    assert await content(store, name) == b"first"


async def test_a_name_that_is_being_written_is_used(store: ContentStore) -> None:
    name = store.new_name()
    data = sample(2 * PIECE)

    async def slow() -> AsyncIterator[bytes]:
        async for chunk in chunked(data):
            await asyncio.sleep(0)
            yield chunk

    outcomes = await asyncio.gather(
        *(store.write(name, slow(), expect=digest_of(data)) for _ in range(5)),
        return_exceptions=True,
    )
    assert sum(outcome == digest_of(data) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, ValueError) for outcome in outcomes) == 4
    assert await content(store, name) == data


async def test_writes_in_parallel(store: ContentStore) -> None:
    samples = [sample(PIECE + 1000 * seed, seed=seed) for seed in range(20)]
    names = await asyncio.gather(*(stored(store, data) for data in samples))
    assert await all_names(store) == sorted(names)
    for name, data in zip(names, samples, strict=True):
        assert await content(store, name) == data


@pytest.mark.parametrize("sent", [0, 10, PIECE, 2 * PIECE + 10])
async def test_a_cancelled_write_leaves_nothing(store: ContentStore, sent: int) -> None:
    waiting = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield sample(sent)
        waiting.set()
        await asyncio.Event().wait()

    before = descriptors()
    write = asyncio.create_task(
        store.write(store.new_name(), stalled(), expect=digest_of(sample(4 * PIECE)))
    )
    await waiting.wait()
    write.cancel()
    with pytest.raises(asyncio.CancelledError):
        await write
    assert await all_names(store) == []
    assert descriptors() == before


async def test_a_write_cancelled_at_any_moment_leaves_all_or_nothing(store: ContentStore) -> None:
    data = sample(PIECE + 5)
    before = descriptors()
    for turns in range(40):
        name = store.new_name()
        write = asyncio.create_task(store.write(name, chunked(data), expect=digest_of(data)))
        for _ in range(turns):
            await asyncio.sleep(0.0002 if turns % 2 else 0)
        write.cancel()
        (outcome,) = await asyncio.gather(write, return_exceptions=True)
        if isinstance(outcome, Digest):
            assert await content(store, name) == data
        else:
            assert isinstance(outcome, asyncio.CancelledError)
            assert await store.size(name) is None
    assert descriptors() == before


async def test_a_cancelled_or_abandoned_read_leaves_nothing_open(store: ContentStore) -> None:
    name = await stored(store, sample(3 * PIECE))
    before = descriptors()
    for turns in range(20):
        read = asyncio.create_task(content(store, name))
        for _ in range(turns):
            await asyncio.sleep(0)
        read.cancel()
        await asyncio.gather(read, return_exceptions=True)
    blocks = store.read(name)
    assert len(await anext(blocks)) == PIECE
    await blocks.aclose()
    assert descriptors() == before


@pytest.mark.parametrize(
    ("start", "length"),
    [
        (0, 0),
        (0, 1),
        (5, None),
        (PIECE - 1, 2),
        (PIECE, PIECE),
        (2 * PIECE + 6, 1),
        (2 * PIECE + 7, None),
        (2 * PIECE + 7, 0),
        (1, 2 * PIECE + 6),
    ],
)
async def test_ranges(store: ContentStore, start: int, length: int | None) -> None:
    data = sample(2 * PIECE + 7)
    name = await stored(store, data)
    expected = data[start:] if length is None else data[start : start + length]
    assert await content(store, name, start=start, length=length) == expected


async def test_blocks_are_of_one_mebibyte(store: ContentStore) -> None:
    name = await stored(store, sample(2 * PIECE + 7))
    assert [len(block) async for block in store.read(name)] == [PIECE, PIECE, 7]


async def test_a_running_digest_is_told_all_before_the_last_block(store: ContentStore) -> None:
    data = sample(2 * PIECE + 7)
    name = await stored(store, data)
    running, seen = hashlib.sha256(), 1
    async for block in store.read(name, start=1, running=running):
        seen += len(block)
        if seen == len(data):
            assert running.digest() == hashlib.sha256(data[1:]).digest()
    assert seen == len(data)


@pytest.mark.parametrize(("start", "length"), [(0, 11), (10, 1), (11, 0), (11, None)])
async def test_a_range_beyond_the_end_yields_nothing(
    store: ContentStore, start: int, length: int | None
) -> None:
    name = await stored(store, b"0123456789")
    with pytest.raises(ContentCorrupt):
        await anext(store.read(name, start=start, length=length))


@pytest.mark.parametrize(("start", "length"), [(-1, None), (0, -1)])
async def test_a_negative_range_is_refused(
    store: ContentStore, start: int, length: int | None
) -> None:
    name = await stored(store, b"0123456789")
    with pytest.raises(ValueError, match="range"):
        store.read(name, start=start, length=length)


async def test_what_is_missing_is_no_empty_content(store: ContentStore) -> None:
    name = store.new_name()
    before = descriptors()
    with pytest.raises(ContentCorrupt):
        await content(store, name)
    with pytest.raises(ContentCorrupt):
        await store.digest([name], progress=lambda _: None, stop=threading.Event())
    assert await store.size(name) is None
    assert descriptors() == before


async def test_an_erased_blob_is_missing(store: ContentStore) -> None:
    kept, gone = await stored(store, b"kept"), await stored(store, sample(PIECE + 1))
    before = descriptors()
    await store.erase([gone])
    with pytest.raises(ContentCorrupt):
        await content(store, gone)
    assert await store.size(gone) is None
    assert await all_names(store) == [kept]
    assert await content(store, kept) == b"kept"
    assert descriptors() == before


async def test_erasing_again_or_what_never_was_is_success(store: ContentStore) -> None:
    names = [await stored(store, sample(10, seed=seed)) for seed in range(5)]
    await store.erase(names[:2])
    await store.erase([*names, store.new_name(), names[0]])
    await store.erase([])
    assert await all_names(store) == []


@pytest.mark.parametrize("blocks_before", [1, 2])
async def test_a_read_that_is_erased_ends_with_an_error(
    store: ContentStore, blocks_before: int
) -> None:
    name = await stored(store, sample(3 * PIECE))
    before = descriptors()
    read = store.read(name)
    for _ in range(blocks_before):
        await anext(read)
    await store.erase([name])
    with pytest.raises(ContentCorrupt):
        await anext(read)
    assert descriptors() == before


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_a_bad_name_is_refused_everywhere(store: ContentStore, name: str) -> None:
    good = await stored(store, b"good")
    with pytest.raises(ValueError, match="blob name"):
        await store.write(name, chunked(b"x"), expect=digest_of(b"x"))
    with pytest.raises(ValueError, match="blob name"):
        store.read(name)
    with pytest.raises(ValueError, match="blob name"):
        await store.digest([good, name], progress=lambda _: None, stop=threading.Event())
    with pytest.raises(ValueError, match="blob name"):
        await store.erase([good, name])
    with pytest.raises(ValueError, match="blob name"):
        await store.size(name)
    assert await content(store, good) == b"good"


async def test_a_closed_store_refuses_work_and_can_be_opened_again(store: ContentStore) -> None:
    name = await stored(store, sample(2 * PIECE))
    read = store.read(name)
    await anext(read)
    await store.close()
    await store.close()
    assert not await store.healthy()
    with pytest.raises(StorageDegraded, match="closed"):
        await anext(read)
    with pytest.raises(StorageDegraded, match="closed"):
        await stored(store, b"x")
    with pytest.raises(StorageDegraded, match="closed"):
        await content(store, name)
    with pytest.raises(StorageDegraded, match="closed"):
        await store.digest([name], progress=lambda _: None, stop=threading.Event())
    with pytest.raises(StorageDegraded, match="closed"):
        await store.erase([name])
    with pytest.raises(StorageDegraded, match="closed"):
        await store.size(name)
    with pytest.raises(StorageDegraded, match="closed"):
        await all_names(store)
    await store.open()
    assert await content(store, name) == sample(2 * PIECE)
    assert await store.healthy()


@pytest.mark.parametrize(
    ("sha256", "size"),
    [("", 0), ("A" * 64, 0), ("a" * 63, 0), ("a" * 64 + "\n", 0), ("a" * 64, -1)],
)
def test_a_digest_that_no_bytes_have_is_refused(sha256: str, size: int) -> None:
    with pytest.raises(ValueError, match=r"64 lowercase|not negative"):
        Digest(sha256, size)


async def test_a_closed_store_has_no_room(store: ContentStore) -> None:
    await store.check_room(5 * PIECE)
    await store.close()
    with pytest.raises(StorageDegraded):
        await store.check_room(0)
