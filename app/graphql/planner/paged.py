"""The connections of a plan: the pages of all sources in one statement, and their counts in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from app import database
from app.graphql.connections import write_cursor
from app.graphql.declared import ToMany
from app.graphql.planner.builder import Builder, Run
from app.graphql.planner.steps import Arguments, Of
from app.graphql.planner.views import Statement
from app.reads import pages
from app.reads.pages import Page, Spec
from app.reads.values import as_uuid


@dataclass
class Read:
    """The pages that were read, one for each key, and what their rows stand for in cursors."""

    run: Run
    spec: Spec
    name: str
    keys: list[Any]
    pages: list[Page]
    id: int
    order: int

    @property
    def rows(self) -> list[Any]:
        """The rows of all pages, one after the other."""
        return [row for page in self.pages for row in page.rows]

    def cut(self, values: Sequence[Any]) -> list[list[Any]]:
        """The values of all rows, page by page."""
        found, begun = [], 0
        for page in self.pages:
            found.append(list(values[begun : begun + len(page.rows)]))
            begun += len(page.rows)
        return found

    def cursor(self, row: Any) -> str:
        """The cursor of a row."""
        return write_cursor(self.run.context, self.name, row[self.order], row[self.id])


class Part(Protocol):
    """One selected field of a connection, or of its edges."""

    async def values(self, read: Read) -> Sequence[Any]:
        """One value for each page; of an edge's field, one for each row of all pages."""


@dataclass
class Constant:
    """A `__typename`."""

    value: str
    of_rows: bool = False

    async def values(self, read: Read) -> Sequence[Any]:
        """The name, again and again."""
        return [self.value] * len(read.rows if self.of_rows else read.pages)


@dataclass
class Each:
    """The field `node` of an edge."""

    builder: Builder

    async def values(self, read: Read) -> Sequence[Any]:
        """The rows, built."""
        return await self.builder.build(read.run, read.rows)


@dataclass
class Nodes:
    """The field `nodes`."""

    builder: Builder

    async def values(self, read: Read) -> Sequence[Any]:
        """A list for each page."""
        return read.cut(await self.builder.build(read.run, read.rows))


async def _objects(parts: dict[str, Part], read: Read, count: int) -> list[dict[str, Any]]:
    """As many objects, each with a value of every part."""
    objects: list[dict[str, Any]] = [{} for _ in range(count)]
    for key, part in parts.items():
        for one, value in zip(objects, await part.values(read), strict=True):
            one[key] = value
    return objects


class Cursors:
    """The field `cursor` of an edge."""

    async def values(self, read: Read) -> Sequence[Any]:
        """The rows' cursors."""
        return [read.cursor(row) for row in read.rows]


@dataclass
class Edges:
    """The field `edges`."""

    parts: dict[str, Part]

    async def values(self, read: Read) -> Sequence[Any]:
        """A list for each page."""
        return read.cut(await _objects(self.parts, read, len(read.rows)))


@dataclass
class Info:
    """The field `pageInfo`; its fields' names by their keys in the answer."""

    fields: dict[str, str]

    async def values(self, read: Read) -> Sequence[Any]:
        """An object for each page."""
        return [
            {key: self._value(name, page, read) for key, name in self.fields.items()}
            for page in read.pages
        ]

    def _value(self, name: str, page: Page, read: Read) -> Any:
        if name == "hasNextPage":
            return page.has_next
        if name == "hasPreviousPage":
            return page.has_previous
        if name == "__typename":
            return "PageInfo"
        return read.cursor(page.rows[0 if name == "startCursor" else -1]) if page.rows else None


class Total:
    """The field `totalCount`."""

    async def values(self, read: Read) -> Sequence[Any]:
        """The size of each whole list."""
        parents = [] if read.spec.parent is None else [as_uuid(key) for key in read.keys]
        found = await pages.counts(read.spec, read.run.context.organization_id, parents)
        return [found[parent] for parent in (parents if read.spec.parent else [None])]


@dataclass
class Pages:
    """A page of a list for each source."""

    declared: ToMany
    arguments: Arguments
    key: Of
    statement: Statement
    parts: dict[str, Part] = field(default_factory=dict)
    calls: ClassVar = False

    async def load(self, run: Run, sources: Sequence[Any]) -> Sequence[Any]:
        """Each source's connection; None where it has no key."""
        by = self.declared.by
        spec, name = self.declared.listing.spec(run.context, by, **self.arguments(run))
        keys = [self.key(source) for source in sources] if by else [None] * len(sources)
        wanted = list(dict.fromkeys(key for key in keys if key is not None)) if by else [None]
        if not wanted:
            return keys
        read = await self._read(run, spec, name, wanted)
        made = await _objects(self.parts, read, len(wanted))
        found = dict(zip(wanted, made, strict=True))
        return [found.get(key) for key in keys]

    async def _read(self, run: Run, spec: Spec, name: str, wanted: list[Any]) -> Read:
        selected = self.statement
        parent = selected.place(pages.PARENT) if spec.parent else None
        id, order = selected.place("t.id"), selected.place(pages.ORDER)
        sql, arguments = pages.select(
            spec,
            run.context.organization_id,
            wanted if spec.parent else (),
            columns=selected.selected,
            joins=selected.joined,
        )
        grouped: dict[Any, list[Any]] = {key: [] for key in wanted}
        for row in await database.fetch(sql, arguments):
            grouped[None if parent is None else row[parent]].append(row)
        read = [pages.page_of(spec, rows) for rows in grouped.values()]
        return Read(run, spec, name, wanted, read, id, order)
