"""Joins database, store, worker and doors into one application; nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from app import database, engine
from app.actions import presence, verification
from app.ballast import ballast
from app.graphql.documents import Documents
from app.graphql.rate import Rates
from app.graphql.socket import Socket
from app.graphql.view import GraphQLView
from app.http.access_log import AccessLog
from app.http.origins import CrossOrigin
from app.http.refusal import refusal
from app.http.routes import routes, watching
from app.http.straight import Straight
from app.http.traced import Traced
from app.replica import Standby
from app.rules.errors import NotFound
from app.secret import read_secret
from app.server import Server
from app.settings import Settings, SettingsError
from app.storage.content import ContentStore
from app.storage.disk import DiskStore
from app.worker.upkeep import Upkeep, restore_ballast
from app.worker.worker import Worker


def create_app(settings: Settings) -> Starlette:
    """The application of one process. It opens everything when it starts, and closes it again."""
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    server = Server(
        settings=settings,
        store=content_store(settings),
        secret=read_secret(settings),
    )

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with running(server):
            yield

    documents = Documents.load(settings.trusted_documents, only=settings.only_trusted_documents)
    rates = Rates(requests=settings.rate_requests, cost=settings.rate_cost)
    answers = Traced(GraphQLView(server, documents=documents, rates=rates), route="/graphql")
    follows = Socket(server, documents=documents, rates=rates)
    endpoints = [
        Route("/graphql", answers),
        WebSocketRoute("/graphql", Traced(follows, route="/graphql")),
    ]
    app = Starlette(
        routes=[*endpoints, *routes(server)],
        middleware=[
            Middleware(AccessLog, proxies=settings.proxies, answered=server.metrics.answered),
            *cross_origin(settings),
            Middleware(Straight, path="/graphql", endpoint=answers),
        ],
        exception_handlers={404: missing},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.server = server
    return app


def watched(server: Server) -> Starlette:
    """What a worker tells of itself: its metrics and its health, and nothing else."""
    app = Starlette(
        routes=watching(server),
        middleware=[
            Middleware(AccessLog, proxies=server.settings.proxies, answered=server.metrics.answered)
        ],
        exception_handlers={404: missing},
    )
    app.router.redirect_slashes = False
    app.state.server = server
    return app


def content_store(settings: Settings) -> ContentStore:
    """Where the bytes of binaries are kept. Raises SettingsError."""
    if not settings.content:
        return DiskStore(settings.data / "blobs", reserve=settings.storage_reserve)
    # The client of buckets takes a quarter of a second to import. No start waits for it that keeps
    # its content on a disk.
    place, s3 = map(importlib.import_module, ("app.storage.location", "app.storage.s3"))
    try:
        location = place.Location.of(
            settings.content, endpoint=settings.s3_endpoint, region=settings.s3_region
        )
    except ValueError as error:
        raise SettingsError(f"BINDERY_CONTENT is {settings.content!r}. {error}") from error
    store: ContentStore = s3.S3Store(location)
    return store


async def missing(request: Request, _error: Exception) -> Response:
    """A path that there is not, refused like everything else."""
    return refusal(request, NotFound("There is nothing at this path."))


def cross_origin(settings: Settings) -> list[Middleware]:
    """What lets web pages of the allowed origins call the server; nothing where there are none."""
    if not settings.origins:
        return []
    return [Middleware(CrossOrigin, origins=settings.origins)]


def _standby(settings: Settings) -> Standby | None:
    if not settings.database_replica:
        return None
    return Standby(url=settings.database_replica, seconds=settings.database_replica_seconds)


@contextlib.asynccontextmanager
async def running(server: Server) -> AsyncIterator[None]:
    """A process from its start to its end (design, section 2, rule 10)."""
    settings = server.settings
    async with (
        _ballast(settings),
        database.opened(
            settings.database_url, pool=settings.database_pool, standby=_standby(settings)
        ),
        contextlib.AsyncExitStack() as ends,
    ):
        await database.assert_sound()
        await database.migrate()
        await restore_ballast()
        await server.store.open()
        ends.push_async_callback(server.store.close)
        if engine.is_embedded(settings.database_url):
            # This is the only process, so what another one left undone is nobody's.
            await presence.recover()
            await verification.requeue_dead()
        else:
            await presence.beat()
            ends.push_async_callback(presence.leave)
        await ends.enter_async_context(_kept_up(Upkeep(server)))
        if settings.worker:
            await ends.enter_async_context(_working(Worker(server)))
        server.work.set()
        server.ready.set()
        try:
            yield
        finally:
            server.ready.clear()


@contextlib.asynccontextmanager
async def _ballast(settings: Settings) -> AsyncIterator[None]:
    """Keeps the ballast beside an embedded database, which may need it to be opened at all."""
    file = engine.embedded_file(settings.database_url)
    with contextlib.ExitStack() as stack:
        if file is not None:
            path = file.with_name("ballast")
            stack.enter_context(ballast.kept(path, size=settings.storage_ballast))
        yield


@contextlib.asynccontextmanager
async def _kept_up(upkeep: Upkeep) -> AsyncIterator[None]:
    task = asyncio.create_task(upkeep.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def _working(worker: Worker) -> AsyncIterator[None]:
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await task
