"""One line for each request that was answered: what an operator has to know, and no secret.

A signed URL is a secret, so of an address the path alone is told; of a key, its id.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable
from secrets import token_hex
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.proxies import see_through
from app.log import ACCESS, hidden, moment, request_id
from app.settings import Network

LONGEST_PATH: Final = 200
"""How many characters of a path are told; no path of this server has as many."""
HEADER: Final = b"x-request-id"
"""Where an answer tells the id of its request, and where a caller may choose it."""
ROUTES: Final = frozenset({"graphql", "upload", "content", "health", "metrics"})
"""The first segments of the paths that are told apart; the explorer's are `other`."""
_CHOSEN: Final = re.compile(rb"[A-Za-z0-9._:-]{8,128}")

log = logging.getLogger(ACCESS)


class AccessLog:
    """The first that a request meets: gives it an id and its true origin, and notes its end.

    The id is the caller's, where it sent one, so that its log and this one can be read together.
    Whoever finds out the key of a request puts its id into `request.state.key`. `answered` is told
    the route and the status of each request, and 0 of one that had no answer.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        answered: Callable[[str, int], None],
        proxies: tuple[Network, ...] = (),
    ) -> None:
        self._app = app
        self._answered = answered
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if self._proxies:
            see_through(scope, self._proxies)
        id = scope.setdefault("state", {}).setdefault("request_id", _chosen(scope) or token_hex(16))
        request_id.set(id)
        seen = _Seen(send, id)
        at, begun = time.time(), time.perf_counter()
        try:
            await self._app(scope, receive, seen)
        finally:
            self._answered(_route(scope["path"]), seen.status or 0)
            if log.isEnabledFor(logging.INFO):
                _tell(scope, seen, at=at, seconds=time.perf_counter() - begun)


def _route(path: str) -> str:
    """Which route a path belongs to, by its first segment; no other word of a caller's."""
    first = path[1:].partition("/")[0]
    return first if first in ROUTES else "other"


def _chosen(scope: Scope) -> str | None:
    """The id that the caller chose. One of another form, or with a secret in it, is none."""
    for name, value in scope["headers"]:
        if name == HEADER:
            text: str = value.decode("latin-1")
            return text if _CHOSEN.fullmatch(value) and hidden(text) == text else None
    return None


class _Seen:
    """An answer's `send` that tells the request's id, and remembers what went out."""

    def __init__(self, send: Send, id: str) -> None:
        self._send = send
        self._id = id.encode("latin-1")
        self.status: int | None = None
        self.bytes = 0
        self.complete = False

    def __call__(self, message: Message) -> Awaitable[None]:
        match message["type"]:
            case "http.response.start" | "websocket.http.response.start":
                self.status = message["status"]
                message["headers"] = [*message.get("headers", ()), (HEADER, self._id)]
            case "http.response.body" | "websocket.http.response.body":
                self.bytes += len(message.get("body", b""))
                self.complete = not message.get("more_body", False)
            case "websocket.accept":
                self.status, self.complete = 101, True
            case "websocket.send":
                self.bytes += len(message.get("bytes") or (message.get("text") or "").encode())
            case "websocket.close" if self.status is None:
                self.status, self.complete = 403, True
        return self._send(message)


def _tell(scope: Scope, seen: _Seen, *, at: float, seconds: float) -> None:
    client = scope.get("client")
    told: dict[str, Any] = {
        "time": moment(at),
        "address": client[0] if client else None,
        "scheme": scope["scheme"],
        "method": scope.get("method", "WEBSOCKET"),
        "path": hidden(scope["path"])[:LONGEST_PATH],
        "status": seen.status,
        "bytes": seen.bytes,
        "milliseconds": round(seconds * 1000, 2),
        "requestId": scope["state"]["request_id"],
        "keyId": scope["state"].get("key"),
    }
    if not seen.complete:
        told["complete"] = False
    log.info(
        "%(address)s %(method)s %(path)s %(status)s, %(bytes)s bytes in %(milliseconds)s ms",
        told,
        extra={"facts": told},
    )
