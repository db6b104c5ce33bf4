"""How an object of each type is come to, found by following every field that leads on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLObjectType, get_named_type, is_leaf_type

from tests.api import Api, Json
from tests.graphql.questions import SCHEMA, TYPES, fields_of


@dataclass(frozen=True)
class Way:
    """A document with `@@` where the fields of an object of some type go."""

    text: str
    path: tuple[str, ...] = ()
    """The fields that lead there."""
    variables: Json = field(default_factory=dict)

    def asking(self, selection: str) -> str:
        """The document that asks such an object for something."""
        return self.text.replace("@@", selection)

    def on(self, field: str, type_: str) -> Way:
        """The way that goes on through a field, to objects of a type."""
        inner = f"{field} {{ __typename ... on {type_} {{ @@ }} }}"
        return Way(self.asking(inner), (*self.path, field), self.variables)

    def reached(self, data: Any) -> list[Json]:
        """The objects that an answer has at the way's end."""
        return list(_at(data, self.path))


def _at(data: Any, path: tuple[str, ...]) -> Iterator[Json]:
    if isinstance(data, list):
        for one in data:
            yield from _at(one, path)
    elif isinstance(data, dict):
        if not path:
            yield data
        elif path[0] in data:
            yield from _at(data[path[0]], path[1:])


async def explore(api: Api, starts: Iterable[tuple[str, Way]]) -> dict[str, Way]:
    """A way to each type of which this key can come to an object; the shortest one found."""
    ways: dict[str, Way] = {}
    waiting = list(starts)
    while waiting:
        type_, way = waiting.pop(0)
        if type_ in ways or not await _reaches(api, way):
            continue
        ways[type_] = way
        for name, told in fields_of(TYPES[type_]).items():
            if is_leaf_type(get_named_type(told.type)) or not _leads_on(type_, told):
                continue
            following = way.on(name, _some(told))
            body = (await api.post(following.asking("__typename"), way.variables)).json()
            found = {one["__typename"] for one in following.reached(body.get("data"))}
            waiting += [(one, way.on(name, one)) for one in sorted(found - ways.keys())]
    return ways


async def _reaches(api: Api, way: Way) -> bool:
    body = (await api.post(way.asking("__typename"), way.variables)).json()
    return bool(way.reached(body.get("data")))


def _leads_on(type_: str, told: Any) -> bool:
    required = [name for name, one in told.args.items() if str(one.type).endswith("!")]
    if required and type_ not in ("Query", "Mutation", "Subscription"):
        raise AssertionError(f"{type_} has a field that takes {required}")
    return not required


def _some(told: Any) -> str:
    """A type of object that a field may give, so that a fragment on it is valid."""
    named = get_named_type(told.type)
    if isinstance(named, GraphQLObjectType):
        return named.name
    return SCHEMA.get_possible_types(named)[0].name
