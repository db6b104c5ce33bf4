"""A walk over every connection that introspection tells of, as a Relay client goes.

Forward and backward, in every order and on pages of several sizes, each row is met exactly once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_client_schema,
    get_introspection_query,
    get_named_type,
    is_list_type,
    is_required_argument,
)
from graphql.type import get_nullable_type

from tests.api import Api
from tests.graphql.world import ROWS, World, build, names

SIZES: Final = (1, 2, 3, 100)
ORDERED_SIZE: Final = 2
"""The size of the pages of each order beside the default one."""
FEW: Final = 2
"""How many owners of a connection are walked in full, the ones with the most rows."""
LEAST: Final = 2
"""So many rows a connection has at its largest, else a walk over it would show nothing."""
SHORT: Final = {
    "ApiKey.events": "One that was revoked has a second, but no key of this world was.",
    "BinarySignature.events": "One that was taken back has a second, and is there no more.",
    "Bundle.events": "A bundle is made and never changed, so one event is all there is.",
}
ANYTHING: Final = "Query"
FORWARD: Final = ("first", "after", "hasNextPage")
BACKWARD: Final = ("last", "before", "hasPreviousPage")


@dataclass(frozen=True, slots=True)
class Place:
    """A connection: `path` leads from a query, or from a node of a type, to its field."""

    root: str
    path: tuple[str, ...]
    target: str
    is_node: bool
    orders: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name."""
        return ".".join((self.root, *self.path))

    def selection(self, arguments: str, fields: str) -> str:
        """What asks for it."""
        opened = " { ".join(self.path)
        return f"{opened}({arguments}) {{ {fields} }}" + " }" * (len(self.path) - 1)

    def of(self, found: Any) -> Any:
        """The connection in an answer."""
        for step in self.path:
            found = found[step]
        return found


class Told:
    """What introspection tells of connections."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self.node = schema.type_map["Node"]
        self.seen: set[str] = set()

    def places(self) -> Iterator[Place]:
        """Every connection that a query leads to, each of them by its shortest path."""
        waiting: list[tuple[GraphQLObjectType, str, tuple[str, ...]]] = [
            (kind, kind.name, ())
            for kind in self.schema.type_map.values()
            if isinstance(kind, GraphQLObjectType)
            if kind.name == ANYTHING or self.node in kind.interfaces
        ]
        known = {kind.name for kind, _, _ in waiting}
        while waiting:
            owner, root, path = waiting.pop(0)
            for name, field in owner.fields.items():
                target = get_named_type(field.type)
                if not isinstance(target, GraphQLObjectType) or _needs_more(field):
                    continue
                if {"first", "last", "after", "before"} <= field.args.keys():
                    self.seen.add(f"{owner.name}.{name}")
                    yield self._place(root, (*path, name), field, target)
                elif target.name not in known and not is_list_type(get_nullable_type(field.type)):
                    known.add(target.name)
                    waiting.append((target, root, (*path, name)))

    def _place(
        self, root: str, path: tuple[str, ...], field: GraphQLField, target: GraphQLObjectType
    ) -> Place:
        row = get_named_type(target.fields["nodes"].type) if "nodes" in target.fields else None
        assert isinstance(row, GraphQLObjectType), f"{target.name} has no nodes"
        orders = tuple(_orders(field.args.get("orderBy")))
        return Place(root, path, row.name, self.node in row.interfaces, orders)

    def connections(self) -> set[str]:
        """Every field that takes a page, wherever it is."""
        return {
            f"{kind.name}.{name}"
            for kind in self.schema.type_map.values()
            if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
            for name, field in kind.fields.items()
            if {"first", "last", "after", "before"} <= field.args.keys()
        }


def _needs_more(field: GraphQLField) -> bool:
    return any(is_required_argument(argument) for argument in field.args.values())


def _orders(argument: GraphQLArgument | None) -> Iterator[str]:
    """Every order that an argument can be, as GraphQL."""
    if argument is None:
        return
    kind = get_named_type(argument.type)
    assert isinstance(kind, GraphQLInputObjectType)
    written = [""]
    for name, field in kind.fields.items():
        choices = get_named_type(field.type)
        assert isinstance(choices, GraphQLEnumType), f"{kind.name}.{name} is no choice"
        written = [f"{text} {name}: {value}" for text in written for value in choices.values]
    yield from (f"orderBy: {{{text} }}" for text in written)


@dataclass
class Walker:
    """Goes from page to page of one connection."""

    api: Api
    place: Place
    owner: str | None
    """The node that it belongs to; None where it belongs to the query."""

    async def page(self, arguments: str, **variables: Any) -> Any:
        """One page: its edges, and what it tells of itself."""
        key = "node { id }" if self.place.is_node else "node { __typename }"
        fields = (
            f"edges {{ cursor {key} }} totalCount"
            " pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
        )
        asked = self.place.selection(arguments, fields)
        if self.owner is None:
            query = f"query($at: String) {{ {asked} }}"
            found = await self.api.ask(query, **variables)
            return self.place.of(found)
        query = (
            f"query($owner: ID!, $at: String)"
            f" {{ node(id: $owner) {{ ... on {self.place.root} {{ {asked} }} }} }}"
        )
        found = await self.api.ask(query, owner=self.owner, **variables)
        return self.place.of(found["node"])

    async def walk(self, size: int, order: str, *, backward: bool) -> tuple[list[str], int]:
        """Every cursor with its node, in the connection's order, and the count that is told."""
        count, cursor, more = BACKWARD if backward else FORWARD
        met: list[str] = []
        total, at = -1, None
        while True:
            page = await self.page(f"{count}: {size}, {cursor}: $at {order}", at=at)
            rows = [f"{edge['cursor']} {edge['node'].get('id', '')}" for edge in page["edges"]]
            info, where = page["pageInfo"], f"{self.place.name} of {self.owner} {order}"
            ends = [edge["cursor"] for edge in page["edges"]] or [None]
            assert (info["startCursor"], info["endCursor"]) == (ends[0], ends[-1]), where
            assert len(rows) <= size, where
            assert total in (-1, page["totalCount"]), where
            total = page["totalCount"]
            met = rows + met if backward else met + rows
            if not info[more]:
                return met, total
            assert len(rows) == size, f"{where} has a page that is not full before the last one"
            at = info["startCursor" if backward else "endCursor"]


