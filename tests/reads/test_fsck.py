"""What fsck finds on a real folder and a real database."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from app import cli
from app.rules.fsck import MEND, Damage

ID = "01900000-0000-7000-8000-000000000001"
BLOB = "cd" * 16


def test_an_orphan_is_named_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that no record names is found, and not touched."""
    assert cli.main(["migrate", "--data", str(tmp_path)]) == 0
    capsys.readouterr()
    assert cli.main(["fsck", "--json", "--data", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == {"findings": []}
    name = "ab" * 16
    orphan = tmp_path / "blobs" / name[:2] / name
    orphan.write_bytes(b"left over")
    assert cli.main(["fsck", "--json", "--data", str(tmp_path)]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "findings": [
            {
                "code": "BLOB_ORPHAN",
                "subject": name,
                "wrong": "No record names this file.",
                "mend": MEND[Damage.BLOB_ORPHAN],
            }
        ]
    }
    assert orphan.read_bytes() == b"left over"


def test_without_tables_it_says_that_it_could_not_look(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A database of no version is refused with status 2."""
    (tmp_path / "bindery.db").touch()
    assert cli.main(["fsck", "--data", str(tmp_path)]) == 2
    assert "no such table" in capsys.readouterr().err


def test_a_mistyped_folder_is_refused_and_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is no database, nothing is created."""
    missing = tmp_path / "typo"
    assert cli.main(["fsck", "--data", str(missing)]) == 2
    assert f"{missing / 'bindery.db'}" in capsys.readouterr().err
    assert not missing.exists()


@pytest.mark.parametrize(
    ("state", "part", "stored", "codes"),
    [
        ("UPLOADABLE", True, b"12345", []),
        ("UPLOADABLE", True, None, ["BLOB_MISSING"]),
        ("UPLOADABLE", True, b"1234", ["BLOB_SIZE"]),
        ("DESTROYED", True, b"12345", ["DESTROYED_WITH_PARTS"]),
        ("HASHABLE", False, None, ["PARTS_INCOMPLETE"]),
        ("SIGNED", True, b"12345", ["SIGNED_WITHOUT_SIGNATURE"]),
    ],
)
def test_each_damage_is_named(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    state: str,
    part: bool,
    stored: bytes | None,
    codes: list[str],
) -> None:
    """One damage is planted, and it alone is found."""
    assert cli.main(["migrate", "--data", str(tmp_path)]) == 0
    _plant(tmp_path, state=state, part=part)
    assert cli.main(["fsck", "--data", str(tmp_path)]) in (0, 1)
    if stored is not None:
        (tmp_path / "blobs" / BLOB[:2] / BLOB).write_bytes(stored)
    capsys.readouterr()
    assert cli.main(["fsck", "--json", "--data", str(tmp_path)]) == bool(codes)
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert [(one["code"], one["subject"]) for one in findings] == [(code, ID) for code in codes]


def _plant(folder: Path, *, state: str, part: bool) -> None:
    """Writes the rows of a binary of five bytes behind the server's back."""
    database = sqlite3.connect(folder / "bindery.db")
    now = "2026-01-01 00:00:00+00:00"
    with database:
        database.execute(
            "INSERT INTO binary_record (id, organization_id, artifact_version_id, target, hash,"
            " size, state, custom_metadata, destroyed, created_at, updated_at)"
            " VALUES (?, ?, ?, 'portable', ?, 5, ?, '{}', ?, ?, ?)",
            [ID, ID, ID, "0" * 64, state, state == "DESTROYED", now, now],
        )
        if part:
            database.execute(
                "INSERT INTO binary_part (id, organization_id, binary_id, part_index, size, hash,"
                " state, blob, created_at, updated_at) VALUES (?, ?, ?, 1, 5, ?, 'VALID', ?, ?, ?)",
                [ID, ID, ID, "0" * 64, BLOB, now, now],
            )
    database.close()
