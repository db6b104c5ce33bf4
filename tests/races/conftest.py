"""A server for races, with no worker: what happens to a binary is what the clients did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.server import Server
from app.settings import Settings
from tests.api import Api
from tests.races.house import House


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """The settings of the server under test."""
    made = Settings(data=tmp_path / "data", database=database_url, storage_reserve=0)
    return replace(made, worker=False)


@pytest.fixture
async def house(api: Api, server: Server) -> House:
    """A version to make binaries of, and the way to each of their states."""
    return House(api, server, await api.version())
