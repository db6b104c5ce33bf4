"""While a backup copies, nothing is erased; afterwards it is, by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app import engine
from app.actions.hold import HOLD_FILE
from app.backup import records, taking
from app.console import Stop
from app.server import Server
from tests.api import BINARY, Api

ERASED = "query($id: ID!) { binary(id: $id) { state contentErasedAt downloadUrl } }"


def _blobs(server: Server) -> list[Path]:
    return [path for path in (server.settings.data / "blobs").glob("??/*") if path.is_file()]


@pytest.fixture
async def signed(api: Api) -> str:
    return await api.reach("SIGNED", await api.version())


async def _destroyed(api: Api, server: Server, id: str) -> None:
    """Destroys it under a hold: it is gone for everybody, and its bytes are still there."""
    await api.do("destroyBinary", BINARY, binaryId=id)
    server.work.set()
    await asyncio.sleep(1.5)
    found = (await api.ask(ERASED, id=id))["binary"]
    assert found == {"state": "DESTROYED", "contentErasedAt": None, "downloadUrl": None}
    assert len(_blobs(server)) == 1


async def _erased(api: Api, server: Server, id: str) -> None:
    async with asyncio.timeout(10):
        while (await api.ask(ERASED, id=id))["binary"]["contentErasedAt"] is None:  # noqa: ASYNC110 - as a client would.
            await asyncio.sleep(0.05)
    assert _blobs(server) == []


async def test_content_is_kept_until_it_is_copied(api: Api, server: Server, signed: str) -> None:
    file = engine.embedded_file(server.settings.database_url)
    if file is not None:
        with taking._held(file.parent):
            await _destroyed(api, server, signed)
    else:
        async with records.connected(server.settings.database_url) as connection:
            assert await records.hold(connection)
            await _destroyed(api, server, signed)
    await _erased(api, server, signed)


async def test_one_backup_is_taken_at_a_time(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "_HOLD_SECONDS", 0.1)
    file = engine.embedded_file(server.settings.database_url)
    if file is not None:
        with taking._held(file.parent), pytest.raises(Stop, match="Another backup"):
            await taking.take(server.settings, tmp_path / "backup")
        assert (file.parent / HOLD_FILE).exists()
    else:
        async with records.connected(server.settings.database_url) as connection:
            assert await records.hold(connection)
            with pytest.raises(Stop, match="Another backup"):
                await taking.take(server.settings, tmp_path / "backup")
    assert not list(tmp_path.glob("backup*"))
