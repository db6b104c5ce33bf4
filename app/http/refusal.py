"""How the byte routes say no: one JSON form for every error, and the headers that belong to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from app.rules.facts import camel
from app.rules.refusal import BinderyError

LINGER_BYTES: Final = 16 * 1024 * 1024
LINGER_SECONDS: Final = 2.0
"""How much of an unwanted body is read away, and how long, before its connection is closed."""

_log = logging.getLogger(__name__)

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_HEADERS_OF_STATUS: Final[Mapping[int, Mapping[str, str]]] = {
    401: {"WWW-Authenticate": "Bearer"},
    415: {"Accept-Encoding": "identity"},
    503: {"Retry-After": "5"},
    507: {"Retry-After": "60"},
}
_PASSING: Final = frozenset({503, 507})
"""What the server refuses by itself for as long as its database, storage or room is missing. Each
request gets it then, and where it stood in the code says nothing."""


def request_id(request: Request) -> str:
    """The id that a middleware gave the request (`request.state.request_id`), or a new one."""
    if getattr(request.state, "request_id", None) is None:
        request.state.request_id = uuid4().hex
    return str(request.state.request_id)


def refusal(
    request: Request, error: Exception, *, allow: Sequence[str] = (), unread: bool = False
) -> Response:
    """The answer to a request that ended in `error`; what is the server's fault is logged.

    `allow` are the methods that a 405 names. With `unread`, there may be more of the request's
    body on its way: the connection is closed after the answer.
    """
    status = error.http_status if isinstance(error, BinderyError) else 500
    id = request_id(request)
    if status in _PASSING:
        cause = f" ({error.__cause__!r})" if error.__cause__ is not None else ""
        _log.warning("Request %s is refused: %s%s", id, error, cause)
    elif status >= 500:
        _log.error("Request %s failed.", id, exc_info=error)
    headers = {**_HEADERS, **_HEADERS_OF_STATUS.get(status, {})}
    if status == 405:
        headers["Allow"] = ", ".join(allow)
    body = {"errors": [_described(error, id)]}
    if unread:
        headers["Connection"] = "close"
        return _Lingering(body, status_code=status, headers=headers)
    return JSONResponse(body, status_code=status, headers=headers)


def _described(error: Exception, id: str) -> dict[str, Any]:
    extensions = {"code": BinderyError.code, "requestId": id}
    if not isinstance(error, BinderyError):
        message = "The server failed; its log has the reason under this request id."
        return {"message": message, "extensions": extensions}
    extensions |= {"code": error.code}
    extensions |= {camel(name): value for name, value in error.facts.items()}
    path = {"path": list(error.path)} if error.path else {}
    return {"message": error.message, **path, "extensions": extensions}


class _Lingering(JSONResponse):
    """An answer to a client that may still be sending.

    Closing a connection with bytes unread resets it, and a reset can take the answer away before
    the client has read it. So the answer goes out at once, and what comes is read away for a
    moment; a client that reads the answer closes first.
    """

    async def __call__(
        self,
        scope: Scope,  # noqa: ARG002 - the shape of an ASGI application.
        receive: Receive,
        send: Send,
    ) -> None:
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                await _read_away(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _read_away(receive: Receive) -> None:
    left = LINGER_BYTES
    while left > 0:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            return
        left -= len(message.get("body", b""))
