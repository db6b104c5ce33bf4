"""Where a selection takes its values from, as Python source: a row of a statement, or an object.

The source of an expression names what it works on `r`; whatever else it uses is in `Names`.
"""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson
from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLOutputType,
    get_named_type,
    is_non_null_type,
)

from app import database

MAX_JOINS = 8
"""Beyond so many joined tables, a statement of its own is cheaper."""


class Names(dict[str, Any]):
    """What the source of a builder refers to, by name."""

    def add(self, value: Any) -> str:
        """A name for a value."""
        name = f"n{len(self)}"
        self[name] = value
        return name


class View(Protocol):
    """How a selection takes values from what it is answered from."""

    def leaf(self, column: str, type_: GraphQLOutputType, names: Names) -> str:
        """The source of a column's value, as it stands in the answer."""

    def key(self, column: str) -> str:
        """The source of a column that is an id, as the rows of a statement have it."""

    def text(self, column: str) -> str:
        """The source of a column that is an id and never null, as text."""

    def has(self, name: str, /) -> bool:
        """Whether an attribute can be taken without a resolver."""

    def root(self, columns: tuple[str, ...] | None, names: Names, /) -> str:
        """The source of what a resolver gets: these columns of it, or None for all."""


@dataclass
class Statement:
    """What one statement selects, as it comes together; `$1` is the organization."""

    model: Any
    postgres: bool
    columns: list[str] = field(default_factory=list)
    joins: list[str] = field(default_factory=list)
    aliases: dict[tuple[Any, str], str] = field(default_factory=dict)

    @property
    def table(self) -> str:
        """The table of the model."""
        return str(self.model._meta.db_table)

    @property
    def tenancy(self) -> str:
        """The column that names the organization."""
        return _tenancy(self.model)

    @property
    def selected(self) -> str:
        """The list of what it selects."""
        return ", ".join(self.columns)

    @property
    def joined(self) -> str:
        """The joins."""
        return " ".join(self.joins)

    def place(self, expression: str) -> int:
        """Where the statement's rows have the value of an expression."""
        if expression not in self.columns:
            self.columns.append(expression)
        return self.columns.index(expression)

    def join(self, model: Any, on: str) -> str:
        """The alias of the row of this organization that a column names, if there is one."""
        alias = self.aliases.get((model, on))
        if alias is None:
            alias = self.aliases[model, on] = f"j{len(self.joins)}"
            self.joins.append(
                f"LEFT JOIN {model._meta.db_table} {alias} ON {alias}.id = {on}"
                f" AND {alias}.{_tenancy(model)} = $1"
            )
        return alias


def _tenancy(model: Any) -> str:
    return "id" if model._meta.db_table == "organization" else "organization_id"


@dataclass(frozen=True)
class RowView:
    """A row of a statement, under an alias of it, with values as the driver gives them."""

    statement: Statement
    model: Any
    alias: str = "t"

    def name(self, field: str) -> str:
        """The column of a field of the model."""
        return str(self.model._meta.fields_db_projection.get(field, field))

    def column(self, field: str) -> str:
        """The same under the alias, in SQL."""
        return f"{self.alias}.{self.name(field)}"

    def raw(self, name: str) -> str:
        """The source of a column's value as the driver has it."""
        return f"r[{self.statement.place(self.column(name))}]"

    def key(self, column: str) -> str:
        """The raw value."""
        return self.raw(column)

    def text(self, column: str) -> str:
        """The raw value, as text."""
        return f"str({self.raw(column)})" if self.statement.postgres else self.raw(column)

    def has(self, name: str, /) -> bool:
        """Whether it is a column."""
        return name in self.model._meta.fields_map

    def leaf(self, column: str, type_: GraphQLOutputType, names: Names) -> str:
        """The raw value, written as its type asks for."""
        raw = self.raw(column)
        form = _form(type_, self.statement.postgres)
        if form is None:
            return raw
        written = f"{names.add(form)}({raw})"
        return written if is_non_null_type(type_) else f"(None if {raw} is None else {written})"

    def root(self, columns: tuple[str, ...] | None, names: Names, /) -> str:
        """The row as a tuple with names, or as an instance of its model; values as Python has."""
        made = self._instance(names) if columns is None else self._facts(columns, names)
        # A joined row need not be there.
        return made if self.alias == "t" else f"(None if {self.raw('id')} is None else {made})"

    def _instance(self, names: Names) -> str:
        model = self.model
        columns = list(model._meta.fields_db_projection.values())
        values = ", ".join(
            f"r[{self.statement.place(f'{self.alias}.{column}')}]" for column in columns
        )

        def make(*row: Any) -> Any:
            return database.instance(model, dict(zip(columns, row, strict=True)))

        return f"{names.add(make)}({values})"

    def _facts(self, columns: tuple[str, ...], names: Names) -> str:
        fields = self.model._meta.fields_map
        values = [
            f"{names.add(fields[column].to_python_value)}({self.raw(column)})" for column in columns
        ]
        return f"{names.add(namedtuple('Facts', columns))}({', '.join(values)})"


@dataclass(frozen=True)
class ObjectView:
    """A Python object whose attributes are the values."""

    postgres: bool

    def key(self, column: str) -> str:
        """The attribute; SQLite has ids as text."""
        value = f"r.{column}"
        return value if self.postgres else f"(None if {value} is None else str({value}))"

    def text(self, column: str) -> str:
        """The attribute, as text."""
        return f"str(r.{column})"

    def has(self, _name: str, /) -> bool:
        """Always, since resolvers give what has the attributes of their type."""
        return True

    def leaf(self, column: str, type_: GraphQLOutputType, names: Names) -> str:
        """The attribute, written as its type asks for."""
        return f"{names.add(written_by(type_))}(r.{column})"

    def root(self, _columns: tuple[str, ...] | None, _names: Names) -> str:
        """The object itself."""
        return "r"


def written_by(type_: GraphQLOutputType) -> Any:
    """The function that writes a leaf's Python value, null and lists included."""
    if isinstance(type_, GraphQLNonNull):
        inner = written_by(type_.of_type)

        def required(value: Any) -> Any:
            written = inner(value)
            if written is None:
                raise GraphQLError("A field that can't be null is.")
            return written

        return required
    if isinstance(type_, GraphQLList):
        item = written_by(type_.of_type)
        return lambda values: None if values is None else [item(value) for value in values]
    serialize: Any = type_.serialize  # type: ignore[union-attr]
    return lambda value: None if value is None else serialize(value)


def _form(type_: GraphQLOutputType, postgres: bool) -> Any:
    """The function that writes a leaf's raw value that is not null; None: as it is."""
    named = get_named_type(type_)
    if is_list(type_):
        return orjson.loads
    if isinstance(named, GraphQLEnumType):
        names = {getattr(one.value, "value", one.value): name for name, one in named.values.items()}
        return None if all(value == name for value, name in names.items()) else names.__getitem__
    forms = {"Int": _int, "BigInt": str, "DateTime": _time, "JSON": orjson.loads}
    if named.name == "Boolean":
        return None if postgres else bool
    return forms.get(named.name)


def is_list(type_: GraphQLOutputType) -> bool:
    """Whether a type is a list, be it nullable or not."""
    inner = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    return isinstance(inner, GraphQLList)


def _int(value: int) -> int:
    if -(2**31) <= value < 2**31:
        return value
    raise GraphQLError("Int cannot represent a number of more than 32 bits.")


def _time(value: datetime | str) -> str:
    time = datetime.fromisoformat(value) if isinstance(value, str) else value
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
