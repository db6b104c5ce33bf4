"""What a client that stays connected is told first, by the application itself."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from starlette.applications import Starlette

from tests.suites.permissions import OK

PROTOCOL: Final = "graphql-transport-ws"


async def greeted(app: Starlette, path: str, key: str) -> str:
    """`ok` where a `connection_init` with this key is taken, else the code of the closing."""
    payload = {"authorization": f"Bearer {key}"} if key else {}
    coming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    coming.put_nowait({"type": "websocket.connect"})
    init = json.dumps({"type": "connection_init", "payload": payload})
    coming.put_nowait({"type": "websocket.receive", "text": init})
    told = ""

    async def send(message: Any) -> None:
        nonlocal told
        if message["type"] == "websocket.send":
            told = OK if json.loads(message["text"])["type"] == "connection_ack" else told
        elif message["type"] == "websocket.close":
            told = str(message["code"])
        if told:
            coming.put_nowait({"type": "websocket.disconnect", "code": 1000})

    scope = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"bindery"), (b"sec-websocket-protocol", PROTOCOL.encode())],
        "subprotocols": [PROTOCOL],
        "scheme": "ws",
        "server": ("bindery", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }
    await asyncio.wait_for(app(scope, coming.get, send), timeout=10)
    return told


async def first_event(app: Starlette, body: dict[str, Any], key: str) -> str:
    """The beginning of the answer to a subscription by server-sent events, with its first event."""
    headers = [(b"accept", b"text/event-stream"), (b"content-type", b"application/json")]
    if key:
        headers.append((b"authorization", f"Bearer {key}".encode()))
    gone = asyncio.Event()
    sent = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]
    told: list[bytes] = []

    async def receive() -> Any:
        if sent:
            return sent.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        told.append(message.get("body", b""))
        # A comment alone, a heartbeat, tells nothing.
        if b"data:" in told[-1] or b"errors" in told[-1]:
            gone.set()

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "query_string": b"",
        "headers": [(b"host", b"bindery"), *headers],
        "scheme": "http",
        "server": ("bindery", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }
    await asyncio.wait_for(app(scope, receive, send), timeout=30)
    return b"".join(told).decode()
