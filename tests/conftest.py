"""What tests of the whole server share: both databases, a running server, and its clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from app.actions import access
from app.actions.unit import Actor
from app.main import create_app, running
from app.rules.access import Role
from app.server import Server
from app.settings import Settings
from tests.api import Api
from tests.databases import (
    database_url,
    migrated,
    postgres_server,
    postgres_template,
    sqlite_template,
)

__all__ = ["database_url", "migrated", "postgres_server", "postgres_template", "sqlite_template"]

_apps: dict[int, Starlette] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Has the long tests begin first: one that began last would be waited for alone."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """The settings of the server under test."""
    return Settings(
        data=tmp_path / "data",
        database=database_url,
        storage_reserve=0,
        storage_ballast=0,
        lease_seconds=5,
        upload_idle_seconds=5,
    )


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Server]:
    """A running server, worker included, without a socket."""
    app = create_app(settings)
    found: Server = app.state.server
    _apps[id(found)] = app
    async with running(found):
        yield found
    del _apps[id(found)]


@pytest.fixture
async def http(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of the server, without a key."""
    transport = httpx.ASGITransport(_apps[id(server)])
    async with httpx.AsyncClient(transport=transport, base_url="http://bindery") as client:
        yield client


@pytest.fixture
async def api(server: Server, http: httpx.AsyncClient) -> Api:
    """A GraphQL client with an ADMIN key of an organization of its own."""
    return await new_api(http, "acme")


async def new_api(http: httpx.AsyncClient, organization: str, role: Role = Role.ADMIN) -> Api:
    """A GraphQL client with a fresh key of an organization, made if it is new."""
    found = await access.ensure_organization(organization)
    actor = Actor(organization_id=found.id, role=Role.ADMIN)
    _, secret = await access.create_api_key(actor, name="test", role=role)
    return Api(http, secret)
