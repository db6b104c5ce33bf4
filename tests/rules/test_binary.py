import pytest

from app.rules.binary import (
    DELETABLE,
    DOWNLOADABLE,
    TABLE,
    Move,
    State,
    after,
    available,
    mermaid,
)

# What the domain, section 3, says, written out: all else is no move.
MOVES = {
    (State.UPLOADABLE, Move.FINISH_UPLOAD): State.HASHABLE,
    (State.HASHABLE, Move.START_HASHING): State.HASHING,
    (State.HASHING, Move.PASS_VERIFICATION): State.SIGNABLE,
    (State.SIGNABLE, Move.SIGN): State.SIGNED,
    (State.SIGNED, Move.DESTROY): State.DESTROYED,
    (State.HASHABLE, Move.RESET): State.UPLOADABLE,
    (State.HASHING, Move.RESET): State.UPLOADABLE,
    (State.SIGNABLE, Move.RESET): State.UPLOADABLE,
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("move", Move)
def test_a_move_leads_where_the_table_says_and_nowhere_else(state: State, move: Move) -> None:
    assert after(state, move) == MOVES.get((state, move))


def test_the_table_has_each_move_from_a_state_once() -> None:
    assert len(TABLE) == len({(row.origin, row.move) for row in TABLE}) == len(MOVES)


@pytest.mark.parametrize(
    ("state", "moves"),
    [
        (State.UPLOADABLE, (Move.FINISH_UPLOAD,)),
        (State.HASHABLE, (Move.START_HASHING, Move.RESET)),
        (State.HASHING, (Move.RESET,)),
        (State.SIGNABLE, (Move.SIGN, Move.RESET)),
        (State.SIGNED, (Move.DESTROY,)),
        (State.DESTROYED, ()),
    ],
)
def test_available_is_what_a_caller_can_cause(state: State, moves: tuple[Move, ...]) -> None:
    assert available(state) == moves


def test_only_passing_verification_is_automatic() -> None:
    assert [row.move for row in TABLE if row.automatic] == [Move.PASS_VERIFICATION]


def test_what_may_be_deleted_and_what_may_be_downloaded() -> None:
    assert set(State) - DELETABLE == {State.SIGNED, State.DESTROYED}
    assert set(State) - DOWNLOADABLE == {State.UPLOADABLE, State.DESTROYED}


def test_the_diagram_has_a_line_for_each_row_of_the_table() -> None:
    assert mermaid() == (
        "stateDiagram-v2\n"
        "    [*] --> UPLOADABLE: createBinary\n"
        "    UPLOADABLE --> HASHABLE: FINISH_UPLOAD\n"
        "    HASHABLE --> HASHING: START_HASHING\n"
        "    HASHING --> SIGNABLE: PASS_VERIFICATION (automatic)\n"
        "    SIGNABLE --> SIGNED: SIGN\n"
        "    SIGNED --> DESTROYED: DESTROY\n"
        "    HASHABLE --> UPLOADABLE: RESET\n"
        "    HASHING --> UPLOADABLE: RESET\n"
        "    SIGNABLE --> UPLOADABLE: RESET\n"
        "    DESTROYED --> [*]\n"
    )
