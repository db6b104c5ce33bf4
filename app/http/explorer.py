"""The explorer at `/`: GraphiQL, built from `app/explorer` and served from the package.

A browser that opens it asks nobody but this server for anything: what is not built in is not there,
and the Content-Security-Policy refuses the rest.
"""

from __future__ import annotations

import asyncio
import html
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from app.http.door import Door
from app.rules.errors import NotFound
from app.rules.failures import MethodNotAllowed

METHODS: Final = ("GET", "HEAD")
BUILT: Final = Path(__file__).parents[1] / "explorer" / "dist"
"""What `make explorer` makes; the wheel carries it."""

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        # Monaco, the editor of GraphiQL, positions its lines by style attributes and adds the
        # colours of its theme as a style element. Neither can be told a nonce.
        "style-src 'self' 'unsafe-inline'",
        "worker-src 'self'",
        "connect-src 'self'",
        "font-src 'self' data:",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# The page names its parts, so it has to be asked for; a part's name changes with its content.
_PAGE_HEADERS: Final = {**_HEADERS, "Cache-Control": "no-cache"}
_PART_HEADERS: Final = {**_HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}

_MEDIA_TYPES: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
}

_NOT_BUILT: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Bindery</title></head>
<body>
<h1>Bindery</h1>
<p>The server works. Its explorer is not built: that needs npm, once.</p>
<pre>make explorer</pre>
<p>The API is at <code>/graphql</code>, with or without it:</p>
<pre>curl ADDRESSgraphql \\
    -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\
    -d '{"query": "{ binaries { nodes { id target state } } }"}'</pre>
</body>
</html>
"""


def routes() -> list[Route]:
    """The page, and the parts that it loads."""
    return [
        Route("/", Door(page, methods=METHODS)),
        Route("/explorer/{name}", Door(part, methods=METHODS)),
    ]


async def page(request: Request) -> Response:
    """The explorer, or a page that says how to build it. Raises MethodNotAllowed."""
    _check_method(request)
    index = BUILT / "index.html"
    if await asyncio.to_thread(index.is_file):
        return FileResponse(index, media_type="text/html", headers=_PAGE_HEADERS)
    address = html.escape(str(request.base_url))
    return HTMLResponse(_NOT_BUILT.replace("ADDRESS", address), headers=_PAGE_HEADERS)


async def part(request: Request) -> Response:
    """One file that the page loads. Raises MethodNotAllowed, NotFound."""
    _check_method(request)
    path = await asyncio.to_thread(_found, request.path_params["name"])
    if path is None:
        raise NotFound("The explorer has no such part; reload its page.")
    # Named here, since what a file name means depends on the machine that is asked.
    return FileResponse(path, media_type=_MEDIA_TYPES.get(path.suffix), headers=_PART_HEADERS)


def _found(name: str) -> Path | None:
    """The part of this name: looked for among those that are there, so that no name is a path."""
    folder = BUILT / "explorer"
    there = folder.iterdir() if folder.is_dir() else ()
    return next((path for path in there if path.name == name and path.is_file()), None)


def _check_method(request: Request) -> None:
    if request.method not in METHODS:
        raise MethodNotAllowed("The explorer is read with GET or HEAD; the API is at /graphql.")
