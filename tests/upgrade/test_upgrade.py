"""Data of the first version: it is migrated, whole, and answers as it did."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app import database
from app.backup import manifest, records
from tests.backup.place import Place
from tests.processes.served import client
from tests.upgrade.first import facts, laid, unpacked

EVERY = {"sqlite": 1, "postgres": int(os.environ.get("BINDERY_EVERY", "4"))}
"""Of how many moments one is killed at."""


@pytest.fixture
def migrated() -> bool:
    """The tables are made here."""
    return False


@pytest.fixture
def kind(database_url: str) -> str:
    return "sqlite" if database_url.startswith("sqlite") else "postgres"


async def test_the_first_versions_data_answers_as_it_did(
    database_url: str, kind: str, tmp_path: Path
) -> None:
    place = Place(tmp_path / "data", "" if kind == "sqlite" else database_url)
    await asyncio.to_thread(laid, place, tmp_path)
    known = facts(kind)
    with place.served() as server:
        async with client(server, known["key"]) as api:
            for one in known["answers"]:
                assert await api.ask(one["query"]) == one["data"]
            binaries = known["answers"][0]["data"]["binaries"]["nodes"]
            assert sorted({one["state"] for one in binaries}) == sorted(
                ("UPLOADABLE", "HASHABLE", "SIGNABLE", "SIGNED", "DESTROYED")
            )
            # What came later works on it.
            device = known["answers"][2]["data"]["devices"]["nodes"][0]["id"]
            query = """query($id: ID!) { resolveUpdate(deviceId: $id) {
                status release { version } manifest { size url }
            } }"""
            update = (await api.ask(query, id=device))["resolveUpdate"]
            assert (update["status"], update["release"]) == ("UPDATE", {"version": "1.0.0"})
            (item,) = update["manifest"]
            assert len((await api.http.get(item["url"])).content) == int(item["size"])
    assert place.said("fsck", "--deep") == (0, "")


@pytest.mark.long
async def test_a_migration_killed_at_any_moment_goes_on(
    database_url: str, kind: str, tmp_path: Path
) -> None:
    folder = unpacked(kind, tmp_path / "first")
    url = f"sqlite://{folder / 'bindery.db'}"
    if kind == "postgres":
        url = database_url
        async with database.opened(url, pool=2):
            await database.migrate(up_to=manifest.read(folder).migrations[-1])
        async with records.connected(url) as connection:
            await records.load_tables(connection, folder / manifest.TABLES)
    played = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tests.upgrade.kills", url, str(EVERY[kind])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert played.returncode == 0, played.stdout + played.stderr
    kills = int(played.stdout.split()[0])
    assert kills * EVERY[kind] > 50
