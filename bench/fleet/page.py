"""Puts the figures of a run into `docs/scale.md`; what the page says around them stays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.fleet.measured import Measured, Size, growth, table
from bench.results import circumstances

PAGE: Final = Path(__file__).parents[2] / "docs" / "scale.md"
BEGIN: Final = "<!-- What follows is written by `make bench-polls`. -->\n"
END: Final = "<!-- What follows is written by hand. -->\n"


def told(runs: Sequence[Measured], sizes: Sequence[Size]) -> str:
    """The figures as Markdown."""
    made = circumstances()
    when = f"Made on {made['date']} at commit {made['commit']}, on {made['machine']}"
    parts = [f"{when}; {made['versions']}.", table(runs), *growth(runs), *map(str, sizes)]
    return "\n\n".join(parts) + "\n"


def renewed(page: str, told: str) -> str:
    """The page with these figures in the place of those that it had. Raises ValueError."""
    before, begun, rest = page.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise ValueError("the page lacks the lines that say where the figures go")
    return f"{before}{BEGIN}\n{told}\n{END}{after}"
