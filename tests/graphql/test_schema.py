"""The schema as a document: printed, complete, and described."""

from __future__ import annotations

from pathlib import Path

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
    introspection_from_schema,
)

from app.graphql.node import ROWS
from app.graphql.schema import schema, sdl
from app.graphql.types import NODES

ROOT = Path(__file__).parents[2]


def test_the_file_is_what_the_code_says() -> None:
    assert (ROOT / "schema.graphql").read_text(encoding="utf-8") == sdl()


def test_the_file_is_a_schema() -> None:
    assert build_schema(sdl()).type_map.keys() == schema._schema.type_map.keys()


def test_everything_is_described() -> None:
    bare = []
    for name, kind in schema._schema.type_map.items():
        if name.startswith("__"):
            continue
        bare += [name] * (not kind.description)
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for field_name, field in kind.fields.items():
                bare += [f"{name}.{field_name}"] * (not field.description)
                bare += [
                    f"{name}.{field_name}({argument})"
                    for argument, told in field.args.items()
                    if not told.description
                ]
        if isinstance(kind, GraphQLInputObjectType):
            bare += [
                f"{name}.{field}" for field, told in kind.fields.items() if not told.description
            ]
        if isinstance(kind, GraphQLEnumType):
            bare += [
                f"{name}.{value}" for value, told in kind.values.items() if not told.description
            ]
    assert bare == []


def test_each_kind_of_name_has_a_type() -> None:
    assert {node.row for node in NODES} == set(ROWS.values())


PLACES = {
    *("QUERY", "MUTATION", "SUBSCRIPTION", "FIELD", "FRAGMENT_DEFINITION", "FRAGMENT_SPREAD"),
    *("INLINE_FRAGMENT", "VARIABLE_DEFINITION", "SCHEMA", "SCALAR", "OBJECT", "FIELD_DEFINITION"),
    *("ARGUMENT_DEFINITION", "INTERFACE", "UNION", "ENUM", "ENUM_VALUE", "INPUT_OBJECT"),
    "INPUT_FIELD_DEFINITION",
}
"""Where the specification of GraphQL, of September 2025, has directives."""


def test_introspection_tells_of_no_place_that_a_client_does_not_know() -> None:
    told = introspection_from_schema(schema._schema)["__schema"]["directives"]
    places = {place for directive in told for place in directive["locations"]}
    assert places <= PLACES
    (deprecated,) = [one for one in told if one["name"] == "deprecated"]
    assert {str(place) for place in deprecated["locations"]} == {
        *("FIELD_DEFINITION", "ARGUMENT_DEFINITION", "INPUT_FIELD_DEFINITION", "ENUM_VALUE")
    }
