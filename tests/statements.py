"""Counts the statements that the database's clients run."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

_listening: ContextVar[object] = ContextVar("listening", default=None)


class Statements(logging.Handler):
    """Keeps statements as texts, and `run` with their arguments; each client logs one message each.

    Left out is what writes when a key was last used, which happens once a minute.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []
        self.run: list[tuple[str, list[Any]]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps one more."""
        text = record.getMessage()
        if _listening.get() is self and 'SET "last_used_at"' not in text:
            self.texts.append(text)
            sql, values = record.args if isinstance(record.args, tuple) else (text, None)
            self.run.append((str(sql), values if isinstance(values, list) else []))


@contextlib.contextmanager
def counted() -> Iterator[Statements]:
    """Collects what the block runs, and nothing of what runs beside it at the same time."""
    logger = logging.getLogger("tortoise.db_client")
    handler, level, propagate = Statements(), logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    token = _listening.set(handler)
    try:
        yield handler
    finally:
        _listening.reset(token)
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
