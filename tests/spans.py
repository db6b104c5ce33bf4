"""What tests of spans have in common: the spans of this process, and what they should tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from app import tracing
from app.spans import Spans

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """Takes the spans of this process while a test runs."""
    kept = InMemorySpanExporter()
    with tracing.used(Spans(SimpleSpanProcessor(kept), database="sqlite")):
        yield kept


def operations(exporter: InMemorySpanExporter) -> list[ReadableSpan]:
    """The spans of requests and subscriptions, in the order in which they ended."""
    return [one for one in exporter.get_finished_spans() if one.kind is SpanKind.SERVER]


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """What a span tells, but for the request's id."""
    found = dict(span.attributes or {})
    found.pop("bindery.request_id", None)
    return found


def http(route: str, *, method: str = "POST", status: int | None = 200, path: str = "") -> Any:
    """What the conventions of HTTP servers have a span tell."""
    told = {
        "http.request.method": method,
        "http.route": route,
        "url.path": path or route,
        "url.scheme": "http",
        "network.protocol.version": "1.1",
    }
    return told if status is None else told | {"http.response.status_code": status}


def below(exporter: InMemorySpanExporter, span: ReadableSpan) -> list[str]:
    """What the spans are called that an operation's span has below it."""
    assert span.context is not None
    return [
        one.name
        for one in exporter.get_finished_spans()
        if one.parent is not None and one.parent.span_id == span.context.span_id
    ]
