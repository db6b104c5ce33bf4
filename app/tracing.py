"""Where spans begin and end: one for each request and subscription, and below it one for each
batch of SQL.

Traces are an optional extra, and off where no setting asks for them; then all of this is one
comparison. What makes spans of it is `app.spans`, which alone knows OpenTelemetry.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AbstractContextManager, aclosing
from typing import Any, Final, Protocol

from starlette.types import Scope

from app.settings import Settings, SettingsError

_OFF: Final = contextlib.nullcontext()


class Stream(Protocol):
    """The span of what has many results, between which other things are done."""

    def step(self) -> AbstractContextManager[None]:
        """Has what is done in the block belong to the span."""

    def end(self, codes: Sequence[str]) -> None:
        """Ends the span, and tells the codes of the errors among the results."""


class Tracer(Protocol):
    """What makes spans."""

    def request(self, scope: Scope, route: str) -> AbstractContextManager[None]:
        """A span around a request, a child of the caller's own where it sent `traceparent`."""

    def answered(self, status: int | None, *, complete: bool) -> None:
        """Tells the request's span the status of its answer, and whether it came to its end."""

    def refused(self, code: str) -> None:
        """Tells the request's span the code of the error that is its answer."""

    def operation(self, kind: str, name: str, codes: Sequence[str]) -> None:
        """Tells the request's span what was executed, and the codes of its errors."""

    def stream(self, kind: str, name: str) -> Stream:
        """A span below the request's that goes on for as long as results come."""

    def statement(self, sql: str) -> AbstractContextManager[None]:
        """A span around a statement, if it belongs to a request. Its text is not told."""

    def transaction(self) -> AbstractContextManager[None]:
        """A span around a whole transaction, if it belongs to a request."""

    def close(self) -> None:
        """Sends what was not sent yet, within a short time."""


_tracer: Tracer | None = None


def wanted() -> bool:
    """Whether anybody takes spans."""
    return _tracer is not None


def request(scope: Scope, route: str) -> AbstractContextManager[None]:
    """A span around a request by a route of this name; nothing where traces are off."""
    return _OFF if _tracer is None else _tracer.request(scope, route)


def answered(status: int | None, *, complete: bool) -> None:
    """Tells how the request around this was answered; None: not at all."""
    if _tracer is not None:
        _tracer.answered(status, complete=complete)


def refused(code: str) -> None:
    """Tells the code of the error that is the answer to the request around this."""
    if _tracer is not None:
        _tracer.refused(code)


def operation(kind: str, name: str, errors: Sequence[Any] | None) -> None:
    """Names what the request around this executed, by what the server counts it as."""
    if _tracer is not None:
        _tracer.operation(kind, name, _codes(errors))


async def stream(
    results: AsyncGenerator[Any, None], kind: str, name: str
) -> AsyncGenerator[Any, None]:
    """The results of a subscription, each of which is read within the span of them all."""
    assert _tracer is not None
    span = _tracer.stream(kind, name)
    codes: set[str] = set()
    try:
        async with aclosing(results):
            while True:
                # Between two results the caller goes on with what is no part of the span.
                with span.step():
                    result = await anext(results, None)
                if result is None:
                    return
                codes.update(_codes(result.errors))
                yield result
    finally:
        span.end(sorted(codes))


def statement(sql: str) -> AbstractContextManager[None]:
    """A span around a statement; nothing where traces are off."""
    return _OFF if _tracer is None else _tracer.statement(sql)


def transaction() -> AbstractContextManager[None]:
    """A span around a transaction; nothing where traces are off."""
    return _OFF if _tracer is None else _tracer.transaction()


def reading(model: Any) -> AbstractContextManager[None]:
    """A span around a statement that finds rows of this model."""
    return statement(f"SELECT FROM {model._meta.db_table}")


def _codes(errors: Sequence[Any] | None) -> list[str]:
    return sorted({(error.extensions or {}).get("code", "") for error in errors or ()})


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
    database = "sqlite" if settings.database_url.startswith("sqlite:") else "postgresql"
    with used(spans.sending(settings.traces, database=database)):
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
