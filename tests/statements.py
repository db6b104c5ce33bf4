"""Counts the statements that the database's clients run."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator


class Statements(logging.Handler):
    """Keeps the texts of statements; each client logs one message for one statement.

    Left out is what writes when a key was last used, which happens once a minute.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps one more."""
        text = record.getMessage()
        if 'SET "last_used_at"' not in text:
            self.texts.append(text)


@contextlib.contextmanager
def counted() -> Iterator[Statements]:
    """Collects the statements that run for as long as the block lasts."""
    logger = logging.getLogger("tortoise.db_client")
    handler, level, propagate = Statements(), logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
