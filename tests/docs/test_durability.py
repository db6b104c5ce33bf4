"""The page about durability says what the code does."""

from __future__ import annotations

from pathlib import Path

from app.rules.fsck import LEFTOVERS, MEND, REPAIR, Damage
from tests.faults.planted import BUGS

PAGE = Path(__file__).parents[2] / "docs" / "durability.md"


def test_the_table_lists_each_code_with_its_mend() -> None:
    """Neither a code too many nor one too few."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    repairs = [REPAIR.get(code, "Nothing.") for code in Damage]
    assert rows == [
        f"| `{code}` | {MEND[code]} | {repair} |"
        for code, repair in zip(Damage, repairs, strict=True)
    ]


def test_what_is_no_damage_is_said() -> None:
    told = ", ".join(f"`{code}`" for code in Damage if code in LEFTOVERS)
    assert f"({told})" in " ".join(PAGE.read_text().split())


def test_the_table_of_planted_bugs_names_what_catches_each() -> None:
    """The same bugs, in the same order, as the harness plants."""
    _, _, table = PAGE.read_text().partition("| planted bug | caught by |\n|---|---|\n")
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert rows == [f"| {bug.name} | {bug.suite} |" for bug in BUGS]
