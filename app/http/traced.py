"""A span around each request of a route, from its headers to the last byte of its answer."""

from __future__ import annotations

from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import tracing


class Traced:
    """An ASGI endpoint with spans around it. `route` is what its paths have in common."""

    def __init__(self, app: ASGIApp, *, route: str) -> None:
        self._app = app
        self._route = route

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # Where nobody takes spans, this is all that it costs.
        if not tracing.wanted():
            return self._app(scope, receive, send)
        return self._traced(scope, receive, send)

    async def _traced(self, scope: Scope, receive: Receive, send: Send) -> None:
        status: int | None = None
        complete = False

        async def seen(message: Message) -> None:
            nonlocal status, complete
            match message["type"]:
                case "http.response.start":
                    status = message["status"]
                case "http.response.body":
                    complete = not message.get("more_body", False)
                case "websocket.accept":
                    status, complete = 101, True
                case "websocket.close" if status is None:
                    status, complete = 403, True
            await send(message)

        with tracing.request(scope, self._route):
            try:
                await self._app(scope, receive, seen)
            finally:
                tracing.answered(status, complete=complete)
