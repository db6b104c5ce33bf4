"""What is kept of traces: by the stretch and by what is asked of it, and only so much."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.graphql.answers import UpdateTold
from app.graphql.planner.builder import Builder
from app.graphql.polled import Rendered
from app.rules.resolution import Status, UpdateAnswer
from app.rules.trace import Reason, Stretch, TraceStep

RUN: Any = None
ORGANIZATION = UUID(int=9)


class Noting(Builder):
    """Gives what it gets, and counts how often it is asked."""

    asked = 0

    async def build(self, run: Any, sources: Any) -> list[Any]:
        """The sources' releases."""
        self.asked += 1
        return [one.release_id for one in sources]


def told(*releases: int) -> UpdateTold:
    """An answer that passes over these."""
    steps = tuple(TraceStep(UUID(int=one), Reason.SKIPPED) for one in releases)
    return UpdateTold(ORGANIZATION, UpdateAnswer(Status.NO_UPDATE, steps, passed=Stretch(steps)))


async def test_it_is_written_once_for_each_stretch_and_question() -> None:
    rendered, one, other = Rendered(), Noting(), Noting()
    first, second = told(1, 2), told(1, 3)
    for _ in range(2):
        assert await rendered.of(one, RUN, first) == [UUID(int=1), UUID(int=2)]
        assert await rendered.of(one, RUN, second) == [UUID(int=1), UUID(int=3)]
        assert await rendered.of(other, RUN, first) == [UUID(int=1), UUID(int=2)]
    assert (one.asked, other.asked) == (2, 1)


async def test_what_was_used_longest_ago_goes_first() -> None:
    rendered, builder = Rendered(kept_steps=4), Noting()
    first, second, third = told(1, 2), told(3, 4), told(5, 6)
    for answer in (first, second, first, third):
        await rendered.of(builder, RUN, answer)
    assert builder.asked == 3
    await rendered.of(builder, RUN, first)
    assert builder.asked == 3
    await rendered.of(builder, RUN, second)
    assert builder.asked == 4
