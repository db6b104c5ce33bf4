"""Values of hand-written statements: SQLite gives text where PostgreSQL gives the thing itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import orjson


def as_uuid(value: Any) -> UUID:
    """A uuid column's value."""
    return value if isinstance(value, UUID) else UUID(value)


def maybe_uuid(value: Any) -> UUID | None:
    """A nullable uuid column's value."""
    return None if value is None else as_uuid(value)


def maybe_time(value: Any) -> datetime | None:
    """A nullable timestamp column's value, aware."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def as_list(value: Any) -> list[str]:
    """A JSON column that holds a list of texts."""
    found: list[str] = orjson.loads(value) if isinstance(value, str | bytes) else value
    return found
