"""How Tortoise is configured for a database: the only file that names its clients and settings.

There are two connections: `default` writes, `reader` only reads. On SQLite each is a connection
of its own to one file in WAL mode, so that a query never waits for a commit's fsync.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tortoise import BaseDBAsyncClient

from app import postgres, replica
from app.sqlite import EmbeddedClient, ReadingClient

APPS = {
    "bindery": {
        "models": ["app.models"],
        "default_connection": "default",
        "migrations": "app.migrations",
    }
}
PRAGMAS = {
    "journal_mode": "WAL",
    "synchronous": "FULL",
    "busy_timeout": 10_000,
    "foreign_keys": "ON",
}
"""What every connection to SQLite has. With NORMAL a power cut loses acknowledged commits."""


def get_client_class(info: Mapping[str, Any]) -> type[BaseDBAsyncClient]:
    """The client class for a connection's configuration; Tortoise calls this by name."""
    credentials = info["credentials"]
    if "file_path" in credentials:
        return ReadingClient if "query_only" in credentials else EmbeddedClient
    application: str = credentials["application_name"]
    return postgres.ReadingClient if application.endswith("reader") else postgres.WritingClient


def is_embedded(url: str) -> bool:
    """Whether a database URL names an SQLite file."""
    return url.startswith("sqlite:")


def embedded_file(url: str) -> Path | None:
    """The file of an embedded database; None for a server's."""
    return Path(urllib.parse.unquote(url.removeprefix("sqlite://"))) if is_embedded(url) else None


def configuration(
    url: str,
    *,
    pool: int = 10,
    name: str = "bindery",
    read_only: bool = False,
    standby: replica.Standby | None = None,
) -> dict[str, Any]:
    """Tortoise's configuration for `sqlite:///path` or `postgresql://user:password@host/name`."""
    more = {}
    writer: dict[str, Any]
    if is_embedded(url):
        reader = {"file_path": str(embedded_file(url)), **PRAGMAS, "query_only": "ON"}
        writer = reader if read_only else {"file_path": str(embedded_file(url)), **PRAGMAS}
    else:
        writer = {**postgres.credentials(url, name), "minsize": 1, "maxsize": max(1, pool // 2)}
        if read_only:
            writer["server_settings"]["default_transaction_read_only"] = "on"
        reader = {**writer, "application_name": f"{name}-reader"}
        if standby is not None:
            there = standby.credentials(name, pool=max(1, pool // 2))
            more = {replica.NAME: {"engine": __name__, "credentials": there}}
    return {
        "connections": {
            "default": {"engine": __name__, "credentials": writer},
            "reader": {"engine": __name__, "credentials": reader},
            **more,
        },
        "apps": APPS,
    }
