"""Subscriptions as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from starlette.responses import Response, StreamingResponse
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from app.graphql.context import Context
from app.graphql.gate import kind_of
from app.graphql.schema import schema
from app.graphql.transport import Operation, Refused, written

EVENT_STREAM = "text/event-stream"
HEARTBEAT_SECONDS = 15.0


async def events(operation: Operation, context: Context) -> Response:
    """A subscription as server-sent events (the distinct mode of graphql-sse). Raises Refused."""
    if kind_of(operation.query, operation.name, context.limits) not in (None, "subscription"):
        raise Refused(406, "NOT_ACCEPTABLE", f"Only a subscription is answered as {EVENT_STREAM}.")
    results = await schema.stream(
        operation.query,
        variable_values=operation.variables,
        context_value=context,
        operation_name=operation.name,
        allowed_operation_types=(OperationType.SUBSCRIPTION,),
    )
    return StreamingResponse(
        _written(results),
        media_type=EVENT_STREAM,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _written(results: Any) -> AsyncIterator[str]:
    async for result in _with_heartbeats(results):
        if result is None:
            yield ":\n\n"
            continue
        body: dict[str, Any] = {}
        if result.errors:
            body["errors"] = [error.formatted for error in result.errors]
        if result.data is not None or not result.errors:
            body["data"] = result.data
        yield f"event: next\ndata: {written(body).decode()}\n\n"
    yield "event: complete\ndata:\n\n"


async def _with_heartbeats(
    results: AsyncGenerator[ExecutionResult, None],
) -> AsyncIterator[ExecutionResult | None]:
    """The results, and None whenever nothing came for a while."""
    coming: asyncio.Task[ExecutionResult] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(results))
            done, _ = await asyncio.wait([coming], timeout=HEARTBEAT_SECONDS)
            if not done:
                yield None
                continue
            finished, coming = coming, None
            try:
                yield finished.result()
            except StopAsyncIteration:
                return
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        await results.aclose()
