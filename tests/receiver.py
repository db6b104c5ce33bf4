"""A receiver of webhooks: a real HTTP server on loopback that keeps all that comes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.api import Api, Json

PAGE = Path(__file__).parents[1] / "docs" / "webhooks.md"
LOOPBACK = "127.0.0.0/8"
OF_PRODUCTS = ["product.create", "product.update"]
"""The kinds of events that `changes` brings about."""
Answer = Callable[["Message"], bytes | None]


def _documented() -> Callable[[str, dict[str, str], bytes], str]:
    """The function by which receivers verify, as the page of webhooks has it."""
    (source,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    names: dict[str, Any] = {}
    exec(source, names)
    found: Callable[[str, dict[str, str], bytes], str] = names["verify"]
    return found


verify = _documented()


def status(code: int, *headers: str) -> bytes:
    """An answer without a body."""
    told = "".join(f"{one}\r\n" for one in headers)
    return f"HTTP/1.1 {code} Said\r\ncontent-length: 0\r\n{told}\r\n".encode()


@dataclass(frozen=True)
class Message:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """What tells a repeat."""
        return self.headers["webhook-id"]

    @property
    def told(self) -> dict[str, Any]:
        """The event."""
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Receiver:
    """What came, and how it is answered: a status line and so on, or None for no answer at all."""

    port: int = 0
    answer: Answer = lambda _: status(204)
    connections: int = 0
    came: list[Message] = field(default_factory=list)
    taken: list[Message] = field(default_factory=list)
    """What was answered with success."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Reads one request, and answers it."""
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._answered(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        exact = {line.split(":")[0].lower(): line.split(": ", 1)[1] for line in lines}
        body = await reader.readexactly(int(headers["content-length"]))
        message = Message(first.split(" ")[1], exact, body)
        self.came.append(message)
        said = self.answer(message)
        if said is None:
            # Until whoever asks has lost patience.
            await reader.read()
            return
        if said.startswith(b"HTTP/1.1 2"):
            self.taken.append(message)
        writer.write(said)
        await writer.drain()

    def subjects(self) -> dict[str, list[str]]:
        """The events that were taken, by subject, each once, as they first came."""
        found: dict[str, list[str]] = {}
        for message in self.taken:
            events = found.setdefault(message.told["data"]["subject"], [])
            if message.told["data"]["id"] not in events:
                events.append(message.told["data"]["id"])
        return found


@contextlib.asynccontextmanager
async def receiving(answer: Answer | None = None) -> AsyncIterator[Receiver]:
    """A receiver that listens as long as the block lasts."""
    receiver = Receiver()
    if answer is not None:
        receiver.answer = answer
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


async def hooked(api: Api, receiver: Receiver, **more: Any) -> Json:
    """A webhook that sends to the receiver, and its secret."""
    told = {"name": "hook", "url": receiver.url, **more}
    payload = await api.mutate("createWebhook", "webhook { id } secret", **told)
    assert payload["errors"] == []
    return payload


async def changes(api: Api, *, products: int, each: int) -> dict[str, list[str]]:
    """Makes so many products, and changes them in turn; the events of each, in order."""
    ids = [await api.product(f"product-{n}") for n in range(products)]
    for n in range(each):
        for place, id in enumerate(ids):
            name = f"product-{place}-{n}"
            await api.do("updateProduct", "product { id }", productId=id, name=name)
    query = """query($id: ID!) { product(id: $id) {
      events(orderBy: {field: CREATED_AT}) { nodes { id } } } }"""
    found = {}
    for id in ids:
        events = (await api.ask(query, id=id))["product"]["events"]["nodes"]
        found[id] = [one["id"] for one in events]
    return found
