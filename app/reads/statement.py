"""A statement that comes together column by column, for one organization."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MAX_JOINS = 8
"""Beyond so many joined tables, a statement of its own is cheaper."""


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

    def rows(self, by: str, order: str | None = None) -> str:
        """The statement of the rows whose column `by` is one of the ids `$2`."""
        ordered = f" ORDER BY t.{order}" if order else ""
        return (
            f"SELECT {self.selected} FROM {self.model._meta.db_table} t {self.joined}"
            f" WHERE t.{tenancy(self.model)} = $1 AND t.{by} {{ids:2}}{ordered}"
        )

    def join(self, model: Any, on: str) -> str | None:
        """The alias of the row that a column names; None where there are joins enough."""
        if len(self.joins) >= MAX_JOINS:
            return None
        return self.joins.setdefault((model, on), f"j{len(self.joins)}")


def tenancy(model: Any) -> str:
    """The column that names the organization."""
    return "id" if model._meta.db_table == "organization" else "organization_id"
