"""Which filters and orders each list takes, declared once."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any
from uuid import UUID

import strawberry
from strawberry import UNSET

from app.graphql.connections import Opened, OpenedList, cut, read_cursor, size_of
from app.graphql.context import Context
from app.graphql.enums import Direction
from app.reads.pages import Condition, Source, Spec
from app.rules.digest import sha256_hex
from app.rules.errors import BadUserInput
from app.rules.facts import camel
from app.rules.prn import Kind
from app.rules.text import sought


def narrow(sql: str, description: str, *, kind: Kind | None = None) -> Any:
    """A filter's field: SQL with `{}` for the value; `kind` where the value is an id."""
    return strawberry.field(
        default=UNSET, description=description, metadata={"sql": sql, "kind": kind}
    )


def hashed(sql: str, description: str) -> Any:
    """A filter's field that is a SHA-256, in any of its forms."""
    return strawberry.field(
        default=UNSET, description=description, metadata={"sql": sql, "digest": True}
    )


def containing(column: str, description: str) -> Any:
    """A filter's field that looks for a text within a column, in any case."""
    return strawberry.field(
        default=UNSET,
        description=description,
        metadata={"sql": f"lower({column}) LIKE lower({{}}) ESCAPE '!'", "contains": True},
    )


@dataclass(frozen=True)
class Listing:
    """A list: what it lists, its filter, its orders. The first order is the default.

    `orders` maps an order's name to its column; `descending` says that the newest come first.
    """

    name: str
    source: Source
    filter: type[Any]
    order: type[Any]
    orders: dict[str, str]
    descending: bool = False

    async def open(
        self, context: Context, parent: UUID | None, by: str | None, **arguments: Any
    ) -> Opened:
        """One page of the list for a parent. Raises BadUserInput."""
        spec, name = self.spec(context, by, **arguments)
        page = await context.loaders.page(spec).load(parent)
        return Opened(context, name, spec, parent, page)

    async def of(self, context: Context, ids: tuple[UUID, ...], **page: Any) -> Opened:
        """One page of the rows with these ids. Raises BadUserInput."""
        spec, name = self.spec(context, None, **page)
        spec = replace(spec, conditions=(*spec.conditions, Condition("t.id {ids}", ids)))
        return Opened(context, name, spec, None, await context.loaders.page(spec).load(None))

    async def among(
        self,
        context: Context,
        ids: Sequence[UUID],
        *,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> OpenedList:
        """One page of the rows with these ids, in the order of ids, which is theirs.

        They are read with those of all such pages. Raises BadUserInput.
        """
        size = size_of(first, last)
        name = f"{self.name}:{next(iter(self.orders))}:{self.descending}"
        start, end = 0, len(ids)
        if after is not None:
            start = bisect_right(ids, read_cursor(context, name, after, "after")[1])
        if before is not None:
            end = bisect_left(ids, read_cursor(context, name, before, "before")[1])
        page = cut(ids, start, end, size=size, backward=last is not None)
        rows = await context.loaders.one(self.source.model).load_many(page.rows)
        return OpenedList(context, name, ids, replace(page, rows=tuple(rows)))

    async def where(
        self, context: Context, parent: UUID, conditions: tuple[Condition, ...], **page: Any
    ) -> Opened:
        """One page of the rows that meet the conditions, for a parent. Raises BadUserInput."""
        spec, name = self.spec(context, "t.subject_id", **page)
        spec = replace(spec, conditions=(*spec.conditions, *conditions))
        return Opened(context, name, spec, parent, await context.loaders.page(spec).load(parent))

    def spec(
        self,
        context: Context,
        by: str | None,
        *,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        filter: Any = None,
        order_by: Any = None,
    ) -> tuple[Spec, str]:
        """Which page is asked for, and the name of the list in this order, for its cursors."""
        size = size_of(first, last)
        order = next(iter(self.orders)) if order_by is None else order_by.field.value
        descending = self.descending if order_by is None else order_by.direction is Direction.DESC
        name = f"{self.name}:{order}:{descending}"

        def key(cursor: str | None, argument: str) -> tuple[Any, UUID] | None:
            return None if cursor is None else read_cursor(context, name, cursor, argument)

        spec = Spec(
            source=self.source,
            column=self.orders[order],
            conditions=() if filter is None else conditions(context, filter),
            parent=by,
            descending=descending,
            size=size,
            backward=last is not None,
            after=key(after, "after"),
            before=key(before, "before"),
        )
        return spec, name

    def within(self, *, join: str, tenancy: str = "t.organization_id") -> Listing:
        """The same list, reached through a table between."""
        return replace(self, source=replace(self.source, join=join, tenancy=tenancy))


def conditions(context: Context, filter: Any) -> tuple[Condition, ...]:
    """The conditions of a filter's fields that are given. Raises BadUserInput."""
    found = []
    for field in filter.__strawberry_definition__.fields:
        value = getattr(filter, field.python_name)
        if value is UNSET or value is None:
            continue
        found.append(Condition(field.metadata["sql"], _value(context, field, value)))
    return tuple(found)


def _value(context: Context, field: Any, value: Any) -> Any:
    path = ("filter", camel(field.python_name))
    if field.metadata.get("contains"):
        escaped = sought(value, path=path).replace("!", "!!").replace("%", "!%").replace("_", "!_")
        return f"%{escaped}%"
    if field.metadata.get("digest"):
        return sha256_hex(value, path=path)
    if kind := field.metadata.get("kind"):
        return context.uuid(value, kind, *path)
    if isinstance(value, list):
        if len(value) > 100:
            raise BadUserInput("A filter takes at most 100 values.", path=path)
        return tuple(_plain(item, path) for item in value)
    return _plain(value, path)


def _plain(value: Any, path: tuple[str, ...]) -> Any:
    if isinstance(value, Enum):
        return value.value
    return sought(value, path=path) if isinstance(value, str) else value
