"""The suite of hostile requests has enough of them, and finds what is let through."""

from __future__ import annotations

import pytest

from app.graphql.guard import Limits
from tests.soak.registry import SUITES
from tests.soak.turn import Turn
from tests.suites import hostiles
from tests.suites.requests import hostile

DOCUMENTS = hostile()


def _played(name: str) -> list[str]:
    first = [document.name for document in DOCUMENTS].index(name)
    turn = Turn("S6", first, first + 1, seed=1, seconds=60)
    hostiles.play(turn)
    return turn.found


def test_there_are_as_many_as_the_registry_says() -> None:
    assert len(DOCUMENTS) == SUITES["S6"].full >= 60
    assert len({document.name for document in DOCUMENTS}) == len(DOCUMENTS)


def test_what_is_let_through_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _played("aliases of a root field") == []
    monkeypatch.setattr(Limits, "of", lambda _: Limits(aliases=1_000))
    (finding,) = _played("aliases of a root field")
    assert "aliases of a root field: passes the limit root fields" in finding


def test_what_is_slow_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostiles, "CPU_SECONDS", 0.0001)
    assert any("ms of CPU" in finding for finding in _played("900 levels of fields"))
