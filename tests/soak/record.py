"""What the long runs have done so far: `docs/soak.md`, which is written and read by this."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.soak.registry import SUITES
from tests.soak.turn import Turn

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "soak.md"

INTRODUCTION: Final = """\
# Long runs

The suites below play more cases than a pipeline has time for. `make suites` plays the first ones of
each; `make soak SUITE=S3 MINUTES=30` goes on where the last run stopped, and counts here what is
done. An issue needs a tenth of each full size with nothing found; the rest accrues.

A case is known by its seed and number, and is the same however often the runs were interrupted.
Where something was found, it is mended, and the count begins anew (`ANEW=1`). A commit with `+` had
changes that were not committed yet. This page is written by the program.

| suite | what | done | of | share | found | seed | last commit | on |
|---|---|---:|---:|---:|---:|---:|---|---|
"""
_ROW: Final = re.compile(
    r"\| (?P<suite>[A-Z]\d+) \| [^|]+ \| (?P<done>[\d,]+) \| [\d,]+ \| [\d.]+ % \| (?P<found>\d+) "
    r"\| (?P<seed>\d+) \| (?P<commit>\S+) \| (?P<on>\S+) \|"
)


@dataclass(frozen=True, slots=True)
class Count:
    """How far a suite has come over all its runs."""

    suite: str
    done: int = 0
    found: int = 0
    seed: int = 1
    commit: str = "–"
    on: str = "–"

    def after(self, turn: Turn, commit: str) -> Count:
        """The count with a run of a commit's code added, on the day that is now."""
        return replace(
            self,
            done=turn.next,
            found=self.found + len(turn.found),
            seed=turn.seed,
            commit=commit,
            on=f"{datetime.now(UTC):%Y-%m-%d}",
        )


def read(text: str) -> dict[str, Count]:
    """The counts on a page, those that nobody has begun included."""
    counts = {name: Count(name) for name in SUITES}
    for row in _ROW.finditer(text):
        told = row.groupdict()
        numbers = {key: int(told.pop(key).replace(",", "")) for key in ("done", "found", "seed")}
        counts[told["suite"]] = Count(**told, **numbers)  # type: ignore[arg-type]
    return counts


def page(counts: Iterable[Count]) -> str:
    """The page that tells these counts, of suites that there are."""
    return INTRODUCTION + "".join(
        _line(count) for count in sorted(counts, key=lambda one: one.suite)
    )


def _line(count: Count) -> str:
    suite = SUITES[count.suite]
    share = 100 * count.done / suite.full
    return (
        f"| {suite.name} | {suite.what} | {count.done:,} | {suite.full:,} | {share:.1f} % "
        f"| {count.found} | {count.seed} | {count.commit} | {count.on} |\n"
    )


def stored() -> dict[str, Count]:
    """The counts as they are on disk."""
    return read(PAGE.read_text(encoding="utf-8") if PAGE.exists() else "")


def store(count: Count) -> None:
    """Writes a suite's count; the others stay as they are."""
    PAGE.write_text(page((stored() | {count.suite: count}).values()), encoding="utf-8")


def commit() -> str:
    """The commit that is checked out, with `+` where something was changed since."""
    head = _git("rev-parse", "--short=9", "HEAD")
    changed = _git("status", "--porcelain", "--", ".", ":!docs/soak.md")
    return head + "+" * bool(changed)


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()
