"""The reads of a plan but for pages: rows by a key, and what a resolver gives."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from strawberry.utils.await_maybe import await_maybe

from app import database
from app.graphql.planner.builder import Builder, Declined, Run
from app.reads.statement import Statement

Arguments = Callable[[Run], dict[str, Any]]
"""A field's arguments as an execution gives them."""
Of = Callable[[Any], Any]
"""Something of a source; None where it has none."""


@dataclass
class Rows:
    """The row that has a source's key in `by`; with an `order`, the list of those that have it."""

    statement: Statement
    builder: Builder
    key: Of
    by: str = "id"
    order: str | None = None
    calls: ClassVar = False

    def __post_init__(self) -> None:
        self.place = self.statement.id(f"t.{self.by}")

    async def load(self, run: Run, sources: Sequence[Any]) -> Sequence[Any]:
        """Null where there is no key or no row; one statement for all."""
        keys = [self.key(source) for source in sources]
        wanted = list(dict.fromkeys(key for key in keys if key is not None))
        sql, bound = self.statement.rows(self.by, self.order), [run.context.organization_id, wanted]
        rows = await database.fetch(sql, bound) if wanted else ()
        built = await self.builder.build(run, rows)
        if self.order is None:
            one = {row[self.place]: value for row, value in zip(rows, built, strict=True)}
            return [one.get(key) for key in keys]
        many: dict[Any, list[Any]] = {key: [] for key in wanted}
        for row, value in zip(rows, built, strict=True):
            many[row[self.place]].append(value)
        return [many.get(key) for key in keys]


@dataclass
class Calls:
    """A field's own resolver, called for all sources at once."""

    resolve: Callable[..., Any]
    arguments: Arguments
    root: Of
    complete: Callable[[Run, list[Any]], Awaitable[list[Any]]]
    calls: ClassVar = True

    async def load(self, run: Run, sources: Sequence[Any]) -> Sequence[Any]:
        """What the resolver gives, completed; None where a source has nothing to call it with."""
        arguments = self.arguments(run)
        roots = [self.root(source) for source in sources]
        asked = [place for place, root in enumerate(roots) if root is not None]
        found = [self.resolve(roots[place], run.info, **arguments) for place in asked]
        if any(map(inspect.isawaitable, found)):
            found = await asyncio.gather(*map(await_maybe, found))
        values: list[Any] = [None] * len(roots)
        for place, value in zip(asked, await self.complete(run, found), strict=True):
            values[place] = value
        return values


@dataclass
class Completion:
    """What resolvers gave, as objects of a type or lists of them: one batch of answers."""

    builders: Callable[[Any], Builder]
    listed: bool
    required: bool
    items_required: bool

    async def __call__(self, run: Run, values: list[Any]) -> list[Any]:
        """An answer for each. Declines where null stands for what can't be null."""
        lists = [value or () for value in values] if self.listed else [values]
        objects = [one for items in lists for one in items]
        if (self.required and None in values) or (self.items_required and None in objects):
            raise Declined("null")
        built = iter(await self._built(run, objects))
        if not self.listed:
            return list(built)
        return [None if value is None else [next(built) for _ in value] for value in values]

    async def _built(self, run: Run, objects: list[Any]) -> list[Any]:
        batches: dict[int, tuple[Builder, list[int]]] = {}
        for place, one in enumerate(objects):
            if one is not None:
                builder = self.builders(one)
                batches.setdefault(id(builder), (builder, []))[1].append(place)
        answers: list[Any] = [None] * len(objects)
        for builder, places in batches.values():
            built = await builder.build(run, [objects[place] for place in places])
            for place, answer in zip(places, built, strict=True):
                answers[place] = answer
        return answers
