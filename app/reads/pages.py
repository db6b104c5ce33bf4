"""Pages of lists, by keyset: a page costs the same at the end of a list as at its beginning.

The order of every list is total: a column that is never null, and then the id. A page of the
children of many parents is one statement, and so is a count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

from app import database

DEFAULT_SIZE = 50
MAX_SIZE = 100


@dataclass(frozen=True, slots=True)
class Source:
    """A table to list, as `t`; `join` ends in what ties it to the parents' column.

    `tenancy` is the column that names the organization.
    """

    model: type[Any]
    join: str = ""
    tenancy: str = "t.organization_id"


@dataclass(frozen=True, slots=True)
class Condition:
    """A piece of SQL with `{}` where the value goes; a tuple takes one place for each element.

    `{ids}` takes a tuple of ids whole, as the right side of a comparison.
    """

    sql: str
    value: Any


@dataclass(frozen=True, slots=True)
class Spec:
    """Which page: `column` is the order's, `after` and `before` are keys (value, id)."""

    source: Source
    column: str
    conditions: tuple[Condition, ...] = ()
    parent: str | None = None
    descending: bool = False
    size: int = DEFAULT_SIZE
    backward: bool = False
    after: tuple[Any, UUID] | None = None
    before: tuple[Any, UUID] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in the list's order, and whether there are more beyond either end."""

    rows: tuple[Any, ...]
    has_next: bool
    has_previous: bool


class _Statement:
    """Collects a statement's arguments; the first one is the organization."""

    def __init__(self, spec: Spec, organization_id: UUID) -> None:
        self.arguments: list[Any] = []
        self._spec = spec
        self._tenancy = f"{spec.source.tenancy} = {self.bind(organization_id)}"
        self.rows = f"{spec.source.model._meta.db_table} t {spec.source.join}"
        self.way = "DESC" if spec.descending is not spec.backward else "ASC"
        by_id = f"t.id {self.way}"
        self.order = by_id if spec.column == "t.id" else f"{spec.column} {self.way}, {by_id}"
        # A number in the text, not an argument: a database that knows it plans the statement once.
        self.first = f"ORDER BY {self.order} LIMIT {spec.size + 1}"

    def bind(self, value: Any) -> str:
        self.arguments.append(value.value if isinstance(value, Enum) else value)
        return f"${len(self.arguments)}"

    def among(self, parents: Sequence[UUID]) -> str:
        """The conditions of the list, and of its place between the cursors, for these parents."""
        if self._spec.parent is None:
            return self.where()
        if len(parents) == 1:
            # So the rows come in the order of an index that begins with the parent.
            return self.where(f"{self._spec.parent} = {self.bind(parents[0])}")
        self.arguments.append(list(parents))
        return self.where(f"{self._spec.parent} {{ids:{len(self.arguments)}}}")

    def where(self, *parts: str) -> str:
        """The conditions of the list, these included."""
        found = [self._tenancy, *parts]
        for condition in self._spec.conditions:
            value = condition.value
            if "{ids}" in condition.sql:
                self.arguments.append(list(value))
                found.append(condition.sql.replace("{ids}", f"{{ids:{len(self.arguments)}}}"))
                continue
            if isinstance(value, tuple):
                bound = f"({', '.join(map(self.bind, value))})" if value else "(NULL)"
            else:
                bound = self.bind(value)
            found.append(condition.sql.format(bound))
        return " AND ".join(found)

    def beyond(self) -> str:
        """The condition of the place between the cursors."""
        spec = self._spec
        forward = "<" if spec.descending else ">"
        back = ">" if spec.descending else "<"
        parts = []
        for key, operator in ((spec.after, forward), (spec.before, back)):
            if key is not None and spec.column == "t.id":
                parts.append(f" AND t.id {operator} {self.bind(key[1])}")
            elif key is not None:
                value, id = self.bind(key[0]), self.bind(key[1])
                parts.append(f" AND ({spec.column}, t.id) {operator} ({value}, {id})")
        return "".join(parts)


PARENT, ORDER = "{parent}", "{order}"
"""What the columns of a statement call a row's parent, and its value in the list's order."""


