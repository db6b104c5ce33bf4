"""How a leaf is written: from a Python value as GraphQL does, or straight from a driver's value."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson
from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLOutputType,
    get_named_type,
    get_nullable_type,
    is_list_type,
)

from app.graphql.scalars import write_date_time

Written = Callable[[Any], Any]


def written_by(type_: GraphQLOutputType) -> Written:
    """The function that writes a leaf's Python value, null and lists included.

    It raises GraphQLError for what is null and must not be, or is out of the type's range.
    """
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


def raw_form(type_: GraphQLOutputType, *, embedded: bool) -> Written | None:
    """The function that writes a column's value that is not null; None: it stands as it is.

    The value is the driver's: SQLite has no booleans, times or JSON, and a list is JSON in both.
    """
    named = get_named_type(type_)
    if is_list_type(get_nullable_type(type_)):
        return orjson.loads
    if isinstance(named, GraphQLEnumType):
        names = {getattr(one.value, "value", one.value): name for name, one in named.values.items()}
        return None if all(value == name for value, name in names.items()) else names.__getitem__
    if named.name == "Boolean":
        return bool if embedded else None
    forms: dict[str, Written] = {
        "Int": _int,
        "BigInt": str,
        "DateTime": _time,
        "JSON": orjson.loads,
    }
    return forms.get(named.name)


def _int(value: int) -> int:
    if -(2**31) <= value < 2**31:
        return value
    raise GraphQLError("Int cannot represent a number of more than 32 bits.")


def _time(value: datetime | str) -> str:
    return write_date_time(datetime.fromisoformat(value) if isinstance(value, str) else value)
