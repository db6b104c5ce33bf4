"""Spans by OpenTelemetry. It is loaded only where traces are on (`app.tracing`).

No attribute holds what a caller or a row holds: a span names the field of the schema that was asked
for, the verb and the table of a statement, the codes of errors. Neither the text of a statement nor
an exception's message is told, since both may quote values.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.settings import SettingsError
from app.tracing import TRANSACTION

SEND_SECONDS: Final = 2.0
"""How long one batch of spans may take to be sent; a collector that is away costs no more."""
NAME: Final = "bindery"

_CALLER: Final = TraceContextTextMapPropagator()
_VERB: Final = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE)\b")
_TABLE: Final = re.compile(r"\b(?:FROM|INTO|UPDATE)\s+\"?([a-z_]+)")


class Spans:
    """Makes spans, and hands them to a processor when they end."""

    def __init__(self, processor: SpanProcessor) -> None:
        resource = Resource.create({"service.name": NAME})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer(NAME)

    @contextlib.contextmanager
    def operation(self, headers: Mapping[str, str], request_id: str) -> Iterator[None]:
        """A span around an operation, a child of the caller's own where it sent `traceparent`."""
        sent = {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
        told = {"bindery.request_id": request_id}
        caller = _CALLER.extract(sent)
        with self._span("graphql refused", SpanKind.SERVER, told, parent=caller):
            yield

    def end(self, name: str, codes: Sequence[str]) -> None:
        """Tells the operation's span what it was, and the codes of its errors."""
        span = get_current_span()
        span.update_name(f"graphql {name}")
        span.set_attribute("graphql.operation", name)
        if codes:
            span.set_attribute("bindery.error_codes", sorted(set(codes)))
            span.set_status(Status(StatusCode.ERROR))

    @contextlib.contextmanager
    def statement(self, sql: str) -> Iterator[None]:
        """A span around a statement, if it belongs to an operation."""
        if not get_current_span().is_recording():
            yield
            return
        verb, table = summary(sql)
        told = {"db.operation.name": verb} | ({"db.collection.name": table} if table else {})
        with self._span(f"{verb} {table}".strip(), SpanKind.CLIENT, told):
            yield

    @contextlib.contextmanager
    def _span(
        self, name: str, kind: SpanKind, told: dict[str, str], *, parent: Context | None = None
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
                span.set_attribute("error.type", getattr(error, "code", type(error).__name__))
                span.set_status(Status(StatusCode.ERROR))
                raise

    def close(self) -> None:
        """Sends what was not sent yet, for at most as long as two batches may take."""
        self._provider.force_flush(int(SEND_SECONDS * 1_000))
        self._provider.shutdown()


@lru_cache(maxsize=2_000)
def summary(sql: str) -> tuple[str, str]:
    """What a statement does, and with which table first; nothing of its text beyond."""
    if sql == TRANSACTION:
        return sql, ""
    verb, table = _VERB.search(sql), _TABLE.search(sql)
    return verb[1] if verb else "SQL", table[1] if table else ""


def sending(endpoint: str) -> Spans:
    """Spans that are sent to a collector, in batches and from a thread. Raises SettingsError."""
    if not endpoint.startswith(("http://", "https://")):
        raise SettingsError(
            f"BINDERY_TRACES is {endpoint!r}; it must be like http://collector:4318/v1/traces."
        )
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=SEND_SECONDS)
    return Spans(BatchSpanProcessor(exporter))