async def _owners(api: Api, place: Place, world: World) -> list[str | None]:
    """Who has such a connection, the one with the most rows first."""
    if place.root == ANYTHING:
        return [None]
    counts: list[tuple[int, str]] = []
    for owner in names(world.all(place.root)):
        walker = Walker(api, place, owner)
        try:
            counts.append(((await walker.page("first: 1, after: $at"))["totalCount"], owner))
        except TypeError:
            # A step of the path is null for this one.
            continue
    return [owner for _, owner in sorted(counts, reverse=True)]


@pytest.mark.long
async def test_each_row_is_met_exactly_once(api: Api) -> None:
    world = await build(api, size=4)
    introspection: Any = await api.ask(get_introspection_query(input_value_deprecation=True))
    told = Told(build_client_schema(introspection))
    places = list(told.places())
    assert len(places) > 20
    assert told.seen == told.connections()
    short = set()
    for place in places:
        owners = await _owners(api, place, world)
        most = 0
        for rank, owner in enumerate(owners):
            walker = Walker(api, place, owner)
            for order in ("", *place.orders):
                sizes = SIZES if not order and rank < FEW else (ORDERED_SIZE,)
                if order and rank >= FEW:
                    continue
                met = await _agreed(walker, order, sizes)
                most = max(most, len(met))
                if place.root == ANYTHING and place.target in ROWS:
                    ids = [row.split(" ")[1] for row in met]
                    assert sorted(ids) == sorted(names(world.all(place.target))), place.name
        if most < LEAST:
            short.add(place.name)
    assert short == SHORT.keys()


async def _agreed(walker: Walker, order: str, sizes: tuple[int, ...]) -> list[str]:
    """The rows of a connection in an order: as many as are told, and the same on every walk."""
    first: list[str] | None = None
    for size in sizes:
        for backward in (False, True):
            met, total = await walker.walk(size, order, backward=backward)
            where = f"{walker.place.name} of {walker.owner} by {size}, {order}, {backward}"
            assert len(set(met)) == len(met) == total, where
            assert first in (None, met), where
            first = met
    assert first is not None
    return first
