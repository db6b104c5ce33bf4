"""What is the memory store's own."""

from __future__ import annotations

import pytest

from app.rules.failures import StorageFull
from app.storage.memory import MemoryStore
from tests.storage.samples import all_names, stored


async def test_it_takes_no_more_than_its_capacity() -> None:
    store = MemoryStore(capacity=10)
    await store.open()
    name = await stored(store, b"123456")
    with pytest.raises(StorageFull):
        await store.check_room(5)
    with pytest.raises(StorageFull):
        await stored(store, b"12345")
    assert await all_names(store) == [name]
    await store.erase([name])
    await stored(store, b"1234567890")
    await store.close()
