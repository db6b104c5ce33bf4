"""Real content: an archive of this machine's own Python installation, and one small file of it."""

from __future__ import annotations

import hashlib
import os
import sysconfig
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from tests.journeys.checks import Failed

MIB: Final = 1 << 20
PARTS: Final = 18
WINDOW: Final = 64
"""Bytes of the content that are looked for on the disk."""

_DISTINCT: Final = 24
"""Different values in a window: one of padding or of spaces would be found anywhere."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the content: its index from 1, where it starts, its size and SHA-256."""

    index: int
    start: int
    size: int
    hash: str

    def registration(self) -> dict[str, object]:
        """What the server is told of it."""
        return {"index": self.index, "size": self.size, "hash": self.hash}


@dataclass(frozen=True, slots=True)
class Blocks:
    """The bytes of a part in pieces of 1 MiB, as often as they are asked for."""

    path: Path
    part: Part
    broken: bool

    def __iter__(self) -> Iterator[bytes]:
        spoilt = self.part.size // 2 if self.broken else -1
        at = 0
        for block in blocks_of(self.path, self.part.start, self.part.size):
            if 0 <= spoilt - at < len(block):
                place = spoilt - at
                yield block[:place] + bytes([block[place] ^ 1]) + block[place + 1 :]
            else:
                yield block
            at += len(block)


@dataclass(frozen=True, slots=True)
class Sample:
    """A file to upload; its SHA-256, and that of its parts, are in lowercase hex."""

    path: Path
    size: int
    hash: str
    parts: Sequence[Part]

    def blocks(self, part: Part, *, broken: bool = False) -> Blocks:
        """The bytes of a part; `broken` turns over one bit in the middle."""
        return Blocks(self.path, part, broken=broken)

    def windows(self, number: int, *, unlike: bytes) -> list[bytes]:
        """Pieces from all over the content that are in no padding, and not in `unlike`."""
        found = []
        with self.path.open("rb") as file:
            for part in self.parts[:: max(1, len(self.parts) // number)][:number]:
                file.seek(part.start)
                content = file.read(part.size)
                found.append(_telling(content, unlike=unlike))
        return found


def archive(path: Path, *, least: int) -> Sample:
    """Writes an uncompressed tar of the Python installation with at least `least` bytes."""
    roots = [Path(sysconfig.get_path(name)) for name in ("purelib", "stdlib")]
    with tarfile.open(path, "w", dereference=True) as tar:
        for again in count():
            before = tar.offset
            for root in roots:
                _add(tar, root, Path(f"copy-{again}") / root.name, least=least)
            if tar.offset >= least:
                break
            if tar.offset == before:
                raise Failed("The Python installation has no files that can be read.")
    size = path.stat().st_size
    return _measured(path, part_size=-(-size // PARTS))


def small_file(path: Path) -> Sample:
    """A file as it is, in one part."""
    return _measured(path, part_size=path.stat().st_size)


def blocks_of(path: Path, start: int, length: int) -> Iterator[bytes]:
    """A stretch of a file in pieces of 1 MiB."""
    with path.open("rb") as file:
        file.seek(start)
        while length and (block := file.read(min(length, MIB))):
            length -= len(block)
            yield block


def _add(tar: tarfile.TarFile, root: Path, name: Path, *, least: int) -> None:
    for folder, folders, files in os.walk(root):
        # Compiled files come and go while other programs run.
        folders[:] = sorted(set(folders) - {"__pycache__"})
        for file in sorted(files):
            if tar.offset >= least:
                return
            path = Path(folder) / file
            if path.is_file() and os.access(path, os.R_OK):
                tar.add(path, name / path.relative_to(root))


def _measured(path: Path, *, part_size: int) -> Sample:
    whole = hashlib.sha256()
    size = path.stat().st_size
    parts = []
    for index, start in enumerate(range(0, size, part_size), 1):
        length = min(part_size, size - start)
        digest = hashlib.sha256()
        for block in blocks_of(path, start, length):
            digest.update(block)
            whole.update(block)
        parts.append(Part(index, start, length, digest.hexdigest()))
    return Sample(path, size, whole.hexdigest(), parts)


def _telling(content: bytes, *, unlike: bytes) -> bytes:
    for start in range(len(content) // 3, len(content) - WINDOW, WINDOW):
        window = content[start : start + WINDOW]
        if len(set(window)) >= _DISTINCT and window not in unlike:
            return window
    raise Failed("A part of the sample has no bytes that would be known again.")
