"""How a process of the command line listens, and how it ends: its socket, its HTTP server."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import signal
import socket
from collections.abc import Callable, Generator

import uvicorn
from starlette.applications import Starlette

from app.console import Stop, reason
from app.http.protocol import DeadlineProtocol, SocketProtocol

SHUTDOWN_SECONDS = 5
"""How long requests under way may take to end when the server is told to stop."""

COLLECT_AFTER = 50_000
"""How many more objects were made than went before the collector looks at the new ones."""


def bound(host: str, port: int) -> socket.socket:
    """A socket of this address, so that a port in use is found out before anything is opened."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise Stop(
            f"Can't listen on {host}, port {port}: {reason(error)}. Choose another with --host or"
            " --port, or stop what listens there."
        ) from error
    return listener


class Listening(uvicorn.Server):
    """The HTTP server; who runs it opens the process before, and closes it after."""

    news = ""
    """What to print when connections are taken."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=DeadlineProtocol,
                ws=SocketProtocol,
                ws_max_size=app.state.server.settings.limit_body,
                lifespan="off",
                access_log=False,
                proxy_headers=False,
                log_config=None,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to take connections, and says so."""
        try:
            await super().startup(sockets)
        except OSError as error:
            # The address was bound before, but another process was the first to listen.
            raise Stop(f"Can't listen: {reason(error)}.") from error
        print(self.news, flush=True)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Ends on SIGINT and SIGTERM. The stock one then kills the process, before it closed."""
        on_end(lambda one: self.handle_exit(one, None))
        yield


def on_end(end: Callable[[signal.Signals], object]) -> None:
    """Has SIGINT and SIGTERM call this, in the loop that runs."""
    loop = asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, end, one)


def allow_connections() -> None:
    """As many open files as the system grants: each connection is one, and 1,024 are soon held."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def spare_what_stays() -> None:
    """Leaves what a start has made out of the collector's rounds, and has them less often.

    The schema and all code are hundreds of thousands of objects that never go. An answer is made of
    thousands that go without the collector, and with them it went through everything again and
    again: that was a third of the time of a large answer.
    """
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 50)
