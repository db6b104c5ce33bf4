"""A row of which nothing is asked for but its id: what names it is enough, and nothing is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLObjectType

from app.graphql.declared import Identity, declaration
from app.graphql.planner.views import ObjectView, RowView, View


@dataclass(frozen=True)
class KeyView(ObjectView):
    """A row that is known by its id alone; `source` gives that as text."""

    source: str

    def key(self, _field: str) -> str:
        """The source of the id."""
        return self.source


def key_alone(
    view: View, by: str, type_: GraphQLObjectType, grouped: Mapping[str, Any]
) -> KeyView | None:
    """The view of the row that `by` names, if its id is all that is selected.

    Only where the row is there for sure: a foreign key says so, or an answer from rows just read.
    """
    names = {details[0].node.name.value for details in grouped.values()} - {"__typename"}
    if not all(isinstance(declaration(type_.fields[name]), Identity) for name in names):
        return None
    if isinstance(view, RowView):
        sure = by.removesuffix("_id") in view.model._meta.fk_fields
    else:
        sure = type(view) is ObjectView
    return KeyView(view.key(by)) if sure else None
