"""One process per data directory of an embedded database."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


class InUseElsewhere(Exception):
    """Another process holds the data directory."""


@contextlib.contextmanager
def held(folder: Path, *, name: str = "lock") -> Iterator[None]:
    """Holds a folder, made if it is new, for as long as the block lasts. Raises InUseElsewhere.

    The lock ends with the process, however that ends, so a crash leaves nothing to clean up. It is
    on the file `name`; other names are other locks.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / name).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUseElsewhere(str(folder)) from error
        yield


def is_held(folder: Path, *, name: str) -> bool:
    """Whether a process holds a folder by this name now. It makes nothing, and waits for nobody."""
    try:
        with (folder / name).open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
