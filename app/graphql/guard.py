"""What an operation may cost, judged before it is executed, in time linear in its text.

Every fragment is judged once, however often it is spread: a chain of fragments that doubles with
each link is as cheap to refuse as a short query.

The cost of an operation: each field with a selection costs 1 and the cost of its selection; a
connection multiplies that by its page (`first` or `last`, 50 by default), `nodes` by the number of
its ids, another list by 10; each element of a list in an argument costs 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
)

from app.reads.pages import DEFAULT_SIZE, MAX_SIZE
from app.settings import Settings

CEILING = 10**12
LIST_FACTOR = 10
MOST_ELEMENTS = 50_000
_META = {"__schema": "__Schema", "__type": "__Type"}
"""The types of the fields that lead into the schema, and are on no type themselves."""
PAGED = frozenset({"edges", "nodes", "errors"})
"""Lists that cost nothing more: their connection, or the mutation, has counted them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Limits:
    """The most that an operation may ask for.

    What is judged by them is kept by them: those of one process are one object.
    """

    characters: int = 64_000
    tokens: int = 2_000
    depth: int = 15
    aliases: int = 30
    directives: int = 50
    root_fields: int = 20
    mutations: int = 10
    cost: int = 25_000
    overlaps: int = 1_500
    """Pairs of fields that answer under one name, which validation has to compare."""

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Those of a process."""
        return cls(**{one.name: getattr(settings, f"limit_{one.name}") for one in fields(cls)})

    def for_introspection(self) -> Limits:
        """It goes deep by its nature, and never widens: its data is the schema."""
        depth, cost = max(self.depth, INTROSPECTION.depth), max(self.cost, INTROSPECTION.cost)
        return replace(self, depth=depth, cost=cost)


DEFAULT = Limits()
INTROSPECTION = Limits(depth=20, cost=25_000)
"""What the usual questions for the schema need."""


class Measure(NamedTuple):
    """What one selection asks for."""

    depth: int = 0
    aliases: int = 0
    directives: int = 0
    cost: int = 0

    def beside(self, other: Measure) -> Measure:
        """Both, one beside the other."""
        return Measure(
            max(self.depth, other.depth),
            min(self.aliases + other.aliases, CEILING),
            min(self.directives + other.directives, CEILING),
            min(self.cost + other.cost, CEILING),
        )


class TooComplex(GraphQLError):
    """The operation passes a limit, which the error names."""

    def __init__(self, what: str, asked: int, limit: int) -> None:
        super().__init__(
            f"The operation has {what} {asked}, the limit is {limit}.",
            extensions={"code": "QUERY_TOO_COMPLEX", "limit": what, "asked": asked, "most": limit},
        )


class Guard:
    """Judges the operations of one document."""

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]
    ) -> None:
        self._schema = schema
        self._variables = variables
        self._fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self._measured: dict[str, Measure] = {}
        self._defaults: dict[str, ValueNode] = {}

    def check(self, operation: OperationDefinitionNode, limits: Limits) -> int:
        """The operation's cost. Raises TooComplex for the first limit that it passes."""
        root = self._schema.get_root_type(operation.operation)
        self._defaults = {
            one.variable.name.value: one.default_value
            for one in operation.variable_definitions or ()
            if one.default_value is not None
        }
        measure = self._selection(operation.selection_set, root)
        names = list(self._root_fields(operation.selection_set, set()))
        if names and all(name.startswith("__") for name in names):
            limits = limits.for_introspection()
        mutates = operation.operation is OperationType.MUTATION
        for what, asked, limit in (
            ("depth", measure.depth, limits.depth),
            ("aliases", measure.aliases, limits.aliases),
            ("directives", measure.directives, limits.directives),
            ("root fields", len(names), limits.root_fields),
            ("mutations", len(names) if mutates else 0, limits.mutations),
            ("cost", measure.cost, limits.cost),
        ):
            if asked > limit:
                raise TooComplex(what, asked, limit)
        return measure.cost

    def label(self, operation: OperationDefinitionNode) -> str:
        """A short name of an operation for counting: one of the schema's, whatever was sent."""
        root = self._schema.get_root_type(operation.operation)
        names = set(self._root_fields(operation.selection_set, set()))
        if names and all(name.startswith("__") for name in names):
            return "introspection"
        if len(names) > 1:
            return "several"
        return next((name for name in names if root and name in root.fields), "unknown")

    def _root_fields(self, selected: SelectionSetNode, seen: set[str]) -> Iterator[str]:
        for node in selected.selections:
            if isinstance(node, FieldNode):
                yield node.name.value
            elif isinstance(node, InlineFragmentNode):
                yield from self._root_fields(node.selection_set, seen)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                fragment = self._fragments.get(node.name.value)
                if fragment is not None:
                    yield from self._root_fields(fragment.selection_set, seen)

    def _selection(self, selected: SelectionSetNode, parent: Any) -> Measure:
        total = Measure()
        for node in selected.selections:
            here = Measure(directives=len(node.directives or ()))
            if isinstance(node, FieldNode):
                found = self._field(node, parent)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                inner = self._schema.get_type(condition.name.value) if condition else parent
                found = self._selection(node.selection_set, inner)
            elif isinstance(node, FragmentSpreadNode):
                found = self._fragment(node.name.value)
            total = total.beside(found).beside(here)
        return total

    def _fragment(self, name: str) -> Measure:
        if name not in self._measured:
            # A cycle finds this and ends; validation refuses it afterwards.
            self._measured[name] = Measure()
            fragment = self._fragments.get(name)
            if fragment is not None:
                condition = self._schema.get_type(fragment.type_condition.name.value)
                self._measured[name] = self._selection(fragment.selection_set, condition)
        return self._measured[name]

    def _field(self, node: FieldNode, parent: Any) -> Measure:
        field = None
        if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            field = parent.fields.get(node.name.value)
        aliases = 1 if node.alias else 0
        given = sum(self._elements(one.value) for one in node.arguments or ())
        if node.selection_set is None:
            return Measure(1, aliases, 0, min(given, CEILING))
        inner = self._selection(node.selection_set, self._type(node, field))
        factor = 1
        if field is not None and "first" in field.args:
            factor = self._page(node)
        elif field is not None and node.name.value == "nodes" and "ids" in field.args:
            factor = max(1, given)
        elif field is not None and isinstance(get_nullable_type(field.type), GraphQLList):
            factor = 1 if node.name.value in PAGED else LIST_FACTOR
        cost = min(1 + given + factor * inner.cost, CEILING)
        return Measure(inner.depth + 1, inner.aliases + aliases, inner.directives, cost)

    def _type(self, node: FieldNode, field: Any) -> Any:
        if field is not None:
            return get_named_type(field.type)
        return self._schema.get_type(_META.get(node.name.value, ""))

    def _page(self, node: FieldNode) -> int:
        sizes = {one.name.value: self._integer(one.value) for one in node.arguments or ()}
        asked = sizes.get("first") or sizes.get("last") or DEFAULT_SIZE
        return min(max(asked, 1), MAX_SIZE)

    def _integer(self, value: ValueNode) -> int | None:
        if isinstance(value, IntValueNode):
            # Longer ones are out of every range, and slow to convert.
            return int(value.value) if len(value.value) < 10 else CEILING
        if not isinstance(value, VariableNode):
            return None
        name = value.name.value
        if name not in self._variables and name in self._defaults:
            return self._integer(self._defaults[name])
        return whole(self._variables.get(name))

    def _elements(self, value: ValueNode) -> int:
        if isinstance(value, VariableNode):
            name = value.name.value
            if name not in self._variables and name in self._defaults:
                return self._elements(self._defaults[name])
            return _elements_of(self._variables.get(name))
        if isinstance(value, ListValueNode):
            return len(value.values) + sum(map(self._elements, value.values))
        if isinstance(value, ObjectValueNode):
            return sum(self._elements(field.value) for field in value.fields)
        return 0


def whole(value: Any) -> int | None:
    """The number of a variable, if it is one that an `Int` takes: 100.0 is 100."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    fits = GRAPHQL_MIN_INT <= value <= GRAPHQL_MAX_INT
    return int(value) if fits and value == int(value) else None


def _elements_of(value: Any) -> int:
    count, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            count += len(one)
            if count > MOST_ELEMENTS:
                # Above the limit of any operation, how far is of no interest.
                break
        elif isinstance(one, dict):
            one = one.values()
        else:
            continue
        waiting += [inner for inner in one if isinstance(inner, list | dict)]
    return count
