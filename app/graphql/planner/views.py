"""Where a selection takes its values from, as Python source: a row of a statement, or an object.

The source of an expression names what it works on `r`; whatever else it uses is in `Names`. Ids are
text in every row, since PostgreSQL writes a uuid in a fraction of the time that Python takes.
"""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLOutputType, is_non_null_type

from app import database
from app.graphql.leaves import raw_form, written_by
from app.reads.statement import Statement


class Names(dict[str, Any]):
    """What the source of a builder refers to, by name."""

    def add(self, value: Any) -> str:
        """A name for a value."""
        name = f"n{len(self)}"
        self[name] = value
        return name


@dataclass(frozen=True)
class RowView:
    """A row of a statement, under an alias of it, with values as the driver gives them."""

    statement: Statement
    model: Any
    alias: str = "t"
    sure: bool = True
    """Whether the row is there; a joined one need not be, and all its values are null then."""

    def column(self, field: str) -> str:
        """A field of the model, in SQL."""
        return f"{self.alias}.{self.model._meta.fields_db_projection.get(field, field)}"

    def raw(self, field: str) -> str:
        """The source of a value as the driver has it."""
        return f"r[{self.statement.place(self.column(field))}]"

    def key(self, field: str) -> str:
        """The source of an id, as text."""
        return f"r[{self.statement.id(self.column(field))}]"

    def to_one(self, model: Any, by: str) -> RowView | None:
        """The row that a column names, joined; None where it takes a statement of its own."""
        alias = self.statement.join(model, self.column(by))
        return None if alias is None else RowView(self.statement, model, alias, sure=False)

    def leaf(self, field: str, type_: GraphQLOutputType, names: Names) -> str:
        """The source of a value as it stands in the answer."""
        raw, form = self.raw(field), raw_form(type_, embedded=not self.statement.postgres)
        if form is None:
            return raw
        written = f"{names.add(form)}({raw})"
        return written if is_non_null_type(type_) else f"(None if {raw} is None else {written})"

    def root(self, fields: tuple[str, ...] | None, names: Names) -> str:
        """The source of what a resolver gets: these fields under their names; None: an instance."""
        return self.there(self._instance(names) if fields is None else self._facts(fields, names))

    def there(self, expression: str) -> str:
        """The source of an expression; None where the row is not there."""
        return expression if self.sure else f"(None if {self.key('id')} is None else {expression})"

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

    def to_one(self, _model: Any, _by: str) -> RowView | None:
        """Nothing is joined to an object."""
        return None

    def leaf(self, field: str, type_: GraphQLOutputType, names: Names) -> str:
        """The source of a value as it stands in the answer."""
        return f"{names.add(written_by(type_))}(r.{field})"

    def root(self, _fields: tuple[str, ...] | None, _names: Names) -> str:
        """The object itself."""
        return "r"

    def there(self, expression: str) -> str:
        """The expression: no plan comes to an object that is not there."""
        return expression


View = RowView | ObjectView
