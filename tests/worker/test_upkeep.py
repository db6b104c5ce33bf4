"""What a process mends by itself, without anybody asking how it is."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
from collections.abc import AsyncIterator

import pytest

from app.rules.failures import StorageDegraded
from app.server import Server
from app.storage.content import Digest
from app.worker.upkeep import Upkeep
from tests.worker.running import until

ONE_BYTE = Digest("9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0", 3)


@contextlib.asynccontextmanager
async def kept_up(server: Server) -> AsyncIterator[None]:
    task = asyncio.create_task(Upkeep(server, interval=0.02).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def written(server: Server) -> bool:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"aaa"

    try:
        await server.store.write(server.store.new_name(), chunks(), expect=ONE_BYTE)
    except StorageDegraded:
        return False
    return True


async def test_a_store_whose_disk_failed_takes_writes_again_by_itself(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:

        def fail(_: int) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        broken.setattr(os, "fsync", fail)
        assert not await written(server)
        async with kept_up(server):
            await asyncio.sleep(0.1)
            assert not await written(server)
    assert not await written(server)
    async with kept_up(server):
        await until(lambda: written(server))


async def test_no_failure_ends_it(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []

    async def fail() -> bool:
        seen.append(1)
        raise LookupError

    async def twice() -> bool:
        return len(seen) >= 2

    monkeypatch.setattr(server.store, "healthy", fail)
    with caplog.at_level(logging.ERROR, "app.worker.upkeep"):
        async with kept_up(server):
            await until(twice)
    assert "A chore failed" in caplog.text
