"""`bindery backup` beside a running server, and what `bindery restore` makes of it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app import cli
from app.backup import records
from app.backup.manifest import NoBackup
from app.backup.restoring import restore
from app.settings import Settings
from tests.api import BINARY, Api
from tests.backup.place import Place
from tests.processes.served import client, command, environment

STATES = ("UPLOADABLE", "HASHABLE", "SIGNABLE", "SIGNED", "DESTROYED")
LOOK = """query($id: ID!) { binary(id: $id) {
    state revision hash bytesUploaded contentErasedAt customMetadata description
    signatures { signature } parts { index state hash }
} }"""
WHOLE = "fsck found nothing wrong."


def content_of(state: str) -> bytes:
    return f"the content of what is {state}, \N{SNOWMAN}".encode()


async def filled(api: Api) -> dict[str, str]:
    """The ids of a binary in each state, made with what is hard to write down."""
    version = await api.version()
    ids = {
        state: await api.reach(state, version, content_of(state), target=f"x-{state.lower()}")
        for state in STATES
    }
    await api.do(
        "updateBinary",
        BINARY,
        binaryId=ids["SIGNED"],
        description='a "comma, \\N and\nnothing',
        customMetadata={"a": [1, "\\", None, {"b": ""}]},
    )
    return ids


async def looked_at(api: Api, ids: dict[str, str]) -> dict[str, object]:
    return {state: await api.ask(LOOK, id=id) for state, id in ids.items()}


async def test_what_a_server_had_another_one_has(
    place: Place, empty: Place, tmp_path: Path
) -> None:
    key, backup = place.key(), tmp_path / "backup"
    with place.served() as server:
        async with client(server, key) as api:
            ids = await filled(api)
            await api.cohort(await api.product())
            found = await api.ask(
                "query($id: ID!) { binary(id: $id) { downloadUrl } }", id=ids["SIGNED"]
            )
            before = await looked_at(api, ids)
            status, text = await asyncio.to_thread(place.said, "backup", str(backup))
            assert (status, text.startswith("Backed up ")) == (0, True), text
    status, text = empty.said("restore", str(backup), "--deep")
    assert (status, text.endswith(WHOLE)) == (0, True), text
    assert empty.said("fsck", "--deep") == (0, "")
    with empty.served() as server:
        async with client(server, key) as api:
            assert await looked_at(api, ids) == before
            answer = await api.http.get(found["binary"]["downloadUrl"])
            assert answer.content == content_of("SIGNED")
            # It goes on where it was: with every index, trigger and rule.
            await api.do("destroyBinary", BINARY, binaryId=ids["SIGNED"])
            payload = await api.fail("createProduct", "product { id }", name="router", target="a-b")
            assert payload["code"] == "ALREADY_EXISTS"


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_sequences_go_on_where_they_were(place: Place, empty: Place, tmp_path: Path) -> None:
    place.key()
    async with records.connected(place.database) as connection:
        await connection.execute("SELECT setval('webhook_delivery_position', 41)")
    assert place.said("backup", str(tmp_path / "backup"))[0] == 0
    assert empty.said("restore", str(tmp_path / "backup"))[0] == 0
    async with records.connected(empty.database) as connection:
        assert await connection.fetchval("SELECT nextval('webhook_delivery_position')") == 42


async def test_a_backup_can_be_checked_without_bindery(place: Place, tmp_path: Path) -> None:
    place.key()
    backup = tmp_path / "backup"
    assert place.said("backup", str(backup))[0] == 0
    check = ["sha256sum", "--check", "--strict", "--quiet", "files.sha256"]
    assert subprocess.run(check, cwd=backup, check=False).returncode == 0
    modes = {path.stat().st_mode & 0o077 for path in backup.rglob("*") if path.is_file()}
    assert (modes, backup.stat().st_mode & 0o777) == ({0}, 0o700)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _records(backup: Path) -> Path:
    file = backup / "bindery.db"
    return file if file.exists() else backup / "tables" / "binary_record.csv"


def _blob(backup: Path) -> Path:
    return next(iter(backup.glob("blobs/??/*")))


def _escape(path: Path) -> None:
    """A list, and a manifest to go with it, that names a file elsewhere."""
    path.write_text(path.read_text() + f"{'0' * 64}  ../../escaped\n")
    manifest = path.with_name("manifest.json")
    told = json.loads(manifest.read_text())
    told["files_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(told))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "records changed": (lambda backup: _flip(_records(backup)), "is not what was written"),
    "records gone": (lambda backup: _records(backup).unlink(), "is missing"),
    "content changed": (lambda backup: _flip(_blob(backup)), "is not what was written"),
    "content gone": (lambda backup: _blob(backup).unlink(), "is missing"),
    "list changed": (lambda backup: _flip(backup / "files.sha256"), "is not what was written"),
    "list gone": (lambda backup: (backup / "files.sha256").unlink(), "can't be read"),
    "list escapes": (lambda backup: _escape(backup / "files.sha256"), "no backup has"),
    "manifest gone": (lambda backup: (backup / "manifest.json").unlink(), "it is no backup"),
    "manifest empty": (lambda backup: (backup / "manifest.json").write_text("[]"), "no backup"),
    "newer": (lambda backup: _renumber(backup / "manifest.json"), "a newer version"),
}


def _renumber(manifest: Path) -> None:
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 2}))


async def test_a_damaged_backup_is_refused_and_leaves_nothing(
    place: Place, empty: Place, tmp_path: Path
) -> None:
    key, whole, backup = place.key(), tmp_path / "whole", tmp_path / "backup"
    with place.served() as server:
        async with client(server, key) as api:
            await api.reach("SIGNED", await api.version())
    assert place.said("backup", str(whole))[0] == 0
    settings = Settings(data=empty.data, database=empty.database)
    for name, (damage, words) in DAMAGES.items():
        shutil.copytree(whole, backup)
        damage(backup)
        with pytest.raises(NoBackup, match=words):
            await restore(settings, backup, deep=False)
        assert list(empty.data.glob("*")) == [], name
        shutil.rmtree(backup)
    status, text = empty.said("restore", str(backup))
    assert (status, text.count("\n"), "it is no backup" in text) == (2, 0, True), text
    assert empty.said("restore", str(whole))[0] == 0


def test_nothing_is_restored_over_what_is_there(place: Place, empty: Place, tmp_path: Path) -> None:
    place.key()
    backup = tmp_path / "backup"
    assert place.said("backup", str(backup))[0] == 0
    status, text = place.said("restore", str(backup))
    assert (status, "Restore to an empty one" in text) == (2, True), text
    status, text = place.said("backup", str(backup))
    assert (status, "is there already" in text) == (2, True), text
    empty.data.mkdir()
    (empty.data / "file").touch()
    status, text = empty.said("restore", str(backup))
    assert (status, "has file in it" in text) == (2, True), text
    status, text = Place(tmp_path / "other", _other(place)).said("restore", str(backup))
    assert (status, "Restore to the same kind" in text) == (2, True), text


def _other(place: Place) -> str:
    """A database of the other kind; nobody gets as far as to open it."""
    return "" if place.database else "postgresql://nobody@127.0.0.1:9/none"


def test_half_of_a_backup_is_not_served(place: Place) -> None:
    place.data.mkdir()
    (place.data / "restoring").touch()
    status, text = place.said("serve", "--port", "0")
    assert (status, "half of a backup" in text, text.count("\n")) == (1, True, 0), text


def test_a_killed_backup_is_none_and_stands_in_nobodys_way(place: Place, tmp_path: Path) -> None:
    place.key()
    (place.data / "blobs" / "00").mkdir(parents=True, exist_ok=True)
    backup, partial = tmp_path / "backup", tmp_path / "backup.partial"
    words = command("backup", str(backup), data=place.data, database=place.database)
    deadline = time.monotonic() + 30
    while not partial.exists():
        assert time.monotonic() < deadline
        with subprocess.Popen(words, env=environment()) as process:
            while process.poll() is None and not any(partial.glob("*")):
                time.sleep(0.001)
            process.kill()
        if backup.exists():
            # It was done before it was killed; once more.
            shutil.rmtree(backup)
    assert not backup.exists()
    assert place.said("backup", str(backup))[0] == 0
    assert not partial.exists()


def test_a_killed_restore_is_not_served(place: Place, empty: Place, tmp_path: Path) -> None:
    place.key()
    backup, mark = tmp_path / "backup", empty.data / "restoring"
    assert place.said("backup", str(backup))[0] == 0
    words = command("restore", str(backup), data=empty.data, database=empty.database)
    with subprocess.Popen(words, env=environment()) as process:
        while process.poll() is None and not mark.exists():
            time.sleep(0.001)
        process.kill()
    assert mark.exists(), "it was done before it was killed"
    status, text = empty.said("serve", "--port", "0")
    assert (status, "half of a backup" in text) == (1, True), text
    assert empty.said("restore", str(backup))[0] == 2
    assert mark.exists()


async def test_missing_and_changed_content_is_told_and_the_rest_is_kept(
    place: Place, empty: Place, tmp_path: Path
) -> None:
    key, backup = place.key(), tmp_path / "backup"
    with place.served() as server:
        async with client(server, key) as api:
            version = await api.version()
            for target in ("a-a", "b-b", "c-c"):
                await api.reach("HASHABLE", version, target.encode() * 100, target=target)
    missing, changed, whole = place.files()
    missing.unlink()
    _flip(changed)
    status, text = place.said("backup", str(backup))
    assert status == 1
    assert f"{missing.name} is missing" in text
    assert f"{changed.name} is not what was uploaded" in text
    status, text = empty.said("restore", str(backup), "--deep")
    assert status == 1
    assert "BLOB_MISSING" in text
    assert "BLOB_DIGEST" in text
    assert [path.name for path in empty.files()] == sorted([changed.name, whole.name])


def test_what_is_not_there_is_not_made(tmp_path: Path) -> None:
    nowhere = Place(tmp_path / "nowhere")
    status, text = nowhere.said("backup", str(tmp_path / "backup"))
    assert (status, "There is no database" in text) == (2, True), text
    away = Place(tmp_path / "nowhere", "postgresql://nobody@127.0.0.1:9/none")
    status, text = away.said("backup", str(tmp_path / "backup"))
    assert (status, "does not answer" in text, "/none" in text) == (2, True, True), text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["backup"], ["restore"], ["restore", "one", "two"]])
def test_mistyped_commands_are_refused(arguments: list[str], tmp_path: Path) -> None:
    assert Place(tmp_path / "data").said(*arguments)[0] == 2


def test_what_is_no_backup_makes_no_data_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["restore", str(tmp_path), "--data", str(tmp_path / "new")]) == 2
    assert capsys.readouterr().err.endswith("it is no backup.\n")
    assert not (tmp_path / "new").exists()
