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
_LATER = re.compile(r"\{later:(\d+)\}")
# SQLite's times are texts as Tortoise writes them. Its `rowid`, in order of creation like an id,
# is part of each index, so that nothing is sorted. It needs no lock: a transaction is alone.
_NOW = "strftime('%Y-%m-%d %H:%M:%f+00:00', 'now'"
_WORDS = {
    "postgres": {
        "now": "now()",
        "later": r"now() + make_interval(secs => $\1)",
        "lock": "FOR UPDATE SKIP LOCKED",
        "oldest": "id",
    },
    "sqlite": {
        "now": f"{_NOW})",
        "later": rf"{_NOW}, $\1 || ' seconds')",
        "lock": "",
        "oldest": "rowid",
    },
}


@lru_cache(_STATEMENTS)
def worded(sql: str, *, embedded: bool) -> str:
    """Fills in what the databases say differently: `{now}`, `{lock}`, `{oldest}`.

    `{later:2}` is `$2` seconds from now, by the database's own clock.
    """
    words = _WORDS["sqlite" if embedded else "postgres"]
    sql = _LATER.sub(words["later"], sql)
    for word in ("now", "lock", "oldest"):
        sql = sql.replace(f"{{{word}}}", words[word])
    return sql


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
