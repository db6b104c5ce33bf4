"""A way past the routes for the one path that nearly all requests are for."""

from __future__ import annotations

from collections.abc import Awaitable

from starlette.types import ASGIApp, Receive, Scope, Send


class Straight:
    """Gives the requests for a path to its endpoint, and all others to the routes.

    The endpoint answers what it raises by itself. To find it by the routes, and to be ready for
    errors that it does not raise, would take a tenth of what a small query costs.
    """

    def __init__(self, app: ASGIApp, *, path: str, endpoint: ASGIApp) -> None:
        self._app = app
        self._path = path
        self._endpoint = endpoint

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Hands the request on."""
        if scope["type"] == "http" and scope["path"] == self._path:
            return self._endpoint(scope, receive, send)
        return self._app(scope, receive, send)
