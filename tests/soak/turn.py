"""One run of a suite: which of its cases are to be played, until when, and what came of them."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Turn:
    """Cases `first` to `last` of a suite, the last one left out.

    A case is known by its number and the seed alone. So a run that goes on where an earlier one
    stopped plays the same cases as one long run, and a case that found something can be repeated.
    """

    suite: str
    first: int
    last: int
    seed: int
    seconds: float
    found: list[str] = field(default_factory=list)
    skipped: str | None = None
    """Why this machine can't play the suite at all."""
    told: list[str] = field(default_factory=list)
    """What is worth a line though nothing is wrong."""
    done: int = 0
    """How many cases of this run were played to their end."""
    begun: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Seconds until this run has to stop; below zero when it is over."""
        return self.begun + self.seconds - time.monotonic()

    @property
    def next(self) -> int:
        """The number of the first case that is not done."""
        return self.first + self.done

    def cases(self, at_most: int | None = None) -> Iterator[int]:
        """Numbers of cases, while there are any and time is left.

        A case counts as done when the next one is asked for. `at_most` is for suites that play
        in blocks, each with a setting of its own: they ask again for the next block.
        """
        end = self.last if at_most is None else min(self.last, self.next + at_most)
        while self.next < end and self.left > 0:
            yield self.next
            self.done += 1

    @property
    def over(self) -> bool:
        """Whether no case is left, or no time."""
        return self.next >= self.last or self.left <= 0

    def random(self, number: int) -> random.Random:
        """The randomness of a case."""
        return random.Random(f"{self.seed} {self.suite} {number}")

    def skip(self, why: str) -> None:
        """Plays nothing, and says so: what was not tried has not passed."""
        self.skipped = why

    def tell(self, what: str) -> None:
        """Notes something that is as it should be."""
        self.told.append(what)

    def find(self, number: int, what: str) -> None:
        """Notes something that must not be."""
        self.found.append(f"case {number} of seed {self.seed}: {what}")
