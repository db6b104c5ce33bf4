"""One process per data directory of an embedded database."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


class InUseElsewhere(Exception):
    """Another process holds the data directory."""


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds a data directory for as long as the block lasts. Raises InUseElsewhere.

    The lock ends with the process, however that ends, so a crash leaves nothing to clean up.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUseElsewhere(str(folder)) from error
        yield
