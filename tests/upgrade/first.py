"""The data of the first version, as fixtures/first keeps it."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any, Final

from tests.backup.place import Place

FIRST: Final = Path(__file__).parents[2] / "fixtures" / "first"


def facts(kind: str) -> dict[str, Any]:
    """The key of that data, and what the first version answered."""
    found: dict[str, Any] = json.loads((FIRST / f"{kind}.json").read_text(encoding="utf-8"))
    return found


def unpacked(kind: str, folder: Path) -> Path:
    """A data directory with SQLite, or a backup of PostgreSQL, in a new folder."""
    with tarfile.open(FIRST / f"{kind}.tar.gz") as packed:
        packed.extractall(folder, filter="data")
    return folder


def laid(place: Place, folder: Path) -> None:
    """Puts the data of the first version at a place; on PostgreSQL that migrates it, too."""
    if not place.database:
        unpacked("sqlite", place.data)
        return
    status, text = place.said("restore", str(unpacked("postgres", folder / "first")), "--deep")
    assert (status, text.endswith("fsck found nothing wrong.")) == (0, True), text
