"""The GraphQL endpoint over HTTP."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from graphql import GraphQLError
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from app import replica, tracing
from app.actions.access import authenticate
from app.graphql.context import Context
from app.graphql.deadline import Deadline
from app.graphql.documents import Documents
from app.graphql.errors import told
from app.graphql.gate import MAX_ERRORS, kind_of
from app.graphql.guard import Limits
from app.graphql.planner.planner import Planner
from app.graphql.rate import Rates
from app.graphql.schema import schema
from app.graphql.stream import EVENT_STREAM, events
from app.graphql.transport import (
    GRAPHQL_RESPONSE,
    JSON,
    Operation,
    Refused,
    Sent,
    bearer,
    negotiate,
    read_operation,
    written,
)
from app.rules.failures import QueryTimeout
from app.rules.refusal import BinderyError
from app.server import Server

log = logging.getLogger(__name__)
HEADERS = {
    media_type: [
        (b"content-type", f"{media_type}; charset=utf-8".encode()),
        (b"vary", b"Accept"),
        (b"cache-control", b"no-store"),
    ]
    for media_type in (JSON, GRAPHQL_RESPONSE)
}
"""What each answer of a type says besides its length."""
HEADERS_OF_STATUS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "5"}}
FAILED = Refused(500, BinderyError.code, "The server failed; tell its operator the request id.")
BODY_SECONDS = 8.0
READ_HEADER = "bindery-read"
"""With the value `replica`, a query may be answered from a standby."""


class GraphQLView:
    """An ASGI application that executes operations for whoever has a key."""

    def __init__(self, server: Server, *, documents: Documents, rates: Rates) -> None:
        self._server = server
        self._documents, self._rates = documents, rates
        self._limits = Limits.of(server.settings)
        self._planner = Planner(schema) if server.settings.planner else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = Sent(scope, receive)
        request_id = sent.state.get("request_id") or uuid4().hex
        media_type = negotiate(sent.accept)
        try:
            answer = await self._respond(sent, request_id, media_type)
        except Refused as error:
            answer = self._refusal(error, request_id, media_type or JSON)
        except BinderyError as error:
            refused = Refused(error.http_status, error.code, error.message)
            answer = self._refusal(refused, request_id, media_type or JSON)
        except ClientDisconnect:
            return
        except Exception:
            log.exception("request %s failed", request_id)
            answer = self._refusal(FAILED, request_id, media_type or JSON)
        await answer(scope, receive, send)

    def _refusal(self, refused: Refused, request_id: str, media_type: str) -> ASGIApp:
        self._server.metrics.error("graphql", refused.code)
        tracing.refused(refused.code)
        return _refusal(refused, request_id, media_type)

    async def _respond(self, sent: Sent, request_id: str, media_type: str | None) -> ASGIApp:
        if sent.method not in ("GET", "POST"):
            raise Refused(
                405, "METHOD_NOT_ALLOWED", "Use POST, or GET.", headers={"Allow": "GET, POST"}
            )
        streams = sent.method == "POST" and EVENT_STREAM in sent.accept
        if media_type is None and not streams:
            raise Refused(406, "NOT_ACCEPTABLE", f"Accept {GRAPHQL_RESPONSE} or {JSON}.")
        now = datetime.now(UTC)
        secret = bearer(sent.headers.get("authorization", ""))
        actor = await authenticate(secret, at=now, request_id=request_id)
        sent.state["key"] = actor.key_prn
        spent = self._rates.let_in(actor.key_id) if actor.key_id else None
        operation = await self._read(sent)
        context = Context(
            sender=actor, server=self._server, at=now, limits=self._limits, spent=spent
        )
        if media_type is None or (streams and _subscribes(operation, self._limits)):
            return await events(operation, context)
        begun = time.perf_counter()
        late = False
        try:
            with (
                Deadline() as context.deadline,
                replica.allowed(_may_be_old(sent, operation, context)),
            ):
                result = await self._result(operation, context, sent.method)
        except TimeoutError:
            late, result = True, _late(context)
        self._server.metrics.took(context.label, time.perf_counter() - begun)
        if tracing.wanted():
            kind = kind_of(operation.query, operation.name, self._limits)
            if kind is not None:
                tracing.operation(kind, context.label, result.errors)
        return _answer(result, media_type, began=late)

    async def _result(self, operation: Operation, context: Context, method: str) -> ExecutionResult:
        found = await self._planner.answer(operation, context) if self._planner else None
        return found or await _execute(operation, context, reading=method == "GET")

    async def _read(self, sent: Sent) -> Operation:
        """The operation, unless its bytes are too long in coming. Raises Refused."""
        try:
            with Deadline(BODY_SECONDS):
                most = self._server.settings.limit_body
                return await read_operation(sent, self._documents, most=most)
        except TimeoutError as error:
            raise Refused(
                408,
                "REQUEST_TIMEOUT",
                f"The body did not come within {BODY_SECONDS:.0f} seconds.",
                headers={"Connection": "close"},
            ) from error


async def _execute(operation: Operation, context: Context, *, reading: bool) -> ExecutionResult:
    allowed = {OperationType.QUERY}
    if not reading:
        allowed.add(OperationType.MUTATION)
    try:
        return await schema.execute(
            operation.query,
            variable_values=operation.variables,
            context_value=context,
            operation_name=operation.name,
            allowed_operation_types=allowed,
        )
    except InvalidOperationTypeError as error:
        if error.operation_type is OperationType.SUBSCRIPTION and not reading:
            raise Refused(
                406,
                "NOT_ACCEPTABLE",
                f"A subscription is answered as {EVENT_STREAM} alone:"
                " accept that, or open a WebSocket.",
            ) from error
        raise Refused(
            405,
            "METHOD_NOT_ALLOWED",
            "A GET executes queries only; send a mutation by POST.",
            headers={"Allow": "POST"},
        ) from error


def _subscribes(operation: Operation, limits: Limits) -> bool:
    """Whether a client that takes both an answer and events has to get events."""
    return kind_of(operation.query, operation.name, limits) == "subscription"


def _may_be_old(sent: Sent, operation: Operation, context: Context) -> bool:
    """Whether a replica may answer: the client says so, and nothing is written."""
    wanted = sent.headers.get(READ_HEADER) == replica.NAME
    return wanted and kind_of(operation.query, operation.name, context.limits) == "query"


def _late(context: Context) -> ExecutionResult:
    """The answer to a query that was ended; what it still reads for nobody is ended, too."""
    context.loaders.stop()
    seconds = context.server.settings.query_seconds
    error = QueryTimeout(
        f"The query took longer than {seconds:g} seconds; ask for less, or for smaller pages."
    )
    context.server.metrics.error("graphql", error.code)
    refused = told(GraphQLError(error.message, original_error=error), context)
    return ExecutionResult(None, [refused])


class _Json:
    """An answer of JSON. Starlette's own would put its headers together each time."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(
        self,
        body: dict[str, Any],
        status: int,
        media_type: str,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._body, self._status = written(body), status
        more = {"content-length": str(len(self._body)), **(headers or {})}
        self._headers = [
            *HEADERS[media_type],
            *((name.lower().encode(), value.encode()) for name, value in more.items()),
        ]

    async def __call__(
        self,
        scope: Scope,  # noqa: ARG002 - the shape of an ASGI application.
        receive: Receive,  # noqa: ARG002
        send: Send,
    ) -> None:
        start = {"type": "http.response.start", "status": self._status, "headers": self._headers}
        await send(start)
        await send({"type": "http.response.body", "body": self._body})


def _answer(result: ExecutionResult, media_type: str, *, began: bool) -> ASGIApp:
    errors = result.errors or []
    body: dict[str, Any] = {}
    if errors:
        body["errors"] = [error.formatted for error in errors[:MAX_ERRORS]]
    executed = began or result.data is not None or any(error.path for error in errors)
    if executed:
        body["data"] = result.data
    if result.extensions:
        body["extensions"] = result.extensions
    status = 200 if executed or media_type == JSON else 400
    return _Json(body, status, media_type)


def _refusal(refused: Refused, request_id: str, media_type: str) -> ASGIApp:
    """The answer to a request that did not come to be GraphQL: its status holds everywhere."""
    extensions = {"code": refused.code, "requestId": request_id}
    body = {"errors": [{"message": refused.message, "extensions": extensions}]}
    headers = {**refused.headers, **HEADERS_OF_STATUS.get(refused.status, {})}
    return _Json(body, refused.status, media_type, headers=headers)
