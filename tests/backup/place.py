"""Where a server keeps its data, and its commands there."""

from __future__ import annotations

import contextlib
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from tests.databases import administer
from tests.processes.served import Served, new_key, said, served


@dataclass(frozen=True)
class Place:
    """A data directory and its database; `database` is empty where that is in the directory."""

    data: Path
    database: str = ""

    def said(self, *arguments: str, **settings: object) -> tuple[int, str]:
        """The status of a command on this data, and what it printed."""
        return said(*arguments, data=self.data, database=self.database, **settings)

    def key(self) -> str:
        """A new ADMIN key."""
        return new_key(data=self.data, database=self.database)

    @contextlib.contextmanager
    def served(self, **settings: object) -> Iterator[Served]:
        """A server of this data."""
        log = self.data.with_name(f"{self.data.name}.log")
        with served(data=self.data, log=log, database=self.database, **settings) as server:
            yield server

    def files(self) -> list[Path]:
        """The files of content."""
        return sorted(path for path in (self.data / "blobs").glob("??/*") if path.is_file())


async def new_database(server: str) -> str:
    """The address of a new database of a PostgreSQL."""
    name = f"backup_{uuid4().hex}"
    await administer(server, f"CREATE DATABASE {name}")
    return urllib.parse.urlsplit(server)._replace(path=f"/{name}").geturl()
