"""The plans of queries whose arguments name one thing, and of those that do so by its id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from app.graphql.planner.builder import Declined, Run
from app.graphql.planner.steps import Arguments


@dataclass
class Found:
    """The one thing that a query's arguments name, for whoever may read."""

    arguments: Arguments
    find: Callable[[Run, dict[str, Any]], Awaitable[Any]]
    calls: ClassVar = False

    async def load(self, run: Run, sources: Sequence[Any]) -> Sequence[Any]:
        """It. Declines where there is none: the field's error is the reference's to tell."""
        run.context.require_reader()
        found = await self.find(run, self.arguments(run))
        if found is None:
            raise Declined("refused")
        return [found] * len(sources)


def plan(model: Any) -> Callable[[Any, Any], Found]:
    """How the row of a model is read that the argument `id` names."""

    def planned(compiler: Any, field: Any) -> Found:
        rows = compiler.rows(field, model, None)

        async def find(run: Run, given: dict[str, Any]) -> Any:
            id = str(run.context.uuid(given["id"], model.prn_kind, "id"))
            (row,) = await rows.load(run, [id])
            return row

        return Found(compiler.arguments(field, False), find)

    return planned
