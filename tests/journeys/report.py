"""What is printed: each step as it is done, a table in the end, or why it ended early."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from typing import Final, TypeVar

import httpx

from tests.journeys.checks import Failed
from tests.journeys.sample import MIB

T = TypeVar("T")

_LOG_LINES: Final = 40


class Report:
    """The steps so far."""

    def __init__(self) -> None:
        self.rates: dict[str, tuple[int, float]] = {}
        """By what was done: bytes and seconds."""
        self._steps: list[tuple[str, float, str]] = []
        self._now = "the start"

    def step(self, title: str, run: Callable[[], T], *, tell: Callable[[T], str]) -> T:
        """Runs a step, and prints what `tell` says of its result."""
        self._now = title
        begun = time.perf_counter()
        found = run()
        self.add(title, time.perf_counter() - begun, tell(found))
        return found

    def add(self, title: str, seconds: float, detail: str) -> None:
        """Prints a step that took so long."""
        self._steps.append((title, seconds, detail))
        print(f"{seconds:8.3f} s  {title}: {detail}", flush=True)

    def table(self) -> None:
        """Prints all steps with their times, and the rates."""
        width = max(len(title) for title, _, _ in self._steps)
        print(f"\n {'#':>2}  {'step':<{width}}  {'seconds':>8}")
        for number, (title, seconds, _) in enumerate(self._steps, 1):
            print(f" {number:>2}  {title:<{width}}  {seconds:8.3f}")
        print(f"     {'all':<{width}}  {sum(seconds for _, seconds, _ in self._steps):8.3f}\n")
        for what, (size, seconds) in self.rates.items():
            mebibytes = size / MIB
            print(
                f"     {what:<10}{mebibytes:8.1f} MiB in {seconds:7.3f} s: "
                f"{mebibytes / seconds:7.1f} MiB/s"
            )
        print("\nThe journey is done: every step did what it should.", flush=True)

    def failed(self, failure: Exception, *, log: str) -> None:
        """Says which step failed and why, with the end of the server's log."""
        print(f"\nThe journey failed at: {self._now}.\n{failure}", file=sys.stderr)
        if not isinstance(failure, (Failed, httpx.TransportError)):
            # An answer of another form than any step expects: which line met it says the most.
            traceback.print_exception(failure)
        if log:
            lines = "\n".join(log.splitlines()[-_LOG_LINES:])
            print(f"\nThe end of the server's log:\n{lines}", file=sys.stderr)
        sys.stderr.flush()
