"""A server's data, and an empty place of the same kind to restore to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backup.place import Place, new_database


@pytest.fixture
def place(database_url: str, tmp_path: Path) -> Place:
    """Where a server keeps its data, once for each kind of database."""
    return Place(tmp_path / "data", "" if database_url.startswith("sqlite") else database_url)


@pytest.fixture
async def empty(database_url: str, tmp_path: Path) -> Place:
    """Where nothing is yet."""
    embedded = database_url.startswith("sqlite")
    return Place(tmp_path / "restored", "" if embedded else await new_database(database_url))
