"""The endpoint of every route of this door: a handler, and one translation of what it raises."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from app import tracing
from app.http.refusal import refusal
from app.metrics import Metrics
from app.rules.refusal import BinderyError

Handler = Callable[[Request], Awaitable[Response]]


class Door:
    """An ASGI endpoint that takes every method: when a wrong one is refused, its handler knows.

    An error after the answer began is not caught. The server then closes the connection, and the
    client sees that the body is incomplete.
    """

    def __init__(
        self, handler: Handler, *, methods: Sequence[str], metrics: Metrics | None = None
    ) -> None:
        self._handler = handler
        self._methods = tuple(methods)
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = _Watched(receive)
        request = Request(scope, body)
        # Nobody is left to answer when the client disconnected.
        with suppress(ClientDisconnect):
            try:
                response = await self._handler(request)
            except ClientDisconnect:
                raise
            except Exception as error:
                code = getattr(error, "code", BinderyError.code)
                if self._metrics is not None:
                    self._metrics.error("http", code)
                tracing.refused(code)
                unread = not body.ended and _announces_body(request)
                response = refusal(request, error, allow=self._methods, unread=unread)
            await response(scope, body, send)


class _Watched:
    """A request's `receive` that remembers whether the body came to its end."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.ended = False

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self.ended = True
        return message


def _announces_body(request: Request) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0")
        for name, value in request.scope["headers"]
    )
