"""Runs a file of SQL as one migration step, statement by statement, in its transaction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tortoise.migrations.operations import RunSQL
from tortoise.migrations.schema_editor.base import BaseSchemaEditor


class Script(RunSQL):
    """`RunSQL` hands a whole text to the driver, and SQLite then commits first; this does not."""

    async def _run_sql(self, state_editor: BaseSchemaEditor, sqls: Any) -> None:
        for statement in sqls:
            await state_editor.client.execute_query(statement)


class _Written(Script):
    """A step that each database needs in words of its own."""

    def __init__(self, texts: dict[str, list[str]]) -> None:
        super().__init__([])
        self._texts = texts

    async def _run_sql(self, state_editor: BaseSchemaEditor, _sqls: Any) -> None:
        dialect = state_editor.client.capabilities.dialect
        await super()._run_sql(state_editor, self._texts[dialect])


def script(migration_file: str, *, by_dialect: bool = False) -> Script:
    """The statements of the `.sql` file beside a migration; a blank line follows each `;`.

    `by_dialect`: of `.sqlite.sql` or `.postgres.sql`, whichever the database is.
    """
    if by_dialect:
        return _Written(
            {
                dialect: _statements(Path(migration_file).with_suffix(f".{dialect}.sql"))
                for dialect in ("sqlite", "postgres")
            }
        )
    return Script(_statements(Path(migration_file).with_suffix(".sql")))


def _statements(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return [part for part in text.split(";\n\n") if part.strip()]
