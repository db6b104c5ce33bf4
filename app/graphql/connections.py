"""Relay connections by keyset: arguments, cursors, pages."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import orjson
import strawberry

from app.graphql.context import Context
from app.reads.pages import DEFAULT_SIZE, MAX_SIZE, Page, Spec
from app.rules.errors import BadUserInput
from app.rules.token import seal, unseal

T = TypeVar("T")
CURSOR_TAG_BYTES = 8


@strawberry.type(description="How to get the neighbouring pages of a connection.")
class PageInfo:
    """Relay's page information."""

    has_next_page: bool = strawberry.field(description="Whether there is a page after this one.")
    has_previous_page: bool = strawberry.field(
        description="Whether there is a page before this one."
    )
    start_cursor: str | None = strawberry.field(description="The cursor of the first edge.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last edge.")


@strawberry.type(description="One place in a connection.")
class Edge(Generic[T]):
    """Relay's edge."""

    cursor: str = strawberry.field(description="Where this edge is; opaque.")
    node: T = strawberry.field(description="What is there.")


@strawberry.type(description="One page of a list.")
class Connection(Generic[T]):
    """Relay's connection; an `Opened` stands behind it."""

    edges: list[Edge[T]] = strawberry.field(description="The page, with cursors.")
    nodes: list[T] = strawberry.field(description="The page, without cursors.")
    page_info: PageInfo = strawberry.field(description="How to get the neighbouring pages.")
    total_count: int = strawberry.field(
        description="How many there are in all pages; counted only when it is asked for."
    )


@dataclass
class Place:
    """A row and its cursor."""

    cursor: str
    node: Any


@dataclass
class Opened:
    """One page as GraphQL sees it."""

    context: Context
    name: str
    spec: Spec
    parent: UUID | None
    page: Page

    @property
    def nodes(self) -> list[Any]:
        """The rows."""
        return list(self.page.rows)

    @property
    def edges(self) -> list[Place]:
        """The rows with their cursors."""
        return [Place(self._cursor(row), row) for row in self.page.rows]

    @property
    def page_info(self) -> PageInfo:
        """What is beyond the page."""
        rows = self.page.rows
        return PageInfo(
            has_next_page=self.page.has_next,
            has_previous_page=self.page.has_previous,
            start_cursor=self._cursor(rows[0]) if rows else None,
            end_cursor=self._cursor(rows[-1]) if rows else None,
        )

    @property
    def total_count(self) -> Any:
        """The size of the whole list, as an awaitable."""
        return self.context.loaders.count(self.spec).load(self.parent)

    def _cursor(self, row: Any) -> str:
        return write_cursor(self.context, self.name, row.order_key, row.id)


def page_arguments(resolver: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a resolver of a connection the four arguments of a page, as keywords."""

    async def paged(
        root: Any,
        info: Any,
        first: Any = None,
        after: Any = None,
        last: Any = None,
        before: Any = None,
    ) -> Any:
        opened = resolver(root, info, first=first, after=after, last=last, before=before)
        return await opened if inspect.isawaitable(opened) else opened

    paged.__annotations__ = {**PAGE_ARGUMENTS, "return": resolver.__annotations__["return"]}
    paged.__module__ = resolver.__module__
    return paged


def argument(type_: Any, text: str) -> Any:
    """An argument's type with its description."""
    return Annotated[type_, strawberry.argument(description=text)]


PAGE_ARGUMENTS: dict[str, Any] = {
    "info": strawberry.Info,
    "first": argument(int | None, "How many, from the front: 1 to 100, by default 50."),
    "after": argument(str | None, "Only what comes after this cursor."),
    "last": argument(int | None, "How many, from the back: 1 to 100."),
    "before": argument(str | None, "Only what comes before this cursor."),
}
"""The annotations of a connection's resolver."""


class OpenedList(Opened):
    """One page of rows that are all there already."""

    def __init__(self, context: Context, name: str, rows: Sequence[Any], page: Page) -> None:
        self.context, self.name, self.rows, self.page = context, name, rows, page

    @property
    def total_count(self) -> int:
        """The size of the whole list."""
        return len(self.rows)

    def _cursor(self, row: Any) -> str:
        return write_cursor(self.context, self.name, None, row.id)


def open_list(
    context: Context,
    name: str,
    rows: Sequence[Any],
    *,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> OpenedList:
    """One page of rows in the order given. Raises BadUserInput."""
    size = size_of(first, last)
    places = {row.id: place for place, row in enumerate(rows)}

    def place(cursor: str | None, argument: str, default: int) -> int:
        if cursor is None:
            return default
        return places.get(read_cursor(context, name, cursor, argument)[1], default)

    start, end = place(after, "after", -1) + 1, place(before, "before", len(rows))
    page = cut(rows, start, end, size=size, backward=last is not None)
    return OpenedList(context, name, rows, page)


def cut(rows: Sequence[Any], start: int, end: int, *, size: int, backward: bool) -> Page:
    """The first rows from `start` on, or the last ones before `end`."""
    end = max(start, end)
    chosen = (
        range(max(start, end - size), end) if backward else range(start, min(end, start + size))
    )
    return Page(
        tuple(rows[chosen.start : chosen.stop]),
        has_next=chosen.stop < len(rows),
        has_previous=chosen.start > 0,
    )


def write_cursor(context: Context, name: str, key: Any, id: UUID) -> str:
    """The cursor of a row in a list; `name` is the list's and its order's."""
    purpose = f"cursor:{context.organization_id}:{name}"
    kind = "t" if isinstance(key, datetime) else "v"
    payload = orjson.dumps([kind, str(key) if isinstance(key, UUID) else key, str(id)])
    return seal(purpose, payload, key=context.server.secret, tag_bytes=CURSOR_TAG_BYTES)


def read_cursor(context: Context, name: str, cursor: str, argument: str) -> tuple[Any, UUID]:
    """The key in a cursor of this list. Raises BadUserInput where it is not one."""
    purpose = f"cursor:{context.organization_id}:{name}"
    try:
        kind, key, id = orjson.loads(
            unseal(purpose, cursor, key=context.server.secret, tag_bytes=CURSOR_TAG_BYTES)
        )
    except ValueError:
        raise BadUserInput(
            f"`{argument}` is no cursor of this list in this order; use one of its `pageInfo`.",
            path=(argument,),
        ) from None
    return datetime.fromisoformat(key) if kind == "t" else key, UUID(id)


def size_of(first: int | None, last: int | None) -> int:
    """How many rows to read. Raises BadUserInput unless one or none of both is 1 to 100."""
    if first is not None and last is not None:
        raise BadUserInput("Send `first` or `last`, not both.", path=("last",))
    for argument, value in (("first", first), ("last", last)):
        if value is not None and not 1 <= value <= MAX_SIZE:
            raise BadUserInput(
                f"`{argument}` is {value}; it must be 1 to {MAX_SIZE}.", path=(argument,)
            )
    return first or last or DEFAULT_SIZE
