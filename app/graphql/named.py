"""The plan of a query of one row by its id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.graphql.planner.builder import Run
from app.graphql.planner.steps import Found


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
