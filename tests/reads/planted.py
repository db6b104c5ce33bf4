"""A healthy data set, copies of it to damage, and the hand that damages them.

The data set is the demo's, made by actions on a server that then stopped. What is changed after
that goes past Bindery: straight into the tables, where no constraint between rows holds it up.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sqlite3
import urllib.parse
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app import cli, demo
from app.main import create_app, running
from app.settings import Settings
from tests.databases import administer


@dataclass(frozen=True)
class World:
    """One data directory, and the database that belongs to it."""

    data: Path
    url: str

    @property
    def is_embedded(self) -> bool:
        return self.url.startswith("sqlite:")

    def run(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows that a statement with `$1` placeholders gives; none, where it changes some."""
        if self.is_embedded:
            with closing(sqlite3.connect(self.data / "bindery.db")) as connection, connection:
                return connection.execute(re.sub(r"\$(\d)", r"?\1", sql), values).fetchall()
        return asyncio.run(self._run(sql, values))

    async def _run(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(self.url)
        try:
            # Foreign keys are triggers here, and these are off then.
            await connection.execute("SET session_replication_role = replica")
            return [
                tuple(
                    str(one) if isinstance(one, asyncpg.pgproto.pgproto.UUID) else one
                    for one in row
                )
                for row in await connection.fetch(sql, *values)
            ]
        finally:
            await connection.close()

    def one(self, sql: str, *values: Any) -> Any:
        """The first column of the first row."""
        return self.run(sql, *values)[0][0]

    def file(self, blob: str) -> Path:
        return self.data / "blobs" / blob[:2] / blob

    def files(self) -> dict[str, bytes]:
        """All the stored bytes."""
        return {path.name: path.read_bytes() for path in self.data.glob("blobs/??/*")}

    def fsck(
        self, capsys: pytest.CaptureFixture[str], *options: str
    ) -> tuple[int, list[dict[str, Any]]]:
        """The status of `bindery fsck --json`, and its findings."""
        capsys.readouterr()
        place = ["--data", str(self.data), "--database", self.url]
        status = cli.main(["fsck", "--json", *place, *options])
        told = capsys.readouterr()
        assert status in (0, 1), told.err
        return status, json.loads(told.out)["findings"]


def loaded(data: Path, url: str) -> World:
    """The demo's data set, in a new data directory and an empty database."""

    async def load() -> None:
        app = create_app(Settings(data=data, database=url, storage_reserve=0))
        async with running(app.state.server):
            assert await demo.load(app.state.server)

    asyncio.run(load())
    return World(data, url)


def copied(world: World, data: Path) -> World:
    """The same world once more, to be changed."""
    shutil.copytree(world.data, data)
    if world.is_embedded:
        return World(data, f"sqlite://{data / 'bindery.db'}")
    name = f"copy_{uuid4().hex}"
    template = urllib.parse.urlsplit(world.url).path[1:]
    asyncio.run(administer(world.url, f"CREATE DATABASE {name} TEMPLATE {template}"))
    return World(data, urllib.parse.urlsplit(world.url)._replace(path=f"/{name}").geturl())
