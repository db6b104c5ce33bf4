"""Every place of the API where an id, cursor, token, key or name of one's own can be swapped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from graphql import (
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    OperationDefinitionNode,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    parse,
    type_from_ast,
)

from tests.api import ERRORS
from tests.graphql.questions import MUTATION, QUERY, SCHEMA, TYPES, fields_of, selection
from tests.graphql.world import ROWS

OPERATIONS: Final = Path(__file__).parents[2] / "fixtures" / "operations"
TEXTS: Final = {
    "name": "name",
    "nameContains": "name",
    "identifier": "identifier",
    "identifierContains": "identifier",
    "version": "version",
    "hash": "hash",
    "fingerprint": "fingerprint",
    "publicKey": "public_key",
    "description": "description",
}
"""Inputs that are told apart by their text, and the column that holds such texts."""
SEALED: Final = {
    "after": "cursors",
    "before": "cursors",
    "planToken": "tokens",
    "idempotencyKey": "idempotency_keys",
}
_ENDLESS: Final = {"eventRecorded"}
"""Subscriptions that answer nothing to a filter that fits nothing."""
_DEPTHS: Final = (0, 1)


@dataclass(frozen=True)
class Operation:
    """A document with one operation; every argument is a variable."""

    name: str
    text: str
    variables: dict[str, Any]
    """The types of its variables."""
    kind: str

    @property
    def creates(self) -> bool:
        """Whether it makes something new each time, and changes nothing that is there."""
        return self.kind == "mutation" and "reate" in self.name


@dataclass(frozen=True)
class Place:
    """Where in an operation's variables a value stands, and what kind of value."""

    operation: Operation
    path: tuple[str | int, ...]
    word: str
    """The name of the argument or input field."""
    sort: str
    """`id`, or a key of TEXTS or SEALED."""

    def __str__(self) -> str:
        return f"{self.operation.name} {'.'.join(map(str, self.path))}"


@lru_cache(1)
def places() -> tuple[Place, ...]:
    """All of them, in an order that stays."""
    return tuple(place for operation in operations() for place in _places(operation))


def operations() -> Iterator[Operation]:
    """Each root field, each field with arguments of a type of node, and each example."""
    assert QUERY is not None
    assert MUTATION is not None
    for depth in _DEPTHS:
        for field, told in QUERY.fields.items():
            if told.args:
                yield _operation("query", field, told, _selected(told, depth))
    for field, told in MUTATION.fields.items():
        yield _operation("mutation", field, told, _payload(told))
    for owner in ROWS:
        for field, told in fields_of(TYPES[owner]).items():
            if told.args:
                yield _below(owner, field, told)
    for path in sorted(OPERATIONS.glob("*.graphql")):
        yield from _example(path)
    watched = fields_of(TYPES["Subscription"])["binaryChanged"]
    yield _operation("subscription", "binaryChanged", watched, _selected(watched, 1))


def _operation(kind: str, field: str, told: Any, selected: str) -> Operation:
    variables = {name: argument.type for name, argument in told.args.items()}
    return Operation(
        field,
        f"{kind}({_declared(variables)}) {{ {_called(field, told, selected)} }}",
        variables,
        kind,
    )


def _below(owner: str, field: str, told: Any) -> Operation:
    """A field of a node with arguments, asked of the node by its id."""
    variables = {name: argument.type for name, argument in told.args.items()}
    asked = f"... on {owner} {{ {_called(field, told, _selected(told, 1))} }}"
    text = f"query($own: ID!, {_declared(variables)}) {{ node(id: $own) {{ {asked} }} }}"
    own = fields_of(TYPES["Query"])["node"].args["id"].type
    return Operation(f"{owner}.{field}", text, {"own": own, **variables}, "query")


def _example(path: Path) -> Iterator[Operation]:
    text = path.read_text(encoding="utf-8")
    (found,) = [one for one in parse(text).definitions if isinstance(one, OperationDefinitionNode)]
    if any(f" {field}" in text for field in _ENDLESS):
        return
    variables = {
        one.variable.name.value: type_from_ast(SCHEMA, one.type)
        for one in found.variable_definitions or ()
    }
    yield Operation(path.stem, text, variables, found.operation.value)


def _declared(variables: dict[str, Any]) -> str:
    return ", ".join(f"${name}: {type_}" for name, type_ in variables.items())


def _called(field: str, told: Any, selected: str) -> str:
    given = ", ".join(f"{name}: ${name}" for name in told.args)
    return f"{field}({given}) {selected}"


def _selected(told: Any, depth: int) -> str:
    target = get_named_type(told.type)
    return "" if is_leaf_type(target) else f"{{ {selection(target, depth)} }}"


def _payload(told: Any) -> str:
    results = []
    for field, one in fields_of(get_named_type(told.type)).items():
        target = get_named_type(one.type)
        if field == "errors" or is_leaf_type(target):
            continue
        inner = "__typename"
        if isinstance(target, GraphQLObjectType | GraphQLInterfaceType) and "id" in target.fields:
            inner += " id"
        results.append(f"{field} {{ {inner} }}")
    return f"{{ {' '.join(results)} {ERRORS} }}"


def _places(operation: Operation) -> Iterator[Place]:
    for name, type_ in operation.variables.items():
        for path, word, leaf in _leaves((name,), name, type_):
            sort = "id" if leaf == "ID" else word
            # A name is no obstacle to a change of one's own things, which would go on to be other
            # things for the next case.
            changes = operation.kind == "mutation" and not operation.creates
            if sort in ("id", "planToken") or (sort in TEXTS | SEALED and not changes):
                yield Place(operation, path, word, sort)


def _leaves(
    path: tuple[str | int, ...], word: str, type_: Any
) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    bare = get_nullable_type(type_)
    if is_list_type(bare):
        yield from _leaves((*path, 0), word, bare.of_type)
    elif isinstance(bare, GraphQLInputObjectType):
        for name, field in bare.fields.items():
            yield from _leaves((*path, name), name, field.type)
    else:
        yield path, word, bare.name
