"""Subscriptions over a WebSocket, by the protocol graphql-transport-ws.

What a message asks for is judged as the body of a POST is: its form, the trusted documents, and
what its key may ask for within a minute.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from json import JSONDecodeError
from typing import Any, cast
from uuid import uuid4

from starlette.datastructures import State
from strawberry.asgi import ASGIWebSocketAdapter, GraphQL
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
)
from strawberry.types.unset import UNSET

from app import tracing
from app.actions.access import authenticate
from app.actions.unit import Actor
from app.graphql.context import Context
from app.graphql.documents import Documents
from app.graphql.guard import Limits
from app.graphql.rate import Rates
from app.graphql.schema import schema
from app.graphql.transport import Operation, Refused, bearer, operation_of, read_json, written
from app.rules.access import Role
from app.rules.refusal import BinderyError
from app.server import Server

log = logging.getLogger(__name__)
MAX_SUBSCRIPTIONS = 20
"""How many operations one WebSocket may have under way."""
INIT_SECONDS = 5.0
FORBIDDEN = 4403
"""How the protocol ends a connection whose key is not good."""
FAILED = 1011
"""How a WebSocket ends where the server failed."""
TRY_AGAIN = 1013
"""How a WebSocket ends where the same may be good a little later."""
LONGEST_REASON = 123
"""So many bytes of UTF-8 hold why a WebSocket ends."""


class Connection(ASGIWebSocketAdapter):
    """What is sent on a WebSocket."""

    async def close(self, code: int, reason: str) -> None:
        """Ends it. A reason may repeat what a client sent: too much, or what UTF-8 can't hold."""
        told = reason.encode(errors="replace")[:LONGEST_REASON]
        await super().close(code, told.decode(errors="ignore"))


@dataclass
class SocketContext(Context):
    """One WebSocket. Who sends is known once the key came with `connection_init`."""

    connection_params: dict[str, Any] = field(default_factory=dict)
    state: State = field(default_factory=State)


class Conversation(BaseGraphQLTransportWSHandler[Context, None]):
    """One connection: whatever it is sent, it answers by the protocol, or closes by it."""

    async def handle_message(self, message: Any) -> None:
        """Takes a message of the protocol's form."""
        if _has_form(message):
            await super().handle_message(message)
        else:
            await self.handle_invalid_message("This is no message of graphql-transport-ws")

    async def handle_connection_init(self, message: Any) -> None:
        """Takes the key; a refusal's code is the reason of the closing."""
        try:
            await super().handle_connection_init(message)
        except WebSocketDisconnected:
            raise
        except BinderyError as error:
            passing = error.http_status == 503
            await self._end(TRY_AGAIN if passing else FORBIDDEN, error.code)
        except Exception:
            context = cast("SocketContext", self.context)
            log.exception("request %s failed", context.state.request_id)
            await self._end(FAILED, BinderyError.code)

    async def handle_subscribe(self, message: Any) -> None:
        """Begins an operation, or tells why not; the connection goes on."""
        id = message["id"]
        if self.connection_acknowledged and id not in self.operations:
            try:
                asked = self._asked(message["payload"])
            except Refused as error:
                await self._refuse(id, error)
                return
            operation = {"variables": asked.variables, "operationName": asked.name}
            message = {**message, "payload": {"query": asked.query, **operation}}
        await super().handle_subscribe(message)

    async def _end(self, status: int, code: str) -> None:
        """Ends the connection by a refusal, which is counted and traced as one over HTTP is."""
        context = cast("SocketContext", self.context)
        context.server.metrics.error("graphql", code)
        tracing.refused(code)
        await self.websocket.close(status, code)

    async def _refuse(self, id: str, error: Refused) -> None:
        context = cast("SocketContext", self.context)
        context.server.metrics.error("graphql", error.code)
        extensions = {"code": error.code, "requestId": context.sender.request_id}
        told: Any = [{"message": error.message, "extensions": extensions}]
        await self.send_message({"id": id, "type": "error", "payload": told})

    def _asked(self, payload: dict[str, Any]) -> Operation:
        """The operation of a message. Raises Refused."""
        socket, context = cast("Socket", self.view), cast("SocketContext", self.context)
        if len(self.operations) >= MAX_SUBSCRIPTIONS:
            raise Refused(
                429,
                "RATE_LIMITED",
                f"A WebSocket has {MAX_SUBSCRIPTIONS} subscriptions at most; end one of them.",
            )
        if context.sender.key_id is not None:
            context.spent = socket.rates.let_in(context.sender.key_id)
        return operation_of(payload, socket.documents)


def _has_form(message: Any) -> bool:
    """Whether a message is an object, and its members are of the protocol's types."""
    if not isinstance(message, dict) or not isinstance(message.get("id", ""), str):
        return False
    return message.get("type") != "subscribe" or isinstance(message.get("payload"), dict)


class Socket(GraphQL[Context, None]):
    """The WebSocket endpoint: subscriptions only, by the key in `connection_init`."""

    graphql_transport_ws_handler_class = Conversation
    websocket_adapter_class = Connection

    def __init__(self, server: Server, *, documents: Documents, rates: Rates) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            connection_init_wait_timeout=timedelta(seconds=INIT_SECONDS),
            allowed_origins=server.settings.origins,
        )
        self._server, self._limits = server, Limits.of(server.settings)
        self.documents, self.rates = documents, rates

    async def get_context(self, request: Any, response: Any) -> Context:  # noqa: ARG002
        """A context in which nobody has sent a key yet."""
        nobody = Actor(organization_id=uuid4(), role=Role.DEVICE)
        return SocketContext(
            sender=nobody,
            server=self._server,
            at=datetime.now(UTC),
            limits=self._limits,
            subscribes_only=True,
            state=request.state,
        )

    async def on_ws_connect(self, context: Context) -> Any:
        """Takes the key. Raises what `authenticate` raises where it is not good."""
        assert isinstance(context, SocketContext)
        secret = bearer(str(context.connection_params.get("authorization", "")))
        context.sender = await authenticate(
            secret, at=datetime.now(UTC), request_id=context.state.request_id
        )
        context.state.key = context.sender.key_prn
        return UNSET

    def decode_json(self, data: str | bytes) -> object:
        """What a message says. Raises JSONDecodeError, by which the protocol ends."""
        try:
            return read_json(data.encode() if isinstance(data, str) else data, "The message")
        except Refused as refused:
            raise JSONDecodeError(refused.message, "", 0) from refused

    def encode_json(self, data: object) -> str:
        """A message to the client."""
        return written(data).decode()
