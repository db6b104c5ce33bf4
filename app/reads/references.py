"""Whether the tables hold together: the file of SQLite itself, and each row that another names.

The databases enforce that a named row is there, where they are asked to; that it is one of the
same organization, nothing but Bindery does. Reads only, for `fsck`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app import database, models
from app.rules.fsck import Damage, Finding


async def damaged(*, deep: bool) -> list[Finding]:
    """What SQLite says of its own file; PostgreSQL has programs of its own for that.

    A `deep` look compares every index with its table, too.
    """
    if database.dialect(database.reader()) != "sqlite":
        return []
    check = "integrity_check" if deep else "quick_check"
    said = [row[check] for row in await database.query(f"PRAGMA {check}(20)")]
    return [Finding(Damage.DATABASE_DAMAGED, "database", one) for one in said if one != "ok"]


async def broken() -> list[Finding]:
    """Rows that name a row which is not there, or one of another organization."""
    found = []
    for table, column, sql in _joins():
        for row in await database.query(sql):
            code = Damage.REFERENCE_DANGLING if row["gone"] else Damage.ORGANIZATION_MIXED
            wrong = f"This row of {table} names {row['named']} as {column}."
            found.append(Finding(code, str(row["id"]), wrong))
    return found


def _joins() -> Iterator[tuple[str, str, str]]:
    """For each reference of the models: its table, its column, and what finds the broken ones."""
    for name in models.__all__:
        meta = getattr(models, name)._meta
        for field in [] if meta.abstract else sorted(meta.fk_fields):
            relation: Any = meta.fields_map[field]
            column, parent = relation.source_field, relation.related_model._meta
            mixed = ""
            if "organization_id" in meta.fields_map and "organization_id" in parent.fields_map:
                mixed = " OR p.organization_id <> c.organization_id"
            sql = (
                f"SELECT c.id, c.{column} AS named, p.id IS NULL AS gone FROM {meta.db_table} c"
                f" LEFT JOIN {parent.db_table} p ON p.id = c.{column}"
                f" WHERE c.{column} IS NOT NULL AND (p.id IS NULL{mixed}) ORDER BY 1"
            )
            yield meta.db_table, column, sql
