"""Spans of subscriptions: one for each, below that of the request that they came by."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import httpx
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from app.settings import Settings
from tests.api import Api
from tests.conftest import new_api
from tests.graphql.test_subscriptions import (
    FOLLOW,
    address,
    client,
    followed,
    served,
    socket_of,
)
from tests.spans import attributes, below, exporter, http, operations

__all__ = ["address", "client", "exporter"]


async def ended(exporter: InMemorySpanExporter, name: str) -> ReadableSpan:
    """The span of this name, once it has ended."""
    async with asyncio.timeout(10):
        while name not in (one.name for one in operations(exporter)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    (span,) = [one for one in operations(exporter) if one.name == name]
    return span


def subscription(**more: Any) -> dict[str, Any]:
    """What the span of a subscription tells."""
    told = {"graphql.operation.type": "subscription", "bindery.field": "binaryChanged"}
    return told | more


async def test_a_subscription_by_events_is_a_span_with_its_statements_below(
    client: Api, exporter: InMemorySpanExporter
) -> None:
    binary = await client.binary(await client.version())
    exporter.clear()
    async with followed(client, FOLLOW, id=binary["id"]) as results:
        await anext(results)
        first = [one.name for one in exporter.get_finished_spans()]
        assert "SELECT binary_record" in first
        assert "subscription binaryChanged" not in first
        await client.http.put(binary["parts"][0]["uploadUrl"], content=b"content")
        await anext(results)
    span = await ended(exporter, "subscription binaryChanged")
    request = await ended(exporter, "POST /graphql")
    assert attributes(span) == subscription()
    assert span.status.status_code is StatusCode.UNSET
    assert below(exporter, span).count("SELECT binary_record") >= 2
    # The client left, so that its answer has no end.
    assert attributes(request) == http("/graphql") | {"error.type": "incomplete"}
    assert "subscription binaryChanged" in below(exporter, request)


async def test_a_subscription_that_a_raised_limit_lets_in_is_a_span(
    settings: Settings, exporter: InMemorySpanExporter
) -> None:
    async with (
        served(replace(settings, limit_overlaps=2_000)) as address,
        httpx.AsyncClient(base_url=f"http://{address}", timeout=30) as http,
    ):
        api = await new_api(http, "acme")
        binary = await api.binary(await api.version())
        wide = FOLLOW.replace("bytesUploaded", "bytesUploaded " * 60)
        async with followed(api, wide, id=binary["id"]) as results:
            assert "errors" not in await anext(results)
        span = await ended(exporter, "subscription binaryChanged")
    assert attributes(span) == subscription()


async def test_an_error_of_a_subscription_is_told_by_its_code(
    client: Api, exporter: InMemorySpanExporter
) -> None:
    stranger = await new_api(client.http, "other")
    binary = await client.binary(await client.version())
    async with followed(stranger, FOLLOW, id=binary["id"]) as results:
        assert (await anext(results))["errors"]
    span = await ended(exporter, "subscription binaryChanged")
    assert attributes(span) == subscription(**{"error.type": "NOT_FOUND"})
    assert span.status.status_code is StatusCode.ERROR


async def test_subscriptions_by_a_websocket_are_spans_below_its_own(
    client: Api, address: str, exporter: InMemorySpanExporter
) -> None:
    binary = await client.binary(await client.version())
    exporter.clear()
    socket = await socket_of(address, client.key)
    assert json.loads(await socket.recv()) == {"type": "connection_ack"}
    follow = {"query": FOLLOW, "variables": {"id": binary["id"]}}
    await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": follow}))
    assert json.loads(await socket.recv())["type"] == "next"
    await socket.send(json.dumps({"id": "1", "type": "complete"}))
    span = await ended(exporter, "subscription binaryChanged")
    await socket.close()
    request = await ended(exporter, "GET /graphql")
    assert attributes(span) == subscription()
    assert below(exporter, span) == ["SELECT binary_record"]
    assert attributes(request) == http("/graphql", method="GET", status=101)
    assert "subscription binaryChanged" in below(exporter, request)


async def test_a_websocket_whose_key_is_refused_tells_so(
    address: str, exporter: InMemorySpanExporter
) -> None:
    socket = await socket_of(address, "bky_" + "x" * 43)
    await socket.wait_closed()
    request = await ended(exporter, "GET /graphql")
    told = {"bindery.error_codes": ("UNAUTHENTICATED",)}
    assert attributes(request) == http("/graphql", method="GET", status=101) | told
