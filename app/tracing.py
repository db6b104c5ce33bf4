"""Where spans begin and end: one for each operation, and below it one for each batch of SQL.

Traces are an optional extra, and off where no setting asks for them; then all of this is one
comparison. What makes spans of it is `app.spans`, which alone knows OpenTelemetry.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from app.settings import Settings, SettingsError

TRANSACTION: Final = "transaction"
"""What stands for a statement where a whole transaction is meant."""
_OFF: Final = contextlib.nullcontext()


class Tracer(Protocol):
    """What makes spans."""

    def operation(
        self, headers: Mapping[str, str], request_id: str
    ) -> AbstractContextManager[None]:
        """A span around an operation, a child of the caller's own where it sent `traceparent`."""

    def end(self, name: str, codes: Sequence[str]) -> None:
        """Tells the operation's span what it was, and the codes of its errors."""

    def statement(self, sql: str) -> AbstractContextManager[None]:
        """A span around a statement, if it belongs to an operation. Its text is not told."""

    def close(self) -> None:
        """Sends what was not sent yet, within a short time."""


_tracer: Tracer | None = None


def operation(headers: Mapping[str, str], request_id: str) -> AbstractContextManager[None]:
    """A span around an operation; nothing where traces are off."""
    return _OFF if _tracer is None else _tracer.operation(headers, request_id)


def end(name: str, errors: Sequence[Any] | None) -> None:
    """Names the operation of the span around this, by what the server counts it as."""
    if _tracer is not None:
        codes = [(error.extensions or {}).get("code", "") for error in errors or ()]
        _tracer.end(name, codes)


def statement(sql: str) -> AbstractContextManager[None]:
    """A span around a statement, or a transaction; nothing where traces are off."""
    return _OFF if _tracer is None else _tracer.statement(sql)


@contextlib.contextmanager
def started(settings: Settings) -> Iterator[None]:
    """Has spans sent to where `BINDERY_TRACES` says, while the block runs. Raises SettingsError."""
    if not settings.traces:
        yield
        return
    try:
        spans = importlib.import_module("app.spans")
    except ImportError as error:
        raise SettingsError(
            f"BINDERY_TRACES needs the extra of OpenTelemetry ({error.name} is missing): install"
            " bindery[otel], or leave the setting empty."
        ) from error
    with used(spans.sending(settings.traces)):
        yield


@contextlib.contextmanager
def used(tracer: Tracer) -> Iterator[None]:
    """Has spans made by this tracer while the block runs, and closes it then."""
    global _tracer
    before, _tracer = _tracer, tracer
    try:
        yield
    finally:
        _tracer = before
        tracer.close()
