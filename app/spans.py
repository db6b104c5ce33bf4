"""Spans by OpenTelemetry. It is loaded only where traces are on (`app.tracing`).

Names and attributes follow OpenTelemetry's semantic conventions for HTTP servers, GraphQL servers
and database clients, as far as no attribute holds what a caller or a row holds: a span names a
route, the field of the schema that was asked for, the verb and the table of a statement, the codes
of errors. Neither a path, the text of a statement nor an exception's message is told, since they
quote values.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, get_current_span, use_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue
from starlette.types import Scope

from app.settings import SettingsError

SEND_SECONDS: Final = 2.0
"""How long one batch of spans may take to be sent; a collector that is away costs no more."""
NAME: Final = "bindery"

_CALLER: Final = TraceContextTextMapPropagator()
_FROM_CALLER: Final = frozenset({b"traceparent", b"tracestate"})
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
"""The methods that are told. Others are whatever a caller chose to send."""
_SCHEMES: Final = {"ws": "http", "wss": "https"}
_PARAMETER: Final = re.compile(r"\{[^}]*\}")
_SERVER_FAILED: Final = 500
"""The first status that is the server's fault; what a caller did wrong is no failure of a span."""
_CODES: Final = "bindery.error_codes"
_VERB: Final = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE)\b")
_TABLE: Final = re.compile(r"\b(?:FROM|INTO|UPDATE)\s+\"?([a-z_]+)")


class _Stream:
    """The span of what has many results."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def step(self) -> AbstractContextManager[Any]:
        """Has what is done in the block belong to the span."""
        return use_span(self._span, record_exception=False, set_status_on_exception=False)

    def end(self, codes: Sequence[str]) -> None:
        """Ends the span, and tells the codes of the errors among the results."""
        _fail(self._span, codes)
        self._span.end()


class Spans:
    """Makes spans, and hands them to a processor when they end."""

    def __init__(self, processor: SpanProcessor, *, database: str) -> None:
        resource = Resource.create({"service.name": NAME})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer(NAME)
        self._database = database

    @contextlib.contextmanager
    def request(self, scope: Scope, route: str) -> Iterator[None]:
        """A span around a request, a child of the caller's own where it sent `traceparent`.

        Of the path nothing is told but its first segment: the rest names what is up or downloaded.
        """
        sent = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in _FROM_CALLER
        }
        # A WebSocket is asked for by GET, which ASGI does not say.
        method = scope.get("method", "GET")
        told: dict[str, AttributeValue] = {
            "http.request.method": method if method in _METHODS else "_OTHER",
            "http.route": route,
            "url.path": _PARAMETER.sub("REDACTED", route),
            "url.scheme": _SCHEMES.get(scope["scheme"], scope["scheme"]),
            "network.protocol.version": scope["http_version"],
            "bindery.request_id": scope.get("state", {}).get("request_id", ""),
        }
        name = f"{method if method in _METHODS else 'HTTP'} {route}"
        with self._span(name, SpanKind.SERVER, told, parent=_CALLER.extract(sent)):
            yield

    def answered(self, status: int | None, *, complete: bool) -> None:
        """Tells the request's span the status of its answer, and whether it came to its end."""
        span = get_current_span()
        if status is not None:
            span.set_attribute("http.response.status_code", status)
        if status is None or not complete:
            _fail(span, ["incomplete"])
        elif status >= _SERVER_FAILED:
            _fail(span, [str(status)])

    def refused(self, code: str) -> None:
        """Tells the request's span the code of the error that is its answer."""
        get_current_span().set_attribute(_CODES, [code])

    def operation(self, kind: str, name: str, codes: Sequence[str]) -> None:
        """Tells the request's span what was executed, and the codes of its errors."""
        span = get_current_span()
        span.update_name(f"{kind} {name}")
        span.set_attributes(_executed(kind, name))
        if codes:
            span.set_attribute(_CODES, codes)
        _fail(span, codes)

    def stream(self, kind: str, name: str) -> _Stream:
        """A span below the request's that goes on for as long as results come."""
        told = _executed(kind, name)
        return _Stream(
            self._tracer.start_span(f"{kind} {name}", kind=SpanKind.SERVER, attributes=told)
        )

    def statement(self, sql: str) -> AbstractContextManager[None]:
        """A span around a statement, if it belongs to a request."""
        return self._sent(*summary(sql))

    def transaction(self) -> AbstractContextManager[None]:
        """A span around a whole transaction, if it belongs to a request."""
        return self._sent("transaction")

    @contextlib.contextmanager
    def _sent(self, verb: str, table: str = "") -> Iterator[None]:
        if not get_current_span().is_recording():
            yield
            return
        told = {"db.system.name": self._database, "db.operation.name": verb}
        if table:
            told["db.collection.name"] = table
        with self._span(f"{verb} {table}".strip(), SpanKind.CLIENT, told):
            yield

    @contextlib.contextmanager
    def _span(
        self,
        name: str,
        kind: SpanKind,
        told: Mapping[str, AttributeValue],
        *,
        parent: Context | None = None,
    ) -> Iterator[None]:
        """A span that tells of an exception its code, or its class, and not its message."""
        with self._tracer.start_as_current_span(
            name,
            context=parent,
            kind=kind,
            attributes=told,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except BaseException as error:
                _fail(span, [getattr(error, "code", type(error).__name__)])
                raise

    def close(self) -> None:
        """Sends what was not sent yet, for at most as long as two batches may take."""
        self._provider.force_flush(int(SEND_SECONDS * 1_000))
        self._provider.shutdown()


def _executed(kind: str, name: str) -> dict[str, AttributeValue]:
    return {"graphql.operation.type": kind, "bindery.field": name}


def _fail(span: Span, codes: Sequence[str]) -> None:
    """Has a span say that it failed, and by what, if there is anything; the first that is told."""
    if codes and span.is_recording():
        span.set_attribute("error.type", codes[0])
        span.set_status(Status(StatusCode.ERROR))


@lru_cache(maxsize=2_000)
def summary(sql: str) -> tuple[str, str]:
    """What a statement does, and with which table first; nothing of its text beyond."""
    verb, table = _VERB.search(sql), _TABLE.search(sql)
    return verb[1] if verb else "SQL", table[1] if table else ""


def sending(endpoint: str, *, database: str) -> Spans:
    """Spans that are sent to a collector, in batches and from a thread. Raises SettingsError.

    `database` is the kind of the database that statements go to: `postgresql` or `sqlite`.
    """
    if not endpoint.startswith(("http://", "https://")):
        raise SettingsError(
            f"BINDERY_TRACES is {endpoint!r}; it must be like http://collector:4318/v1/traces."
        )
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=SEND_SECONDS)
    return Spans(BatchSpanProcessor(exporter), database=database)
