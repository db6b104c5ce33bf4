"""The routes of this door."""

from __future__ import annotations

from functools import partial

from starlette.routing import Route

from app.http import content, explorer, health, metrics, parts
from app.http.door import Door
from app.http.traced import Traced
from app.server import Server


def routes(server: Server) -> list[Route]:
    """The routes for bytes, for health and for the explorer.

    The byte routes take whatever is below their first segment, and every method: a link with a
    character changed is refused as such, before the method is looked at.
    """
    counted = partial(Door, metrics=server.metrics)
    put = counted(partial(parts.put, server), methods=parts.METHODS)
    get = counted(partial(content.get, server), methods=content.METHODS)
    return [
        Route("/upload/{rest:path}", Traced(put, route="/upload/{binary}/{part}")),
        Route("/content/{rest:path}", Traced(get, route="/content/{binary}")),
        *watching(server),
        *explorer.routes(),
    ]


def watching(server: Server) -> list[Route]:
    """The routes by which an operator watches a process, and that a worker has as well."""
    return [
        Route("/health/live", Door(health.live, methods=health.METHODS)),
        Route("/health/ready", Door(partial(health.ready, server), methods=health.METHODS)),
        Route(
            "/metrics",
            Door(metrics.MetricsPage(server), methods=metrics.METHODS, metrics=server.metrics),
        ),
    ]
