"""What a backup says of itself: `manifest.json`, and a digest of every file in `files.sha256`.

The second has the form of the program sha256sum, so that `sha256sum -c files.sha256` checks a
backup where Bindery is not at hand. The first has the digest of the second.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from app.backup.files import written
from app.storage.content import Digest

FORMAT: Final = 1
"""Of the backup. A version of Bindery reads those that it knows."""
DATABASE: Final = "bindery.db"
"""The file of an embedded database."""
TABLES: Final = "tables"
"""The folder of another one's tables, a file for each."""
BLOBS: Final = "blobs"
"""The folder of content, as the data directory has it."""
SECRET: Final = "secret.key"  # noqa: S105 - a file's name.

_MANIFEST: Final = "manifest.json"
_FILES: Final = "files.sha256"
_LINE: Final = re.compile(
    rf"([0-9a-f]{{64}})  ({re.escape(DATABASE)}|{re.escape(SECRET)}|{TABLES}/[a-z_]+\.(?:csv|json)"
    rf"|{BLOBS}/([0-9a-f]{{2}})/\3[0-9a-f]{{30}})"
)


class NoBackup(Exception):
    """A folder is no backup, or none that can be used; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds."""

    format: int
    bindery: str
    """The version that made it."""
    begun_at: str
    """When; everything that was acknowledged before is in it."""
    database: str
    """`sqlite` or `postgres`."""
    migrations: list[str]
    """What the database was migrated to, in order."""
    content: bool
    """Whether content is in it; else it was in a bucket, and is still there."""
    files: int
    bytes: int
    files_sha256: str
    """The digest of the list of files."""


def write(folder: Path, files: Mapping[str, Digest], facts: Mapping[str, Any]) -> Manifest:
    """Writes both files of a backup whose other files are there. Raises OSError."""
    lines = "".join(f"{digest.sha256}  {path}\n" for path, digest in sorted(files.items()))
    listed = written(folder / _FILES, lines.encode())
    manifest = Manifest(
        format=FORMAT,
        files=len(files),
        bytes=sum(digest.size for digest in files.values()),
        files_sha256=listed.sha256,
        **facts,
    )
    written(folder / _MANIFEST, (json.dumps(asdict(manifest), indent=2) + "\n").encode())
    return manifest


def read(folder: Path) -> Manifest:
    """What a backup says of itself. Raises NoBackup."""
    try:
        told = json.loads((folder / _MANIFEST).read_bytes())
        known = told["format"] == FORMAT
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise NoBackup(f"{folder} has no {_MANIFEST} that can be read: it is no backup.") from error
    if not known:
        raise NoBackup(f"{folder} was made by a newer version of Bindery; restore it with that.")
    try:
        return Manifest(**told)
    except TypeError as error:
        raise NoBackup(f"{folder / _MANIFEST} is damaged.") from error


def files(folder: Path, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """The path and the SHA-256 of each file of a backup. Raises NoBackup."""
    path = folder / _FILES
    try:
        listed = path.read_bytes()
    except OSError as error:
        raise NoBackup(f"{path} can't be read: the backup is damaged.") from error
    if hashlib.sha256(listed).hexdigest() != manifest.files_sha256:
        raise NoBackup(f"{path} is not what was written: the backup is damaged.")
    for line in listed.decode("ascii").splitlines():
        # Nothing is written outside of a data directory, whoever made the list.
        found = _LINE.fullmatch(line)
        if found is None:
            raise NoBackup(f"{path} names a file that no backup has.")
        yield found[2], found[1]
