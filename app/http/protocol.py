"""The wire protocol of uvicorn, with a deadline wherever a client may let the server wait.

Without one, connections that send nothing, or a byte now and then, are held for ever, and enough
of them starve the server. The body of a request that is being answered is its handler's to wait
for; all else is judged here.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final
from uuid import uuid4

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from app.http.refusal import LINGER_SECONDS

HEADER_SECONDS: Final = 6.0
"""Within which a request tells all its headers, and an answered one ends its body."""
CLOSE_SECONDS: Final = 3.0
"""Within which the client of a WebSocket agrees that it is closed."""
READ_SECONDS: Final = 60.0
"""Within which a client reads some of an answer that fills its buffers."""
HEADER_BYTES: Final = 64 * 1024


class DeadlineProtocol(HttpToolsProtocol):
    """Closes a connection whose next request, or whose reading, does not come in time."""

    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _head: int | None = None
    """How many bytes of a request's headers have come; None while none are under way."""
    _refused: bool = False

    def connection_made(self, transport: Any) -> None:
        """Begins to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Takes what came. It may be no request yet: blank lines, or the rest of an old body.

        Any byte ends the patience that uvicorn has with an idle connection, so another begins.
        """
        if self._refused:
            return
        super().data_received(data)
        if self._head is not None:
            self._head += len(data)
            if self._head > HEADER_BYTES:
                limit = f"The headers are larger than the limit of {HEADER_BYTES} bytes."
                self._refuse(431, "HEADERS_TOO_LARGE", limit)
                return
            # Nearly all requests come in one piece, and need no timer.
            self._wait()
        answered = self.cycle is not None and self.cycle.response_complete
        if answered and self.timeout_keep_alive_task is None:
            self._wait()

    def on_message_begin(self) -> None:
        """Begins to take the headers of a further request."""
        super().on_message_begin()
        self._head = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a header; one after the body is none, and could grow without an end."""
        if self._head is not None:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The headers are there: from now on the application has its own deadlines."""
        self._head = None
        self._end_wait()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuses what is no HTTP, as every other request is refused: with JSON."""
        self._refuse(400, "BAD_REQUEST", msg)

    def on_response_complete(self) -> None:
        """Begins to wait for the rest of a body that the answer did not need."""
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body:
            self._wait()

    def pause_writing(self) -> None:
        """Begins to wait for the client to read."""
        super().pause_writing()
        self._unread = self.loop.call_later(READ_SECONDS, self._abort)

    def resume_writing(self) -> None:
        """The client reads on."""
        self._end_unread()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._end_wait()
        self._end_unread()
        super().connection_lost(exc)

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answers what no application can, and is deaf to what follows until the client has gone.

        To close at once would reset a client that sends still, and take the answer from it.
        """
        if self.transport.is_closing() or self._refused:
            return
        self._refused = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            # What was asked before is answered still, but for a request that broke half-way.
            cycle.keep_alive = False
            if not cycle.more_body:
                return
            cycle.disconnected = True
            cycle.message_event.set()
            if self.pipeline or cycle.response_started:
                self._wait()
                return
        self.transport.write(_refusal(status, code, message))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._end_wait()
        self._deadline = self.loop.call_later(LINGER_SECONDS, self._abort)

    def _wait(self) -> None:
        if self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(HEADER_SECONDS, self._late)

    def _end_wait(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _late(self) -> None:
        self._deadline = None
        if self.flow.read_paused:
            # The client may have sent it all; it is the server that does not read.
            self._wait()
        else:
            self._abort()

    def _abort(self) -> None:
        """Lets go at once: to close would wait until the client has read what it does not read."""
        if not self.transport.is_closing():
            self.transport.abort()


class SocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket that waits neither for a client that was told to go, nor for a handshake.

    Handed over by the protocol above, a handshake comes in one piece. What can't be read then, a
    body or headers without measure, uvicorn would keep for ever without an answer.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.close_timeout = CLOSE_SECONDS
        # What a client sends holds its key, and no log is for that, however much it tells.
        self.conn.debug = False

    def data_received(self, data: bytes) -> None:
        """Takes what came, and refuses a handshake that could not be read."""
        super().data_received(data)
        if not self.handshake_initiated and not self.transport.is_closing():
            message = "A WebSocket's handshake has no body, and few and short headers."
            self.transport.write(_refusal(400, "BAD_REQUEST", message))
            self.transport.close()


def _refusal(status: int, code: str, message: str) -> bytes:
    """The whole answer to what no application can answer, after which the connection is closed."""
    id = uuid4().hex
    extensions = {"code": code, "requestId": id}
    body = json.dumps({"errors": [{"message": message, "extensions": extensions}]}).encode()
    head = (
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\nx-request-id: {id}\r\n"
        "cache-control: no-store\r\nconnection: close\r\n\r\n"
    )
    return STATUS_LINE[status] + head.encode("ascii") + body
