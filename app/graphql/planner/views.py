"""Where a selection takes its values from, as Python source: a row of a statement, or an object.

The source of an expression names what it works on `r`; whatever else it uses is in `Names`. Ids are
text in every row, since PostgreSQL writes a uuid in a fraction of the time that Python takes.
"""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLOutputType, is_non_null_type

from app import database
from app.graphql.leaves import raw_form, written_by


class Names(dict[str, Any]):
    """What the source of a builder refers to, by name."""

    def add(self, value: Any) -> str:
        """A name for a value."""
        name = f"n{len(self)}"
        self[name] = value
        return name


@dataclass
class Statement:
    """What one statement selects of a model `t` and of its joins; `$1` is the organization."""

    model: Any
    postgres: bool
    columns: list[str] = field(default_factory=list)
    joins: dict[tuple[Any, str], str] = field(default_factory=dict)

    @property
    def selected(self) -> str:
        """The list of what it selects."""
        return ", ".join(self.columns)

    @property
    def joined(self) -> str:
        """The joins: each row of this organization alone."""
        return " ".join(
            f"LEFT JOIN {model._meta.db_table} {alias} ON {alias}.id = {on}"
            f" AND {alias}.{tenancy(model)} = $1"
            for (model, on), alias in self.joins.items()
        )

    def place(self, expression: str) -> int:
        """Where its rows have the value of an expression."""
        if expression not in self.columns:
            self.columns.append(expression)
        return self.columns.index(expression)

    def id(self, expression: str) -> int:
        """Where its rows have an id, as text."""
        return self.place(f"{expression}::text" if self.postgres else expression)

    def join(self, model: Any, on: str) -> str:
        """The alias of the row that a column names, if there is one."""
        return self.joins.setdefault((model, on), f"j{len(self.joins)}")


def tenancy(model: Any) -> str:
    """The column that names the organization."""
    return "id" if model._meta.db_table == "organization" else "organization_id"


@dataclass(frozen=True)
class RowView:
    """A row of a statement, under an alias of it, with values as the driver gives them."""

    statement: Statement
    model: Any
    alias: str = "t"

    def column(self, field: str) -> str:
        """A field of the model, in SQL."""
        return f"{self.alias}.{self.model._meta.fields_db_projection.get(field, field)}"

    def raw(self, field: str) -> str:
        """The source of a value as the driver has it."""
        return f"r[{self.statement.place(self.column(field))}]"

    def key(self, field: str) -> str:
        """The source of an id, as text."""
        return f"r[{self.statement.id(self.column(field))}]"

    def leaf(self, field: str, type_: GraphQLOutputType, names: Names) -> str:
        """The source of a value as it stands in the answer."""
        raw, form = self.raw(field), raw_form(type_, embedded=not self.statement.postgres)
        if form is None:
            return raw
        written = f"{names.add(form)}({raw})"
        return written if is_non_null_type(type_) else f"(None if {raw} is None else {written})"

    def root(self, fields: tuple[str, ...] | None, names: Names) -> str:
        """The source of what a resolver gets: these fields under their names; None: an instance."""
        made = self._instance(names) if fields is None else self._facts(fields, names)
        # A joined row need not be there.
        return made if self.alias == "t" else f"(None if {self.key('id')} is None else {made})"

    def _instance(self, names: Names) -> str:
        model, columns = self.model, list(self.model._meta.fields_db_projection.values())

        def make(*row: Any) -> Any:
            return database.instance(model, dict(zip(columns, row, strict=True)))

        return f"{names.add(make)}({', '.join(map(self.raw, columns))})"

    def _facts(self, fields: tuple[str, ...], names: Names) -> str:
        known = self.model._meta.fields_map
        values = (f"{names.add(known[one].to_python_value)}({self.raw(one)})" for one in fields)
        return f"{names.add(namedtuple('Facts', fields))}({', '.join(values)})"


class ObjectView:
    """A Python object whose attributes are the values."""

    def key(self, field: str) -> str:
        """The source of an id, as text."""
        return f"(None if r.{field} is None else str(r.{field}))"

    def leaf(self, field: str, type_: GraphQLOutputType, names: Names) -> str:
        """The source of a value as it stands in the answer."""
        return f"{names.add(written_by(type_))}(r.{field})"

    def root(self, _fields: tuple[str, ...] | None, _names: Names) -> str:
        """The object itself."""
        return "r"


View = RowView | ObjectView
