"""How a field may be read with SQL alone: said beside the field, in its metadata.

A field that says nothing is an attribute, where it has no resolver; else the planner calls its
resolver. So nothing that is said here changes an answer, and what is left out costs time only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from graphql import GraphQLField

from app.graphql.listing import Listing

PLAN = "plan"
"""The key of a declaration in a field's metadata."""
BACK = "strawberry-definition"
"""Where a type or field of graphql-core names what Strawberry made it of."""


def declaration(field: GraphQLField) -> Any:
    """What is said beside a field; None where nothing is."""
    return field.extensions[BACK].metadata.get(PLAN)


def is_closed(declared: Any) -> bool:
    """Whether a device's key may not follow; what has a resolver or a plan of its own says so."""
    return isinstance(declared, ToMany | ToOne | Children) and not declared.device


@dataclass(frozen=True, slots=True)
class Identity:
    """The resource name of the row."""


@dataclass(frozen=True, slots=True)
class ToOne:
    """The row of a model that the column `by` names, or null; `device`: open to its key, too."""

    model: Any
    by: str
    device: bool = False


@dataclass(frozen=True, slots=True)
class Children:
    """The rows of a model whose column `by` names this row, in an order: a bounded list."""

    model: Any
    by: str
    order: str
    device: bool = False


@dataclass(frozen=True, slots=True)
class ToMany:
    """A page of a list whose column `by` names this row; None: of all rows."""

    listing: Listing
    by: str | None
    device: ClassVar = False


@dataclass(frozen=True, slots=True)
class Needs:
    """A resolver that looks at these columns of its row, and at no other."""

    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Own:
    """A field with a plan of its own: from the compiler and the selected field to the step."""

    plan: Callable[[Any, Any], Any]
