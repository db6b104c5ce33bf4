"""The suite of permissions finds a hole."""

from __future__ import annotations

import pytest

from app.graphql.context import Context
from tests.soak.turn import Turn
from tests.suites import matrix
from tests.suites.permissions import read

PLACES = list(read())


def _played(place: str, cases: int) -> list[str]:
    first = PLACES.index(place)
    turn = Turn("S2", first, first + cases, seed=1, seconds=120)
    matrix.play(turn)
    assert turn.done == cases
    return turn.found


@pytest.mark.long
def test_a_role_that_is_not_asked_for_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _played("Release.cohort", 2) == []
    monkeypatch.setattr(Context, "require_reader", lambda _: None)
    (finding,) = _played("Release.cohort", 1)
    assert finding.endswith("Release.cohort for DEVICE: ok, and not FORBIDDEN")


@pytest.mark.long
def test_subscriptions_and_sockets_are_asked_for() -> None:
    assert _played("Subscription.binaryChanged", 2) == []
    assert _played("WebSocket /graphql", 1) == []
