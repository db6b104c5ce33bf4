"""The stores of the shared suite; for the disk store a log of its system calls, which may fail."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.storage.content import ContentStore
from app.storage.disk import DiskStore
from app.storage.memory import MemoryStore
from app.storage.s3 import S3Store
from tests.buckets import location, s3_server

__all__ = ["location", "s3_server"]

CALLS = ("open", "write", "pwrite", "fsync", "fchmod", "ftruncate", "unlink", "close")


@dataclass
class Kernel:
    """Sees the calls on files below `root`, and lets those fail that a test names."""

    root: Path
    log: list[str] = field(default_factory=list)
    """`call target`: the target is `blob`, `folder` (a blob's) or `root`."""
    faults: dict[str, Callable[[], None]] = field(default_factory=dict)
    """What is done instead of, or before, a call of the log; it may raise."""
    open_files: dict[int, str] = field(default_factory=dict)

    def fail(self, call: str, error: int, *, times: int = 1_000_000) -> None:
        """Let the next `times` calls fail with this errno."""
        left = times

        def fault() -> None:
            nonlocal left
            if left:
                left -= 1
                raise OSError(error, os.strerror(error))

        self.faults[call] = fault

    def see(self, call: str, target: object) -> str | None:
        """Log the call and let it fail, if it concerns the store; return what it is about."""
        label = self.open_files.get(target) if isinstance(target, int) else self._label(target)
        if label is not None:
            self.log.append(f"{call} {label}")
            self.faults.get(f"{call} {label}", lambda: None)()
        return label

    def _label(self, target: object) -> str | None:
        name = Path(str(target)).name
        if str(target) == str(self.root):
            return "root"
        if name.startswith("probe-"):
            return "probe"
        return {32: "blob", 2: "folder"}.get(len(name))


@pytest.fixture(params=["disk", "memory", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ContentStore]:
    made: ContentStore = MemoryStore()
    if request.param == "disk":
        made = DiskStore(tmp_path / "content", reserve=0)
    elif request.param == "s3":
        made = S3Store(request.getfixturevalue("location"))
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[DiskStore]:
    store = DiskStore(tmp_path / "content", reserve=0)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def kernel(disk: DiskStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """Watch the calls from now on: the store is open."""
    seen = Kernel(tmp_path / "content")

    def watched(call: str) -> Callable[..., Any]:
        real = getattr(os, call)

        def watch(target: Any, *args: Any, **options: Any) -> Any:
            if call == "close":
                # The kernel closes even when it reports an error.
                real(target)
                try:
                    return seen.see(call, target) and None
                finally:
                    seen.open_files.pop(target, None)
            label = seen.see(call, target)
            result = real(target, *args, **options)
            if call == "open" and label is not None:
                seen.open_files[result] = label
            return result

        return watch

    for call in CALLS:
        monkeypatch.setattr(os, call, watched(call))
    return seen
