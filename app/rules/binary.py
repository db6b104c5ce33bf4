"""The life of a binary: its states and the moves between them (domain, section 3).

One table, one reader (`after`), and one writer elsewhere (`app.actions.moves`). The diagram in
the docs is printed from the table (`mermaid`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a binary is in its life."""

    UPLOADABLE = "UPLOADABLE"
    HASHABLE = "HASHABLE"
    HASHING = "HASHING"
    SIGNABLE = "SIGNABLE"
    SIGNED = "SIGNED"
    DESTROYED = "DESTROYED"


class Move(StrEnum):
    """What leads from one state to another."""

    FINISH_UPLOAD = "FINISH_UPLOAD"
    START_HASHING = "START_HASHING"
    PASS_VERIFICATION = "PASS_VERIFICATION"  # noqa: S105 - a move, not a password.
    SIGN = "SIGN"
    DESTROY = "DESTROY"
    RESET = "RESET"


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table. `automatic` moves are the server's own; no caller asks for them."""

    origin: State
    move: Move
    target: State
    needs: str
    automatic: bool = False


TABLE = (
    Transition(
        State.UPLOADABLE,
        Move.FINISH_UPLOAD,
        State.HASHABLE,
        "every part valid, indexes without gaps, sizes that add up",
    ),
    Transition(
        State.HASHABLE, Move.START_HASHING, State.HASHING, "nothing; verification is queued"
    ),
    Transition(
        State.HASHING,
        Move.PASS_VERIFICATION,
        State.SIGNABLE,
        "the stored content's SHA-256 and size equal the record's",
        automatic=True,
    ),
    Transition(State.SIGNABLE, Move.SIGN, State.SIGNED, "a valid signature"),
    Transition(
        State.SIGNED, Move.DESTROY, State.DESTROYED, "the accepted impact, where there is one"
    ),
    Transition(State.HASHABLE, Move.RESET, State.UPLOADABLE, "nothing; parts are deleted"),
    Transition(State.HASHING, Move.RESET, State.UPLOADABLE, "nothing; parts are deleted"),
    Transition(State.SIGNABLE, Move.RESET, State.UPLOADABLE, "nothing; parts are deleted"),
)

_AFTER = {(row.origin, row.move): row.target for row in TABLE}

DELETABLE = frozenset({State.UPLOADABLE, State.HASHABLE, State.HASHING, State.SIGNABLE})
"""States in which the whole record may be deleted, so that a mistyped one is no dead end."""

DOWNLOADABLE = frozenset({State.HASHABLE, State.HASHING, State.SIGNABLE, State.SIGNED})
"""States in which there is complete content to download."""


class VerificationStatus(StrEnum):
    """How far the server's own verification of the content has come."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    RETRYING = "RETRYING"
    PASSED = "PASSED"
    FAILED = "FAILED"


class ContentHealth(StrEnum):
    """What the last look at the stored content found."""

    OK = "OK"
    CORRUPT = "CORRUPT"
    MISSING = "MISSING"


def after(state: State, move: Move) -> State | None:
    """The state that a move leads to, or None where the table does not have it."""
    return _AFTER.get((state, move))


def available(state: State) -> tuple[Move, ...]:
    """The moves that a caller can cause from a state, in the table's order."""
    return tuple(row.move for row in TABLE if row.origin is state and not row.automatic)


def mermaid() -> str:
    """The table as the text of a Mermaid state diagram, for the docs."""
    lines = ["stateDiagram-v2", "    [*] --> UPLOADABLE: createBinary"]
    for row in TABLE:
        kind = " (automatic)" if row.automatic else ""
        lines.append(f"    {row.origin} --> {row.target}: {row.move}{kind}")
    return "\n".join([*lines, "    DESTROYED --> [*]"]) + "\n"
