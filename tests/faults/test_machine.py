"""The model runs beside the server, and a server that does otherwise is found."""

from __future__ import annotations

import pytest

from tests.faults import machine
from tests.soak.turn import Turn


def test_some_steps_agree() -> None:
    turn = Turn("R8", 0, 30, seed=1, seconds=30)
    machine.play(turn)
    assert turn.found == []
    assert turn.done > 0


def test_a_difference_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.faults.machine._REFUSED", "SOMETHING_ELSE")
    turn = Turn("R8", 0, 300, seed=1, seconds=60)
    machine.play(turn)
    assert "is refused with ['INVALID_TRANSITION']" in turn.found[0]
