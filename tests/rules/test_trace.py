from uuid import UUID

import pytest

from app.rules import trace
from app.rules.release import CohortGraph, ReleaseFacts
from app.rules.trace import Reason, Stretches, TraceStep


def uid(number: int) -> UUID:
    return UUID(int=number)


GRAPH = CohortGraph(
    ReleaseFacts(uid(number), uid(number + 1) if number < 5 else None, uid(100 + number))
    for number in range(1, 6)
)
SELECTED = TraceStep(uid(5), Reason.SELECTED)


def test_one_stretch_is_one_object() -> None:
    stretches = Stretches()
    first = stretches.of(GRAPH.path(uid(3)), [SELECTED])
    assert [step.release_id for step in first.steps] == [uid(3), uid(4)]
    again = stretches.of(GRAPH.path(uid(3)), [TraceStep(uid(5), Reason.SCHEDULED)])
    assert again is first


def test_a_stretch_rests_on_start_and_on_what_was_judged() -> None:
    stretches = Stretches()
    judged = [TraceStep(uid(5), Reason.SCHEDULED), TraceStep(uid(4), Reason.SELECTED)]
    found = [
        stretches.of(GRAPH.path(uid(2)), [SELECTED]),
        stretches.of(GRAPH.path(uid(3)), [SELECTED]),
        stretches.of(GRAPH.path(uid(3)), judged),
        stretches.of((), [TraceStep(None, Reason.UP_TO_DATE)]),
    ]
    assert [[step.release_id for step in one.steps] for one in found] == [
        [uid(2), uid(3), uid(4)],
        [uid(3), uid(4)],
        [uid(3)],
        [],
    ]


def test_so_many_are_kept_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "KEPT_STRETCHES", 2)
    stretches = Stretches()
    first = stretches.of(GRAPH.path(uid(1)), [SELECTED])
    stretches.of(GRAPH.path(uid(2)), [SELECTED])
    assert stretches.of(GRAPH.path(uid(1)), [SELECTED]) is first
    stretches.of(GRAPH.path(uid(3)), [SELECTED])
    anew = stretches.of(GRAPH.path(uid(1)), [SELECTED])
    assert anew is not first
    assert anew.steps == first.steps
