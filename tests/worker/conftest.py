from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.server import Server
from app.settings import Settings
from tests.worker.databases import opened
from tests.worker.running import HeldStore

__all__ = ["opened"]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[HeldStore]:
    """An open and empty content store, which holds nothing up yet."""
    made = HeldStore(tmp_path / "content", reserve=0)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def server(store: HeldStore, tmp_path: Path) -> Server:
    """A process with that store."""
    return Server(settings=Settings(data=tmp_path), store=store, secret=bytes(32))
