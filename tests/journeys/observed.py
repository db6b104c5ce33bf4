"""What is seen of a server from outside: the memory of its process, and the files that it keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple
from xml.etree import ElementTree

import httpx

from tests.journeys.sample import WINDOW

_RESET_PEAK: Final = "5"
"""What Linux takes in `clear_refs` for: the peak begins anew at what is resident now."""
_BLOCK: Final = 16 << 20


class Memory:
    """The resident memory of a process, in bytes, from a moment on. Linux alone tells it."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)
        with suppress(OSError):
            (self._folder / "clear_refs").write_text(_RESET_PEAK)
        self.before = self._read("VmRSS")

    @classmethod
    def of(cls, pid: int | None) -> Memory | None:
        """The memory of a process, or None where nothing tells it."""
        return (
            cls(pid) if pid is not None and (Path("/proc") / str(pid) / "status").exists() else None
        )

    def peak(self) -> int:
        """The most since then; where the system keeps the older peak, since the start."""
        return self._read("VmHWM")

    def growth(self) -> int:
        """How far the peak is above what there was before."""
        return self.peak() - self.before

    def _read(self, name: str) -> int:
        for line in (self._folder / "status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise LookupError(f"The system does not tell {name}.")


class Usage(NamedTuple):
    """Files of content, and their bytes."""

    files: int
    size: int


class Disk:
    """The data directory of a server on this machine."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def content(self) -> Usage:
        """What is in the folder of content."""
        sizes = [path.stat().st_size for path in _files(self._data / "blobs")]
        return Usage(len(sizes), sum(sizes))

    def found(self, windows: Sequence[bytes]) -> int:
        """How many of these pieces are in any file, the database's own included."""
        missing = set(windows)
        for path in _files(self._data):
            missing -= _found_in(_blocks(path), missing)
        return len(set(windows)) - len(missing)


class Bucket:
    """A bucket that anybody may look into, as those of the tests are."""

    def __init__(self, address: str, name: str) -> None:
        self._url = f"{address}/{name}"

    def content(self) -> Usage:
        """What is in the bucket."""
        sizes = self._sizes()
        return Usage(len(sizes), sum(sizes.values()))

    def found(self, windows: Sequence[bytes]) -> int:
        """How many of these pieces are in any object."""
        missing = set(windows)
        for key in self._sizes():
            with httpx.stream("GET", f"{self._url}/{key}", trust_env=False) as answer:
                missing -= _found_in(answer.iter_bytes(_BLOCK), missing)
        return len(set(windows)) - len(missing)

    def _sizes(self) -> dict[str, int]:
        """The size of each object by its key."""
        listed = ElementTree.fromstring(httpx.get(f"{self._url}?list-type=2", trust_env=False).text)
        return {
            one.findtext("{*}Key", ""): int(one.findtext("{*}Size", "0"))
            for one in listed.findall("{*}Contents")
        }


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _found_in(blocks: Iterable[bytes], windows: set[bytes]) -> set[bytes]:
    found: set[bytes] = set()
    tail = b""
    for block in blocks:
        text = tail + block
        found |= {window for window in windows - found if window in text}
        tail = text[1 - WINDOW :]
    return found
