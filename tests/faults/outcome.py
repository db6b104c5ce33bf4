"""What a suite of faults came to."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Outcome:
    """How far a suite came, and what it found."""

    done: int = 0
    of: int | None = None
    """The full size, where only the run itself can tell it."""
    acknowledged: int = 0
    slowest: float = 0.0
    found: list[str] = field(default_factory=list)
