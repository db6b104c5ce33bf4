"""Questions made from the schema: all that a type tells, and values for what a field takes."""

from __future__ import annotations

import re
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_required_argument,
    is_required_input_field,
)
from graphql.type import GraphQLEnumType, GraphQLNonNull

from app.graphql.schema import schema
from tests.api import Json
from tests.graphql.world import ROWS, World, name

SCHEMA = schema._schema
TYPES = SCHEMA.type_map
QUERY = SCHEMA.query_type
MUTATION = SCHEMA.mutation_type
UUID_ = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
ID_KINDS = {
    "actorKey": "ApiKey",
    "nextRelease": "Release",
    "previousRelease": "Release",
    "reportedRelease": "Release",
}
"""What an input names, where its name does not say so."""


def fields_of(kind: GraphQLNamedType) -> dict[str, Any]:
    """The fields of a type, by name."""
    assert isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
    return dict(kind.fields)


def _bare(field: Any) -> bool:
    return not any(is_required_argument(argument) for argument in field.args.values())


def selection(kind: GraphQLNamedType, depth: int) -> str:
    """All plain fields of a type, and of what it leads to, so many steps away."""
    asked = ["__typename"]
    for field, told in fields_of(kind).items():
        target = get_named_type(told.type)
        if not _bare(told):
            continue
        if is_leaf_type(target):
            asked.append(field)
        elif depth:
            page = "(first: 3)" if "first" in told.args else ""
            asked.append(f"{field}{page} {{ {selection(target, depth - 1)} }}")
    return " ".join(asked)


class Inputs:
    """Values for the arguments and inputs of the schema, with the ids of a world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def id(self, field: str) -> str:
        """An id of the kind that a field's name says."""
        word = re.sub("Ids?$", "", field)
        kind = ID_KINDS.get(word, word[:1].upper() + word[1:])
        rows = self.world.all(kind) if kind in ROWS else self.world.all("Binary")
        return name(rows[0])

    def value(self, field: str, told: Any) -> Any:
        """A value that is taken for an argument or an input's field."""
        kind = get_named_type(told)
        bare = told.of_type if isinstance(told, GraphQLNonNull) else told
        if is_list_type(bare):
            return [self.value(field, bare.of_type)]
        if isinstance(kind, GraphQLInputObjectType):
            return {
                name: self.value(name, one.type)
                for name, one in kind.fields.items()
                if is_required_input_field(one)
            }
        if isinstance(kind, GraphQLEnumType):
            return next(iter(kind.values))
        if kind.name == "ID":
            return self.id(field)
        return {"Boolean": True, "Int": 1, "BigInt": 1, "Float": 0.5, "JSON": {}}.get(
            kind.name, "0" * 64 if kind.name == "Sha256" else "text"
        )

    def required(self, arguments: dict[str, GraphQLArgument]) -> Json:
        """Values for the arguments that a field has to have."""
        return {
            argument: self.value(argument, told.type)
            for argument, told in arguments.items()
            if is_required_argument(told)
        }


def asks(field: str, told: Any, values: Json, selected: str) -> tuple[str, Json]:
    """A query of one root field with these arguments, as a document and its variables."""
    declared = ", ".join(f"${argument}: {told.args[argument].type}" for argument in values)
    given = ", ".join(f"{argument}: ${argument}" for argument in values)
    head = f"query({declared})" if declared else "query"
    body = f" {{ {selected} }}" if selected else ""
    return f"{head} {{ {field}{f'({given})' if given else ''}{body} }}", values
