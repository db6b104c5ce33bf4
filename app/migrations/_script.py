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


def script(migration_file: str) -> Script:
    """The statements of the `.sql` file beside a migration; a blank line follows each `;`."""
    text = Path(migration_file).with_suffix(".sql").read_text(encoding="utf-8")
    return Script([part for part in text.split(";\n") if part.strip()])
