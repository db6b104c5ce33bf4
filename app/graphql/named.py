"""The plan of a query of one row by its id."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from app.graphql.planner.builder import Declined, Run
from app.graphql.planner.steps import Arguments, Rows


@dataclass
class Named:
    """The row of a model that the argument `id` names."""

    model: Any
    arguments: Arguments
    rows: Rows
    calls: ClassVar = False

    async def load(self, run: Run, sources: Sequence[Any]) -> Sequence[Any]:
        """The row. Declines where there is none: the field's error is the reference's to tell."""
        run.context.require_reader()
        id = str(run.context.uuid(self.arguments(run)["id"], self.model.prn_kind, "id"))
        found = await self.rows.load(run, [id] * len(sources))
        if None in found:
            raise Declined("refused")
        return found


def plan(model: Any) -> Callable[[Any, Any], Named]:
    """How a row of a model is read."""
    return lambda compiler, field: Named(
        model, compiler.arguments(field, False), compiler.rows(field, model, None)
    )
