"""What every content store promises of hashing what it stored: each test runs on each store."""

from __future__ import annotations

import asyncio
import threading

import pytest

from app.rules.failures import ContentCorrupt
from app.storage.content import PIECE, ContentStore, Digest, DigestStopped
from tests.storage.samples import descriptors, digest_of, sample, stored


async def test_digest_over_several_blobs_in_order(store: ContentStore) -> None:
    samples = [sample(size, seed=size) for size in (20 * PIECE + 1, 0, 3, 15 * PIECE)]
    names = [await stored(store, data) for data in samples]
    told: list[tuple[int, bool]] = []

    def progress(done: int) -> None:
        told.append((done, threading.current_thread() is threading.main_thread()))

    before = descriptors()
    got = await store.digest(names, progress=progress, stop=threading.Event())
    whole = b"".join(samples)
    assert got == digest_of(whole)
    steps = [done for done, _ in told]
    assert steps == sorted(steps)
    assert steps[-1] == len(whole)
    gaps = [after - previous for previous, after in zip([0, *steps], steps, strict=False)]
    assert max(gaps) <= 16 * PIECE
    assert not any(in_main for _, in_main in told)
    assert descriptors() == before
    reverse = await store.digest(names[::-1], progress=progress, stop=threading.Event())
    assert reverse == digest_of(b"".join(samples[::-1]))


async def test_each_blob_has_its_digest_by_the_way(store: ContentStore) -> None:
    samples = [sample(size, seed=size) for size in (2 * PIECE + 1, 0, 3)]
    names = [await stored(store, data) for data in samples]
    told: list[Digest] = []
    got = await store.digest(
        names, progress=lambda _: None, stop=threading.Event(), each=told.append
    )
    assert got == digest_of(b"".join(samples))
    assert told == [digest_of(data) for data in samples]
    await store.erase(names[1:2])
    told.clear()
    with pytest.raises(ContentCorrupt):
        await store.digest(names, progress=lambda _: None, stop=threading.Event(), each=told.append)
    assert told == [digest_of(samples[0])]


async def test_digest_of_nothing(store: ContentStore) -> None:
    told: list[int] = []
    got = await store.digest([], progress=told.append, stop=threading.Event())
    assert got == digest_of(b"")
    assert told == [0]


async def test_digest_stops_when_asked(store: ContentStore) -> None:
    name = await stored(store, sample(40 * PIECE))
    stop = threading.Event()
    told: list[int] = []

    def progress(done: int) -> None:
        told.append(done)
        stop.set()

    before = descriptors()
    with pytest.raises(DigestStopped):
        await store.digest([name], progress=progress, stop=stop)
    assert len(told) == 1
    with pytest.raises(DigestStopped):
        await store.digest([name], progress=progress, stop=stop)
    assert len(told) == 1
    assert descriptors() == before


async def test_digest_stops_when_cancelled(store: ContentStore) -> None:
    name = await stored(store, sample(40 * PIECE))
    started, go_on = threading.Event(), threading.Event()
    told: list[int] = []

    def progress(done: int) -> None:
        told.append(done)
        started.set()
        go_on.wait(10)

    before = descriptors()
    digest = asyncio.create_task(store.digest([name], progress=progress, stop=threading.Event()))
    await asyncio.to_thread(started.wait, 10)
    digest.cancel()
    await asyncio.sleep(0.01)
    assert not digest.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await digest
    assert len(told) == 1
    assert descriptors() == before


async def test_digest_of_what_is_erased_meanwhile(store: ContentStore) -> None:
    name = await stored(store, sample(40 * PIECE))
    started, go_on = threading.Event(), threading.Event()

    def progress(done: int) -> None:
        started.set()
        go_on.wait(10)

    digest = asyncio.create_task(store.digest([name], progress=progress, stop=threading.Event()))
    await asyncio.to_thread(started.wait, 10)
    await store.erase([name])
    go_on.set()
    with pytest.raises(ContentCorrupt):
        await digest


async def test_what_progress_raises_is_passed_on(store: ContentStore) -> None:
    name = await stored(store, b"abc")

    def progress(done: int) -> None:
        raise LookupError(done)

    with pytest.raises(LookupError, match="3"):
        await store.digest([name], progress=progress, stop=threading.Event())
