"""The connections of a plan: the pages of all sources in one statement, and their counts in one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from app import database
from app.graphql.connections import write_cursor
from app.graphql.declared import ToMany
from app.graphql.planner.builder import Builder, Run
from app.graphql.planner.steps import Arguments, Of
from app.reads import pages
from app.reads.pages import Page, Spec
from app.reads.statement import Statement


@dataclass
class Read:
    """The pages that were read, one for each key; `name` is the list's in cursors."""

    run: Run
    spec: Spec
    name: str
    keys: list[Any]
    pages: list[Page]
    rows: list[Any]
    """The rows of all pages, one after the other."""

    def cut(self, values: Sequence[Any]) -> list[list[Any]]:
        """The values of all rows, page by page."""
        found, begun = [], 0
        for page in self.pages:
            found.append(list(values[begun : begun + len(page.rows)]))
            begun += len(page.rows)
        return found


Part = Callable[[Read], Awaitable[Sequence[Any]]]
"""A selected field of a connection: a value for each page; or of its edges: for each row."""
Parts = Mapping[str, Part]


async def _objects(parts: Parts, read: Read, count: int) -> list[dict[str, Any]]:
    """As many objects, each with a value of every part."""
    objects: list[dict[str, Any]] = [{} for _ in range(count)]
    for key, part in parts.items():
        for one, value in zip(objects, await part(read), strict=True):
            one[key] = value
    return objects


class Pages:
    """A page of a list for each source."""

    calls: ClassVar = False

    def __init__(
        self, declared: ToMany, arguments: Arguments, key: Of, statement: Statement
    ) -> None:
        self._declared, self._statement = declared, statement
        self._arguments, self._key = arguments, key
        self._parent = statement.id(pages.PARENT) if declared.by else None
        self._id = statement.id("t.id")
        self.parts: dict[str, Part] = {}
        self.reads = False
        """Whether a part looks at rows; a count does not."""

    async def load(self, run: Run, sources: Sequence[Any]) -> Sequence[Any]:
        """Each source's connection; None where it has no key."""
        keys = [self._key(source) for source in sources]
        wanted = list(dict.fromkeys(key for key in keys if key is not None))
        if not wanted:
            # Nobody has the field, so nobody is told that its arguments are wrong.
            return keys
        declared = self._declared
        spec, name = declared.listing.spec(run.context, declared.by, **self._arguments(run))
        read = Read(run, spec, name, wanted, [Page((), False, False)] * len(wanted), [])
        if self.reads:
            await self._read(read)
        found = dict(zip(wanted, await _objects(self.parts, read, len(wanted)), strict=True))
        return [found.get(key) for key in keys]

    async def _read(self, read: Read) -> None:
        sql, arguments = pages.select(
            read.spec,
            read.run.context.organization_id,
            read.keys if self._parent is not None else (),
            columns=self._statement.selected,
            joins=self._statement.joined,
        )
        grouped: dict[Any, list[Any]] = {key: [] for key in read.keys}
        for row in await database.fetch(sql, arguments):
            grouped[0 if self._parent is None else row[self._parent]].append(row)
        read.pages = [pages.page_of(read.spec, rows) for rows in grouped.values()]
        read.rows = [row for page in read.pages for row in page.rows]

    # The parts.

    def nodes(self, builder: Builder) -> Part:
        """The field `nodes`."""

        async def values(read: Read) -> Sequence[Any]:
            return read.cut(await builder.build(read.run, read.rows))

        return values

    def edges(self, parts: Parts) -> Part:
        """The field `edges`, of the parts of each."""

        async def values(read: Read) -> Sequence[Any]:
            return read.cut(await _objects(parts, read, len(read.rows)))

        return values

    def node(self, builder: Builder) -> Part:
        """The field `node` of an edge."""
        return lambda read: builder.build(read.run, read.rows)

    def cursor(self) -> Part:
        """The field `cursor` of an edge."""
        write = self._cursor()

        async def values(read: Read) -> Sequence[Any]:
            return [write(read, row) for row in read.rows]

        return values

    def info(self, fields: Mapping[str, str]) -> Part:
        """The field `pageInfo`: its fields' names by their keys in the answer."""
        cursor = self._cursor()

        def value(name: str, page: Page, read: Read) -> Any:
            known = {"hasNextPage": page.has_next, "hasPreviousPage": page.has_previous}
            if name in known or name == "__typename":
                return known.get(name, "PageInfo")
            row = page.rows and page.rows[0 if name == "startCursor" else -1]
            return cursor(read, row) if row else None

        async def values(read: Read) -> Sequence[Any]:
            return [
                {key: value(name, page, read) for key, name in fields.items()}
                for page in read.pages
            ]

        return values

    def _cursor(self) -> Callable[[Read, Any], str]:
        id, order = self._id, self._statement.place(pages.ORDER)
        return lambda read, row: write_cursor(read.run.context, read.name, row[order], row[id])

    @staticmethod
    def typename(name: str, *, of_rows: bool = False) -> Part:
        """A `__typename`, of the connection or of its edges."""

        async def values(read: Read) -> Sequence[Any]:
            return [name] * len(read.rows if of_rows else read.pages)

        return values

    @staticmethod
    async def total(read: Read) -> Sequence[Any]:
        """The field `totalCount`."""
        parents = [UUID(key) for key in read.keys] if read.spec.parent else []
        found = await pages.counts(read.spec, read.run.context.organization_id, parents)
        return list(found.values())
