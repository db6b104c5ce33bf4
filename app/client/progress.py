"""What is told while a command works: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import shutil
import time
from typing import Final, TextIO

REDRAW_SECONDS: Final = 0.1
LINE_SECONDS: Final = 30.0
"""How often a log gets a line while bytes move."""


class Progress:
    """Tells on `out`, which is standard error: standard output is for the result alone."""

    def __init__(self, out: TextIO, *, quiet: bool = False) -> None:
        self._out = out
        self._quiet = quiet
        self._bar = not quiet and out.isatty()
        self._total = self._done = self._moved = 0
        self._begun = self._told = time.monotonic()
        self._width = 0

    def note(self, text: str) -> None:
        """Tells one line."""
        if not self._quiet:
            self._clear()
            print(text, file=self._out, flush=True)

    def begin(self, total: int, *, done: int = 0) -> None:
        """Bytes begin to move: `done` of `total` were there before."""
        self._total, self._done, self._moved = total, done, 0
        self._begun = self._told = time.monotonic()
        if self._bar:
            self._draw(self._line(self._begun))

    def moved(self, count: int) -> None:
        """Bytes moved; fewer than none: they have to move again."""
        self._done += count
        self._moved += count
        now = time.monotonic()
        if now - self._told < (REDRAW_SECONDS if self._bar else LINE_SECONDS):
            return
        self._told = now
        if self._bar:
            self._draw(self._line(now))
        elif not self._quiet:
            print(self._line(now), file=self._out, flush=True)

    def end(self) -> None:
        """No more bytes move; a bar that is full stays."""
        if self._width and self._done >= self._total:
            self._draw(self._line(time.monotonic()))
            print(file=self._out, flush=True)
            self._width = 0
        self._clear()

    def _line(self, now: float) -> str:
        rate = self._moved / max(now - self._begun, 0.001)
        share = self._done / self._total if self._total else 1.0
        text = f"{share:4.0%} of {in_bytes(self._total)}"
        if rate <= 0:
            return text
        left = _in_time((self._total - self._done) / rate)
        return f"{text}, {in_bytes(rate)}/s, {left} left"

    def _draw(self, text: str) -> None:
        room = shutil.get_terminal_size().columns - len(text) - 4
        if room >= 10:
            room = min(room, 40)
            full = round(room * self._done / self._total) if self._total else room
            text = f"[{'#' * full}{'-' * (room - full)}] {text}"
        print("\r" + text.ljust(self._width), end="", file=self._out, flush=True)
        self._width = len(text)

    def _clear(self) -> None:
        if self._width:
            print("\r" + " " * self._width + "\r", end="", file=self._out, flush=True)
            self._width = 0


def in_bytes(count: float) -> str:
    """A number of bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def _in_time(seconds: float) -> str:
    minutes, rest = divmod(round(min(seconds, 359_999)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
