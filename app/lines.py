"""Lines on their way to files that may be read slowly, or not at all.

A full pipe stops whoever writes to it, and a server that is stopped by its log serves nobody. So a
thread of its own writes, and the queue before it has a bound.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

MOST: Final = 4 << 20
"""How many characters wait to be written, at the most."""
GATHER_SECONDS: Final = 0.02
"""For how long lines are gathered to be written at once."""
END_SECONDS: Final = 1.0
"""How long the end of a process waits for its last lines to be taken."""
_AT_ONCE: Final = 1_000

Line = tuple[int, str]
"""An open file, and what to write to it."""


class Lines:
    """A bounded queue of lines, and the thread that writes them.

    `lost` is told of each line that found no room; `confess` makes the line that says how many.
    """

    def __init__(
        self, *, lost: Callable[[], None], confess: Callable[[int], Line], most: int = MOST
    ) -> None:
        self._lost, self._confess, self._most = lost, confess, most
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._ends = threading.Event()
        self._waiting: deque[Line] = deque()
        self._size = 0
        self._missed = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def put(self, file: int, text: str) -> None:
        """Has a line written to an open file; never waits."""
        with self._lock:
            room = self._size + len(text) <= self._most
            if room:
                self._append(file, text)
            else:
                self._missed += 1
        if not room:
            self._lost()
        elif not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """Writes what waits, for as long as an end may take."""
        self._ends.set()
        self._wake.set()
        self._thread.join(END_SECONDS)

    def _append(self, file: int, text: str) -> None:
        self._size += len(text)
        self._waiting.append((file, text))

    def _run(self) -> None:
        while not (self._ends.is_set() and not self._waiting):
            self._wake.wait()
            self._ends.wait(GATHER_SECONDS)
            self._wake.clear()
            while taken := self._taken():
                _write(*taken)

    def _taken(self) -> tuple[int, bytes] | None:
        """The next lines that go to one file; they leave the queue now."""
        with self._lock:
            if not self._waiting and self._missed:
                self._append(*self._confess(self._missed))
                self._missed = 0
            if not self._waiting:
                return None
            file = self._waiting[0][0]
            texts: list[str] = []
            while self._waiting and self._waiting[0][0] == file and len(texts) < _AT_ONCE:
                texts.append(self._waiting.popleft()[1])
            self._size -= sum(map(len, texts))
        return file, "".join(f"{text}\n" for text in texts).encode(errors="backslashreplace")


def _write(file: int, data: bytes) -> None:
    """Writes all of it, to a file of any kind; gives up where nobody can read it any more."""
    while data:
        try:
            data = data[os.write(file, data) :]
        except BlockingIOError:
            select.select([], [file], [], 1.0)
        except OSError:
            return
