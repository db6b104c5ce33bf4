"""One server for each test, over a database of its own."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app import database
from app.http import refusal
from app.server import Server
from app.settings import Settings
from app.storage.content import ContentStore
from app.storage.disk import DiskStore
from app.storage.memory import MemoryStore
from tests.http.house import House, built, organization


@pytest.fixture
async def memory() -> AsyncIterator[MemoryStore]:
    store = MemoryStore()
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[DiskStore]:
    folder = tmp_path / "content"
    store = DiskStore(folder, reserve=0)
    await store.open()
    yield store
    await store.close()
    # Hundreds of folders for each test would slow down all later runs, which clean up.
    shutil.rmtree(folder)


@pytest.fixture
def store(memory: MemoryStore) -> ContentStore:
    """Where content lies; modules whose tests need the real thing have it on the disk."""
    return memory


@pytest.fixture
async def house(
    store: ContentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[House]:
    monkeypatch.setattr(refusal, "LINGER_SECONDS", 0.2)
    settings = Settings(data=tmp_path, upload_idle_seconds=1)
    server = Server(settings=settings, store=store, secret=b"s" * 32)
    server.ready.set()
    async with database.opened(f"sqlite://{tmp_path / 'bindery.db'}"):
        await database.migrate()
        made = built(server, *await organization())
        async with made.client:
            yield made
