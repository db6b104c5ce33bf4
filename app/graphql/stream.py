"""Subscriptions over the wire: graphql-transport-ws on a WebSocket, and server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from starlette.datastructures import State
from starlette.responses import Response, StreamingResponse
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType
from strawberry.types.unset import UNSET

from app.actions.access import authenticate
from app.actions.unit import Actor
from app.graphql.context import Context
from app.graphql.gate import kind_of
from app.graphql.schema import schema
from app.graphql.transport import Operation, Refused, bearer, written
from app.rules.access import Role
from app.rules.refusal import BinderyError
from app.server import Server

EVENT_STREAM = "text/event-stream"
HEARTBEAT_SECONDS = 15.0
MAX_SUBSCRIPTIONS = 20
"""How many operations one WebSocket may have under way."""
INIT_SECONDS = 5.0


@dataclass
class SocketContext(Context):
    """One WebSocket. Who sends is known once the key came with `connection_init`."""

    connection_params: dict[str, Any] = field(default_factory=dict)
    state: State = field(default_factory=State)


class Socket(GraphQL[Context, None]):
    """The WebSocket endpoint: subscriptions only, by the key in `connection_init`."""

    def __init__(self, server: Server) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            connection_init_wait_timeout=timedelta(seconds=INIT_SECONDS),
            max_subscriptions_per_connection=MAX_SUBSCRIPTIONS,
            allowed_origins=server.settings.origins,
        )
        self._server = server

    async def get_context(self, request: Any, response: Any) -> Context:  # noqa: ARG002
        """A context in which nobody has sent a key yet."""
        nobody = Actor(organization_id=uuid4(), role=Role.DEVICE)
        return SocketContext(
            sender=nobody,
            server=self._server,
            at=datetime.now(UTC),
            subscribes_only=True,
            state=request.state,
        )

    async def on_ws_connect(self, context: Context) -> Any:
        """Takes the key. Raises ConnectionRejectionError where it is not good."""
        assert isinstance(context, SocketContext)
        try:
            secret = bearer(str(context.connection_params.get("authorization", "")))
            context.sender = await authenticate(
                secret, at=datetime.now(UTC), request_id=context.state.request_id
            )
            context.state.key = context.sender.key_prn
        except BinderyError as error:
            raise ConnectionRejectionError from error
        return UNSET


async def events(operation: Operation, context: Context) -> Response:
    """A subscription as server-sent events (the distinct mode of graphql-sse). Raises Refused."""
    if kind_of(operation.query, operation.name) not in (None, "subscription"):
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
