"""How a hand-written statement is said to SQLite and to PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

_STATEMENTS = 1_000
_PLACEHOLDER = re.compile(r"\$(\d+)")


def bound(sql: str, arguments: Sequence[Any], *, embedded: bool) -> tuple[str, list[Any]]:
    """A statement with `$1` and `{ids:1}`, and its arguments, as the driver takes them.

    `{joined}` is the aggregate that strings texts together.
    """
    # With one id, a comparison with it: PostgreSQL then keeps its plan, and need not guess at how
    # many ids there will be.
    single = tuple(
        place
        for place, value in enumerate(arguments, 1)
        if isinstance(value, list) and len(value) == 1 and f"{{ids:{place}}}" in sql
    )
    values = [value[0] if place in single else value for place, value in enumerate(arguments, 1)]
    if embedded:
        values = [_sqlite_value(value) for value in values]
    return _written(sql, single, embedded), values


@lru_cache(_STATEMENTS)
def _written(sql: str, single: tuple[int, ...], embedded: bool) -> str:
    for place in single:
        sql = sql.replace(f"{{ids:{place}}}", f"= ${place}")
    sql = sql.replace("{joined}", "group_concat" if embedded else "string_agg")
    if embedded:
        sql = re.sub(r"\{ids:(\d+)\}", r"IN (SELECT value FROM json_each(?\1))", sql)
        return _PLACEHOLDER.sub(r"?\1", sql)
    return re.sub(r"\{ids:(\d+)\}", r"= ANY($\1::uuid[])", sql)


def _sqlite_value(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(" ")
    if isinstance(value, list):
        return "[" + ",".join(f'"{item}"' for item in value) + "]"
    return value
