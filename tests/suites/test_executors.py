"""The suite of both executors finds nothing in a few cases, and finds what is planted."""

from __future__ import annotations

import pytest

from app.graphql.planner import compiler
from app.graphql.planner.builder import Declined
from tests.soak.turn import Turn
from tests.suites import executors


def _played(first: int, cases: int) -> list[str]:
    turn = Turn("P1", first, first + cases, seed=1, seconds=120)
    executors.play(turn)
    assert turn.done == cases
    return turn.found


@pytest.mark.parametrize("first", [0, executors.BLOCK], ids=["sqlite", "postgres"])
@pytest.mark.long
def test_nothing_is_found_in_a_few_cases(first: int) -> None:
    assert _played(first, 150) == []


def test_another_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.reads.statement.MAX_JOINS", 0)
    assert _played(0, 20) == []
    monkeypatch.setattr("app.graphql.leaves._time", str)
    assert any("answers differ" in finding for finding in _played(0, 20))


def test_a_needless_decline_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def declining(*_: object) -> None:
        raise Declined("null")

    monkeypatch.setattr(compiler.Compiler, "_to_one", declining)
    found = _played(0, 20)
    assert any("though nothing is wrong" in finding for finding in found)
    assert any("were planned" in finding for finding in found)
