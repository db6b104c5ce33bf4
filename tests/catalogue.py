"""The live catalogue of a database as text, the same for SQLite and PostgreSQL.

A table is its name, then a line for each column, key, index, trigger and check in it: `?` marks a
column that may be null, `->` what it refers to. A check is named by the columns that it looks at,
since each database writes it down in words of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from app import database

_TYPES = {"bool": "boolean", "int4": "integer", "int8": "bigint"}
_BOOKKEEPING = re.compile("tortoise_|sqlite_|aerich")

_POSTGRES_COLUMNS = """
    SELECT table_name AS place, column_name AS name, udt_name AS type,
        is_nullable = 'YES' AS nullable
    FROM information_schema.columns WHERE table_schema = 'public'
"""
_POSTGRES_REFERENCES = """
    SELECT conrelid::regclass::text AS place, confrelid::regclass::text AS target,
        condeferred AS deferred, attname AS name
    FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY (conkey)
    WHERE contype = 'f'
"""
_POSTGRES_CHECKS = """
    SELECT conrelid::regclass::text AS place, conname AS name,
        array_agg(attname::text ORDER BY attname::text) AS columns
    FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY (conkey)
    WHERE contype = 'c' AND connamespace = 'public'::regnamespace GROUP BY 1, 2
"""
_POSTGRES_INDEXES = """
    SELECT i.indrelid::regclass::text AS place, i.indexrelid::regclass::text AS name,
        i.indisunique AS unique, i.indisprimary AS main, c.conname IS NOT NULL AS bare,
        pg_get_expr(i.indpred, i.indrelid) AS predicate,
        array_agg(a.attname::text ORDER BY k.place) AS columns
    FROM pg_index i
    JOIN unnest(i.indkey) WITH ORDINALITY AS k (number, place) ON TRUE
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
    JOIN pg_class t ON t.oid = i.indrelid AND t.relnamespace = 'public'::regnamespace
    LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('u', 'p')
    GROUP BY 1, 2, 3, 4, 5, 6
"""

_POSTGRES_TRIGGERS = """
    SELECT tgrelid::regclass::text AS place, tgname AS name FROM pg_trigger WHERE NOT tgisinternal
"""


async def catalogue() -> dict[str, list[str]]:
    """Every table of the open database, with its lines in order."""
    read = _sqlite if database.dialect(database.reader()) == "sqlite" else _postgres
    return {name: sorted(lines) for name, lines in sorted((await read()).items())}


async def columns(table: str) -> dict[str, bool]:
    """The columns of a table, with whether they may be null."""
    lines = (await catalogue())[table]
    parts = [line.split() for line in lines if line.split()[0] == "column"]
    return {name.rstrip("?"): name.endswith("?") for _, name, *_ in parts}


def _column(name: str, type: str, *, nullable: bool, target: str = "") -> str:
    mark, refers = "?" if nullable else "", f" -> {target}" if target else ""
    return f"column {name}{mark} {type}{refers}"


def _index(name: str, on: Iterable[str], *, unique: bool, predicate: str = "") -> str:
    kind = "unique " if unique else ""
    where = f" where {_plain(predicate)}" if predicate else ""
    return f"{kind}index {name} ({', '.join(on)}){where}"


def _plain(predicate: str) -> str:
    """A predicate without the casts and the parentheses that PostgreSQL adds."""
    return re.sub(r"::\w+|[()]", "", predicate)


async def _sqlite() -> dict[str, list[str]]:
    found = {}
    for row in await database.query("SELECT name, sql FROM sqlite_master WHERE type = 'table'"):
        if not _BOOKKEEPING.match(row["name"]):
            found[row["name"]] = await _sqlite_table(row["name"], row["sql"])
    return found


async def _sqlite_table(table: str, sql: str) -> list[str]:
    told = await database.query(f"SELECT * FROM pragma_table_info('{table}')")
    references = {
        row["from"]: row["table"]
        for row in await database.query(f"SELECT * FROM pragma_foreign_key_list('{table}')")
    }
    lines = []
    for row in told:
        name, target = row["name"], references.get(row["name"], "")
        if re.search(rf"^\s*{name} .*INITIALLY DEFERRED", sql, re.MULTILINE):
            target += " deferred"
        lines.append(_column(name, row["type"].lower(), nullable=not row["notnull"], target=target))
    for check in _checks(sql):
        words = set(re.findall(r"\w+", re.sub("'[^']*'", "", check)))
        on = sorted(row["name"] for row in told if row["name"] in words)
        lines.append(f"check ({', '.join(on)})")
    for index in await database.query(f"SELECT * FROM pragma_index_list('{table}')"):
        lines.append(await _sqlite_index(index))
    triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = $1"
    lines += [f"trigger {row['name']}" for row in await database.query(triggers, [table])]
    return lines


async def _sqlite_index(index: dict[str, Any]) -> str:
    name = index["name"]
    on = [
        row["name"]
        for row in await database.query(f"SELECT * FROM pragma_index_info('{name}') ORDER BY seqno")
    ]
    if index["origin"] != "c":
        return f"{'primary key' if index['origin'] == 'pk' else 'unique'} ({', '.join(on)})"
    (row,) = await database.query("SELECT sql FROM sqlite_master WHERE name = $1", [name])
    _, _, predicate = row["sql"].partition(" WHERE ")
    return _index(name, on, unique=bool(index["unique"]), predicate=predicate)


def _checks(sql: str) -> list[str]:
    """What stands in the parentheses of each CHECK."""
    found = []
    for match in re.finditer(r"CHECK \(", sql):
        depth, end = 1, match.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(sql[end], 0)
            end += 1
        found.append(sql[match.end() : end - 1])
    return found


async def _postgres() -> dict[str, list[str]]:
    references = {
        (row["place"], row["name"]): row["target"] + (" deferred" if row["deferred"] else "")
        for row in await database.query(_POSTGRES_REFERENCES)
    }
    found: dict[str, list[str]] = {}
    for row in await database.query(_POSTGRES_COLUMNS):
        found.setdefault(row["place"], []).append(
            _column(
                row["name"],
                _TYPES.get(row["type"], row["type"]),
                nullable=row["nullable"],
                target=references.get((row["place"], row["name"]), ""),
            )
        )
    for row in await database.query(_POSTGRES_CHECKS):
        found[row["place"]].append(f"check ({', '.join(row['columns'])})")
    for row in await database.query(_POSTGRES_TRIGGERS):
        found[row["place"]].append(f"trigger {row['name']}")
    for row in await database.query(_POSTGRES_INDEXES):
        on = row["columns"]
        if row["bare"]:
            line = f"{'primary key' if row['main'] else 'unique'} ({', '.join(on)})"
        else:
            line = _index(row["name"], on, unique=row["unique"], predicate=row["predicate"] or "")
        found[row["place"]].append(line)
    return {name: lines for name, lines in found.items() if not _BOOKKEEPING.match(name)}
