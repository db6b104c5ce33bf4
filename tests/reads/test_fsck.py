"""The command `bindery fsck`: what it prints, when it can't look, and beside a running server."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app import cli, database, lock
from app.actions.part import Registration, receive
from app.models import BinaryPart, StorageGarbage, StorageIntent
from app.rules.failures import DatabaseUnavailable
from app.rules.fsck import MEND, REPAIR, Damage
from app.rules.part import PartState
from app.server import Server
from tests.http.house import House, built, organization, sample

BINDERY = Path(sys.executable).with_name("bindery")
NAME = "ab" * 16


def test_an_orphan_is_named_and_erased_only_when_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For programs and for people; the line of what was repaired says so."""
    assert cli.main(["migrate", "--data", str(tmp_path)]) == 0
    capsys.readouterr()
    assert cli.main(["fsck", "--json", "--data", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == {"findings": []}
    orphan = tmp_path / "blobs" / NAME[:2] / NAME
    orphan.write_bytes(b"left over")
    assert cli.main(["fsck", "--json", "--data", str(tmp_path)]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "findings": [
            {
                "code": "BLOB_ORPHAN",
                "subject": NAME,
                "wrong": "No record names this file.",
                "mend": MEND[Damage.BLOB_ORPHAN],
                "repair": REPAIR[Damage.BLOB_ORPHAN],
                "isDamage": True,
                "repaired": False,
            }
        ]
    }
    what = f"BLOB_ORPHAN {NAME}: No record names this file."
    assert cli.main(["fsck", "--data", str(tmp_path)]) == 1
    assert capsys.readouterr().out == f"{what} {MEND[Damage.BLOB_ORPHAN]}\n"
    assert orphan.read_bytes() == b"left over"
    assert cli.main(["fsck", "--repair", "--data", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{what} Repaired: {REPAIR[Damage.BLOB_ORPHAN]}\n"
    assert not orphan.exists()


def test_a_person_is_told_that_nothing_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main(["migrate", "--data", str(tmp_path)]) == 0
    capsys.readouterr()
    assert cli.main(["fsck", "--data", str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert cli.main(["fsck", "--data", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "Nothing is wrong.\n"


def test_without_tables_it_says_that_it_could_not_look(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A database of no version is refused with status 2."""
    (tmp_path / "bindery.db").touch()
    assert cli.main(["fsck", "--data", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "The database is of an earlier version of Bindery (m0001_initial is missing)." in said
    assert "`bindery migrate`" in said
    assert len(said.splitlines()) == 1


def test_a_mistyped_folder_is_refused_and_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is no database, nothing is created."""
    missing = tmp_path / "typo"
    assert cli.main(["fsck", "--data", str(missing)]) == 2
    assert f"{missing / 'bindery.db'}" in capsys.readouterr().err
    assert not missing.exists()


async def test_a_look_can_change_nothing(database_url: str) -> None:
    """The database itself refuses it, on both connections."""
    async with database.opened(database_url):
        await database.migrate()
    async with database.opened(database_url, read_only=True):
        for connection in (database.writer(), database.reader()):
            with pytest.raises(Exception, match=r"readonly|read-only"):
                await connection.execute_query("DELETE FROM storage_gc")


class Upload:
    """An upload of one part that has begun, and goes on when it is told to."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._begun, self._go = asyncio.Event(), asyncio.Event()
        self.data = sample(4096)
        self.task: asyncio.Task[None]
        self.part: BinaryPart

    async def begin(self) -> None:
        binary, (self.part,) = await self._house.registered(self.data)
        registration = Registration(
            organization_id=binary.organization_id,
            binary_id=binary.id,
            part_id=self.part.id,
            epoch=binary.epoch,
        )
        self.task = asyncio.create_task(receive(self._house.store, registration, self._chunks()))
        await self._begun.wait()

    async def end(self) -> None:
        self._go.set()
        await self.task

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield self.data[:2048]
        self._begun.set()
        await self._go.wait()
        yield self.data[2048:]


@pytest.fixture
async def upload(server: Server) -> AsyncIterator[Upload]:
    """An upload in the middle of it, to a server that holds its data as `bindery serve` does."""
    house = built(server, *await organization())
    made = Upload(house)
    with lock.held(server.settings.data):
        await made.begin()
        yield made
        made.task.cancel()
        await asyncio.gather(made.task, return_exceptions=True)
    await house.client.aclose()


async def fsck(server: Server, *options: str) -> tuple[int | None, str, str]:
    """Status, output and errors of `bindery fsck` in a process of its own."""
    place = ["--data", str(server.settings.data), "--database", server.settings.database_url]
    process = await asyncio.create_subprocess_exec(
        BINDERY,
        "fsck",
        *place,
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def test_a_running_upload_is_no_damage(server: Server, upload: Upload) -> None:
    """Beside a server it finds nothing wrong, with an intent and half a file on their way."""
    assert await StorageIntent.all().count() == 1
    assert await fsck(server, "--deep") == (0, "", "")
    await upload.end()
    assert await fsck(server, "--deep") == (0, "", "")


async def test_a_running_server_is_not_repaired(server: Server, upload: Upload) -> None:
    """It is refused in one line, and the upload goes on."""
    status, output, errors = await fsck(server, "--repair")
    assert (status, output) == (2, "")
    assert errors.count("\n") == 1
    assert "Stop" in errors or "stop them" in errors
    await upload.end()
    assert (await BinaryPart.get(id=upload.part.id)).state is PartState.VALID


async def test_an_upload_whose_intent_was_taken_is_not_stored(
    server: Server, upload: Upload
) -> None:
    """Whoever took the intent erases the file, so no part may come to rest on it."""
    (intent,) = await StorageIntent.all()
    await StorageGarbage.create(blob=intent.blob, binary_id=None)
    await intent.delete()
    with pytest.raises(DatabaseUnavailable):
        await upload.end()
    found: Any = await BinaryPart.get(id=upload.part.id)
    assert (found.state, found.blob) == (PartState.UPLOADABLE, None)
    assert await StorageIntent.all().count() == 0
