"""A database without a server on it: what actions and the worker need, and no more."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app import database


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[None]:
    """An open database with the tables of the migrations."""
    async with database.opened(database_url):
        await database.migrate()
        yield