def select(
    spec: Spec,
    organization_id: UUID,
    parents: Sequence[UUID] = (),
    *,
    columns: str | None = None,
    joins: str = "",
) -> tuple[str, list[Any]]:
    """The statement of one page for each parent, and its arguments.

    `columns` and `joins` may name any column of the listed table as `t`, PARENT and ORDER; `$1`
    is the organization. It gives a row more than the page has, if there is one, so that one can
    tell; within a parent, in the order in which the page is read.
    """
    statement = _Statement(spec, organization_id)
    if columns is None:
        parent = "" if spec.parent is None else f", {PARENT} AS parent_key"
        columns = f"t.*{parent}, {ORDER} AS order_key"
    if len(parents) <= 1:
        where = statement.among(parents) + statement.beyond()
        rows = f"{statement.rows} {joins} WHERE {where} {statement.first}"
        named = {"parent": spec.parent, "order": spec.column}
    elif spec.source.join or database.dialect(database.reader()) != "sqlite":
        page = _numbered(statement, spec, parents)
        rows = f"({page}) t {joins} WHERE t.place <= {spec.size + 1} ORDER BY t.place"
        named = {"parent": "t.parent_key", "order": "t.order_key"}
    else:
        rows = _looped(statement, spec, parents, joins)
        named = {"parent": "p.value", "order": spec.column}
    return f"SELECT {columns.format(**named)} FROM {rows}", statement.arguments


def _looped(statement: _Statement, spec: Spec, parents: Sequence[UUID], joins: str) -> str:
    """The rows of many parents by a loop over these, which reads no row beyond a page.

    SQLite takes two or three times as long to number the rows of all.
    """
    where = statement.where(f"{spec.parent} = p.value") + statement.beyond()
    page = f"SELECT t.rowid FROM {statement.rows} WHERE {where} {statement.first}"
    return (
        f"json_each({statement.bind(list(parents))}) p CROSS JOIN {statement.rows} {joins}"
        f" WHERE t.rowid IN ({page}) ORDER BY {statement.order}"
    )


def _numbered(statement: _Statement, spec: Spec, parents: Sequence[UUID]) -> str:
    """The rows of many parents, each numbered within its parent."""
    where = statement.among(parents) + statement.beyond()
    return (
        f"SELECT t.*, {spec.parent} AS parent_key, {spec.column} AS order_key, ROW_NUMBER()"
        f" OVER (PARTITION BY {spec.parent} ORDER BY {statement.order}) AS place"
        f" FROM {statement.rows} WHERE {where}"
    )


async def pages(
    spec: Spec,
    organization_id: UUID,
    parents: Sequence[UUID] = (),
    *,
    using: database.Connection | None = None,
) -> dict[UUID | None, Page]:
    """One page for each parent (or for None where the spec has no parent), in one statement."""
    sql, arguments = select(spec, organization_id, parents)
    found: dict[UUID | None, list[Any]] = defaultdict(list)
    for row in await database.query(sql, arguments, using=using):
        parent = row.get("parent_key")
        instance = database.instance(spec.source.model, row)
        instance.order_key = row["order_key"]
        found[UUID(str(parent)) if parent is not None else None].append(instance)
    keys: Sequence[UUID | None] = (None,) if spec.parent is None else parents
    return {key: page_of(spec, found.get(key, [])) for key in keys}


def page_of(spec: Spec, rows: list[Any]) -> Page:
    """The page of one parent from the rows that the statement gave for it, in their order."""
    more = len(rows) > spec.size
    rows = rows[: spec.size]
    if spec.backward:
        return Page(tuple(reversed(rows)), has_next=spec.before is not None, has_previous=more)
    return Page(tuple(rows), has_next=more, has_previous=spec.after is not None)


async def counts(
    spec: Spec,
    organization_id: UUID,
    parents: Sequence[UUID] = (),
    *,
    using: database.Connection | None = None,
) -> dict[UUID | None, int]:
    """How many rows each parent's list has in all, in one statement."""
    statement = _Statement(spec, organization_id)
    rows_from = f"FROM {statement.rows} WHERE {statement.among(parents)}"
    if spec.parent is None:
        (row,) = await database.query(
            f"SELECT COUNT(*) AS n {rows_from}", statement.arguments, using=using
        )
        return {None: row["n"]}
    rows = await database.query(
        f"SELECT {spec.parent} AS parent_key, COUNT(*) AS n {rows_from} GROUP BY {spec.parent}",
        statement.arguments,
        using=using,
    )
    found: dict[UUID | None, int] = {UUID(str(row["parent_key"])): row["n"] for row in rows}
    return {parent: found.get(parent, 0) for parent in parents}
