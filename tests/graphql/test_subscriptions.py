"""Subscriptions over server-sent events and WebSockets, and across processes on PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import websockets

from app.http.protocol import DeadlineProtocol, SocketProtocol
from app.main import create_app
from app.rules.access import Role
from app.settings import Settings
from tests.api import BINARY, Api
from tests.conftest import new_api

FOLLOW = """subscription($id: ID!) {
  binaryChanged(id: $id) { state bytesUploaded verification { status bytesHashed } } }"""
EVENTS = "subscription($kind: [String!]) { eventRecorded(filter: {kind: $kind}) { kind after } }"


@contextlib.asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[str]:
    """A server on a socket; gives its address."""
    config = uvicorn.Config(
        create_app(settings),
        port=0,
        http=DeadlineProtocol,
        ws=SocketProtocol,
        log_level="error",
        access_log=False,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it.
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def address(settings: Settings) -> AsyncIterator[str]:
    """The address of a running server."""
    async with served(settings) as found:
        yield found


@pytest.fixture
async def client(address: str) -> AsyncIterator[Api]:
    """A client with an ADMIN key."""
    async with httpx.AsyncClient(base_url=f"http://{address}", timeout=30) as http:
        yield await new_api(http, "acme")


@contextlib.asynccontextmanager
async def followed(
    api: Api, query: str, **variables: Any
) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """What a subscription answers by server-sent events, one by one."""
    headers = {"authorization": f"Bearer {api.key}", "accept": "text/event-stream"}
    body = {"query": query, "variables": variables}
    async with api.http.stream("POST", "/graphql", json=body, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")

        async def results() -> AsyncIterator[dict[str, Any]]:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

        yield results()


async def test_a_binary_is_followed_through_its_life(client: Api) -> None:
    binary = await client.binary(await client.version())
    async with followed(client, FOLLOW, id=binary["id"]) as results:
        first = await anext(results)
        assert first["data"]["binaryChanged"] == {
            "state": "UPLOADABLE",
            "bytesUploaded": "0",
            "verification": None,
        }
        await client.http.put(binary["parts"][0]["uploadUrl"], content=b"content")
        second = await anext(results)
        assert second["data"]["binaryChanged"]["bytesUploaded"] == "7"
        await client.do("finishBinaryUpload", BINARY, binaryId=binary["id"], startHashing=True)
        states = []
        async for result in results:
            states.append(result["data"]["binaryChanged"]["state"])
            if states[-1] == "SIGNABLE":
                break
        assert set(states) <= {"HASHING", "SIGNABLE"}


async def test_events_arrive_as_they_are_recorded(client: Api) -> None:
    async with followed(client, EVENTS, kind=["product.create"]) as results:
        coming = asyncio.ensure_future(anext(results))
        await asyncio.sleep(0.2)
        await client.do("createArtifact", "artifact { id }", name="unheard")
        await client.product("heard")
        told = (await asyncio.wait_for(coming, 5))["data"]["eventRecorded"]
        assert (told["kind"], told["after"]["name"]) == ("product.create", "heard")


async def test_another_organization_hears_nothing(client: Api) -> None:
    stranger = await new_api(client.http, "other")
    binary = await client.binary(await client.version())
    async with followed(stranger, FOLLOW, id=binary["id"]) as results:
        (error,) = (await anext(results))["errors"]
        assert error["extensions"]["code"] == "NOT_FOUND"
    async with followed(stranger, EVENTS, kind=None) as results:
        coming = asyncio.ensure_future(anext(results))
        await client.product()
        await asyncio.sleep(0.3)
        assert not coming.done()
        coming.cancel()


async def test_a_revoked_key_ends_its_subscription(client: Api) -> None:
    reader = await new_api(client.http, "acme", Role.READ)
    binary = await client.binary(await client.version())
    viewer = await reader.ask("{ viewer { id } }")
    async with followed(reader, FOLLOW, id=binary["id"]) as results:
        await anext(results)
        await client.do("revokeApiKey", "apiKey { id }", apiKeyId=viewer["viewer"]["id"])
        (error,) = (await asyncio.wait_for(anext(results), 10))["errors"]
        assert error["extensions"]["code"] == "KEY_REVOKED"


async def socket_of(address: str, key: str) -> Any:
    """A WebSocket that has sent its key."""
    socket = await websockets.connect(
        f"ws://{address}/graphql", subprotocols=[websockets.Subprotocol("graphql-transport-ws")]
    )
    payload = {"authorization": f"Bearer {key}"}
    await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
    return socket


async def test_a_websocket_takes_subscriptions_only(client: Api, address: str) -> None:
    socket = await socket_of(address, client.key)
    assert json.loads(await socket.recv()) == {"type": "connection_ack"}
    binary = await client.binary(await client.version())
    follow = {"query": FOLLOW, "variables": {"id": binary["id"]}}
    await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": follow}))
    told = json.loads(await socket.recv())
    assert told["payload"]["data"]["binaryChanged"]["state"] == "UPLOADABLE"
    query = {"query": "{ viewer { id } }"}
    await socket.send(json.dumps({"id": "2", "type": "subscribe", "payload": query}))
    refused = json.loads(await socket.recv())
    assert (refused["id"], refused["type"]) == ("2", "error")
    assert refused["payload"][0]["extensions"]["code"] == "BAD_REQUEST"
    await socket.close()


async def test_a_websocket_without_a_good_key_is_closed(address: str, client: Api) -> None:
    assert client.key
    socket = await socket_of(address, "bky_" + "x" * 43)
    with pytest.raises(websockets.ConnectionClosed) as closed:
        await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403


OTHER_PROCESS = """
import asyncio, sys
from app import database
from app.actions import access, product
from app.actions.unit import Actor
from app.rules.access import Role

async def main(url):
    async with database.opened(url, pool=2):
        found = await access.ensure_organization("acme")
        actor = Actor(organization_id=found.id, role=Role.ADMIN)
        await product.create_product(actor, name="from-afar", target_="x-y")

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_another_process_is_heard_on_postgresql(client: Api, database_url: str) -> None:
    async with followed(client, EVENTS, kind=["product.create"]) as results:
        coming = asyncio.ensure_future(anext(results))
        await asyncio.sleep(0.3)
        command = [sys.executable, "-c", OTHER_PROCESS, database_url]
        await asyncio.to_thread(subprocess.run, command, check=True, cwd=Path(__file__).parents[2])
        told = (await asyncio.wait_for(coming, 10))["data"]["eventRecorded"]
        assert told["after"]["name"] == "from-afar"
