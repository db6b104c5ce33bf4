"""The planner is small enough to be read at once: 900 lines, of which no file has above 300."""

from __future__ import annotations

from pathlib import Path

from app.graphql import planner


def test_the_planner_is_small() -> None:
    room = Path(planner.__file__).parent
    sizes = [len(one.read_text("utf-8").splitlines()) for one in room.glob("*.py")]
    assert sum(sizes) <= 900
    assert max(sizes) <= 300
