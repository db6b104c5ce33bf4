"""Joins database, store, worker and doors into one application; nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, WebSocketRoute

from app import database
from app.actions import content, verification
from app.graphql.stream import Socket
from app.graphql.view import GraphQLView
from app.http.routes import routes
from app.rules.errors import StorageDegraded
from app.server import Server
from app.settings import Settings
from app.storage.disk import DiskStore
from app.worker.worker import Worker

SECRET_BYTES = 32


def create_app(settings: Settings) -> Starlette:
    """The application of one process. It opens everything when it starts, and closes it again."""
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    server = Server(
        settings=settings,
        store=DiskStore(settings.data / "blobs", reserve=settings.storage_reserve),
        secret=read_secret(settings),
    )

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with running(server):
            yield

    endpoints = [
        Route("/graphql", GraphQLView(server)),
        WebSocketRoute("/graphql", Socket(server).endpoint),
    ]
    app = Starlette(
        routes=[*endpoints, *routes(server)], middleware=cross_origin(settings), lifespan=lifespan
    )
    app.state.server = server
    return app


def cross_origin(settings: Settings) -> list[Middleware]:
    """What lets web pages of the allowed origins call the server; nothing where there are none."""
    if not settings.origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "HEAD", "POST", "PUT"],
            allow_headers=["Authorization", "Content-Type", "If-None-Match", "If-Range", "Range"],
            expose_headers=["ETag", "Repr-Digest", "Retry-After"],
        )
    ]


@contextlib.asynccontextmanager
async def running(server: Server) -> AsyncIterator[None]:
    """A process from its start to its end (design, section 2, rule 10)."""
    settings = server.settings
    async with database.opened(settings.database_url, pool=settings.database_pool):
        await database.migrate()
        await server.store.open()
        if database.is_embedded(settings.database_url):
            # This is the only process, so what another one left undone is nobody's.
            await content.recover()
            await verification.requeue_dead()
        worker = Worker(server)
        working = asyncio.create_task(worker.run()) if settings.worker else None
        server.work.set()
        server.ready.set()
        try:
            yield
        finally:
            server.ready.clear()
            if working is not None:
                worker.stop()
                await working
            await server.store.close()


def read_secret(settings: Settings) -> bytes:
    """The secret that signs URLs and tokens: the setting, or a file made at the first start.

    Raises StorageDegraded where others may read the file.
    """
    if settings.secret:
        return bytes.fromhex(settings.secret)
    path = settings.data / "secret.key"
    with contextlib.suppress(FileExistsError):
        _write_secret(path)
    if path.stat().st_mode & 0o077:
        raise StorageDegraded(f"{path} can be read by others; run `chmod 600 {path}`.")
    return bytes.fromhex(path.read_text())


def _write_secret(path: Path) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(SECRET_BYTES))
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
