"""The plan of `resolveBinary`: one statement reads what the rule judges and what is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from graphql import GraphQLOutputType

from app.graphql.context import Context
from app.graphql.leaves import written_by
from app.graphql.named import Found
from app.graphql.planner.builder import Run
from app.graphql.planner.views import Names, ObjectView, RowView
from app.models import Binary
from app.reads.best import BestBinary
from app.rules import target as targets
from app.rules.errors import BadUserInput
from app.rules.prn import Kind


def wanted(context: Context, device_id: str | None, target: str | None) -> UUID | str:
    """For what a binary is wanted: the id of a device, or a target. Raises BadUserInput."""
    if target is not None and device_id is None:
        return targets.target(target, path=("target",))
    if device_id is not None and target is None:
        return context.uuid(device_id, Kind.DEVICE, "deviceId")
    raise BadUserInput("Send `deviceId` or `target`, one of both.", path=("target",))


@dataclass(frozen=True)
class AnswerView(ObjectView):
    """The answer of the rule, which ends `r`, behind the row of the binary that it chose."""

    row: RowView

    def to_one(self, _model: Any, _by: str) -> RowView:
        """The binary, the only thing that an answer leads to."""
        return self.row

    def leaf(self, field: str, type_: GraphQLOutputType, names: Names) -> str:
        """The source of a value as it stands in the answer."""
        return f"{names.add(written_by(type_))}(r[-1].{field})"

    def root(self, _fields: tuple[str, ...] | None, _names: Names) -> str:
        """The source of the answer itself."""
        return "r[-1]"


def plan(compiler: Any, field: Any) -> Found:
    """How `resolveBinary` is read."""
    best = BestBinary(postgres=compiler.postgres)
    view = AnswerView(RowView(best.statement, Binary, sure=False))
    type_, grouped = compiler.selected(field.core.type, field.details)
    builder = compiler.built(type_, grouped, view)

    async def find(run: Run, given: dict[str, Any]) -> Any:
        context = run.context
        of = wanted(context, given.get("deviceId"), given.get("target"))
        version_id = context.uuid(
            given["artifactVersionId"], Kind.ARTIFACT_VERSION, "artifactVersionId"
        )
        found = await best.read(context.organization_id, version_id, of)
        if found is None:
            return None
        row = found.row or (None,) * len(best.statement.columns)
        (answer,) = await builder.build(run, [(*row, found.answer)])
        return answer

    return Found(compiler.arguments(field, False), find)
