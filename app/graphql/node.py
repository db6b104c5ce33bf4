"""What everything with an id has in the schema, and how it is found by one."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import strawberry

from app import models
from app.graphql.context import Info
from app.graphql.fields import identity, plain
from app.graphql.scalars import DateTime
from app.rules.prn import Kind, format_prn, parse_prn

_MODELS = [getattr(models, name) for name in models.__all__]
ROWS: Final[dict[Kind, Any]] = {
    model.prn_kind: model for model in _MODELS if hasattr(model, "prn_kind")
}
"""The model of each kind of resource name."""


@strawberry.interface(description="Anything that has an id of its own.")
class Node:
    """Relay's node. `row` is the model whose instances are of the type."""

    row: ClassVar[Any] = None

    @identity("The resource name: globally unique, and readable.")
    def id(self, root: strawberry.Parent[Any]) -> strawberry.ID:
        return strawberry.ID(format_prn(root.prn_kind, root.organization_id, root.id))

    @classmethod
    def is_type_of(cls, source: Any, _info: Any) -> bool:
        return type(source) is cls.row


@strawberry.interface(description="Anything that is made once and may change after.")
class Recorded(Node):
    """What all rows but events have."""

    created_at: DateTime = plain("When it was created.")
    updated_at: DateTime = plain("When it last changed.")


async def find_node(info: Info, kind: Kind, id: Any) -> Any:
    """The row of a kind and id, None where this organization has none."""
    return await info.context.loaders.one(ROWS[kind]).load(id)


async def find_by_name(info: Info, name: str, *path: str) -> Any:
    """The row that any resource name names, None where there is none. Raises BadUserInput."""
    parsed = parse_prn(name, path=path)
    if parsed.organization != info.context.organization_id:
        return None
    return await find_node(info, parsed.kind, parsed.id)
