"""The page about durability says what the code does."""

from __future__ import annotations

from pathlib import Path

from app.rules.fsck import MEND, Damage

PAGE = Path(__file__).parents[2] / "docs" / "durability.md"


def test_the_table_lists_each_code_with_its_mend() -> None:
    """Neither a code too many nor one too few."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert rows == [f"| `{code}` | {MEND[code]} |" for code in Damage]
