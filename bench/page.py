"""Puts the figures that are kept into `docs/performance.md`: `python -m bench.page`.

What the page says around them is written by hand, and stays.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.figures import table, verdict
from bench.results import Part, read

PAGE: Final = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN: Final = "<!-- What follows is written by `python -m bench.page`. -->\n"
END: Final = "<!-- What follows is written by hand. -->\n"
ORDER: Final = ("ratios", "growth", "start")
TITLES: Final = {
    "ratios": "Beside the other servers",
    "growth": "From a small data set to a large one",
    "start": "From the start until it is ready",
}


def told(parts: Sequence[Part]) -> str:
    """The figures as Markdown: a section for each thing measured, a table for each database."""
    sections = []
    for name in ORDER:
        chosen = sorted(
            (one for one in parts if one.name == name), key=lambda one: (one.database, one.data)
        )
        if chosen:
            sections.append(f"## {TITLES[name]}\n")
        sections += [f"{_heading(one)}\n\n{table(one.figures)}\n" for one in chosen]
    said = verdict((one.database, figure) for one in parts for figure in one.figures)
    sections.append(f"{said[0].upper()}{said[1:]}.\n")
    return "\n".join(sections)


def _heading(part: Part) -> str:
    made = part.made
    return (
        f"**{part.database}**: {part.data}. Made on {made['date']} at commit {made['commit']}, on"
        f" {made['machine']}; {made['versions']}."
    )


def renewed(page: str, parts: Sequence[Part]) -> str:
    """The page with these figures in the place of those that it had."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    if not rest or END not in page:
        raise ValueError("the page lacks the lines that say where the figures go")
    return f"{before}{BEGIN}\n{told(parts)}\n{END}{after}"


def main() -> int:
    """Renews the page; the exit status."""
    parts = read()
    if not parts:
        print("no figures are kept: run `make bench` first", file=sys.stderr)
        return 1
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), parts), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
