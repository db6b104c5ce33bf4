"""The page of the lifecycle shows the table of moves, all of it and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from app.rules.binary import TABLE, Move, State, Transition, VerificationStatus, mermaid
from tests.graphql.bad_input import MUTATIONS

PAGE = Path(__file__).parents[2] / "docs" / "lifecycle.md"
BY = {
    Move.FINISH_UPLOAD: "finishBinaryUpload",
    Move.START_HASHING: "startBinaryHashing",
    Move.SIGN: "signBinary",
    Move.DESTROY: "destroyBinary",
    Move.RESET: "resetBinary",
}


def moves() -> str:
    """The table of moves as the page has it."""
    lines = ["| from | to | by | needs |", "|---|---|---|---|"]
    for row in TABLE:
        lines.append(f"| `{row.origin}` | `{row.target}` | {_by(row)} | {row.needs} |")
    return "\n".join(lines) + "\n"


def _by(row: Transition) -> str:
    return "the server itself" if row.automatic else f"`{BY[row.move]}`"


def test_the_diagram_is_the_table() -> None:
    diagrams = re.findall(r"```mermaid\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert diagrams == [mermaid()]


def test_the_moves_are_the_table() -> None:
    tables = re.findall(r"(?:^\|.*\n)+", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert tables == [moves()]


def test_every_move_of_a_caller_is_a_mutation() -> None:
    assert BY.keys() == {row.move for row in TABLE if not row.automatic}
    assert MUTATIONS.fields.keys() >= set(BY.values())


def test_what_the_page_names_in_capitals_is_there() -> None:
    named = set(re.findall(r"`([A-Z]+)`", PAGE.read_text(encoding="utf-8")))
    known = {*State, *VerificationStatus, "CONFLICT", "PUT"}
    assert named <= known
    assert named >= {*State, *VerificationStatus}
