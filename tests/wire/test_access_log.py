"""What a real server tells of each request, and what it keeps to itself."""

from __future__ import annotations

import asyncio
import hashlib
import json
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from tests.api import Api
from tests.journeys.server import Place, Running

PROTOCOL = websockets.Subprotocol("graphql-transport-ws")
CONTENT = b"x" * 1000
PROXY = {"x-forwarded-for": "203.0.113.7, 192.0.2.1", "x-forwarded-proto": "https"}


@dataclass
class House:
    """A server with its log, and a client with a key."""

    running: Running
    place: Place
    api: Api

    async def lines(self, **wanted: Any) -> list[dict[str, Any]]:
        """The lines that have these values; they come a moment after the answer."""
        for _ in range(100):
            found = [
                line
                for text in self.running.log.splitlines()
                if text.startswith("{")
                if (line := json.loads(text)).items() >= wanted.items()
            ]
            if found:
                return found
            await asyncio.sleep(0.05)
        raise AssertionError(f"no line has {wanted}")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Place]]:
    """A server for all tests that need none of their own."""
    running = Running(tmp_path_factory.mktemp("server"), fork=True)
    with running.started(running.create_key()) as place:
        yield running, place


@pytest.fixture
async def house(started: tuple[Running, Place]) -> AsyncIterator[House]:
    running, place = started
    async with httpx.AsyncClient(base_url=place.url, trust_env=False) as http:
        yield House(running, place, Api(http, place.key))


async def test_each_request_is_told_without_its_secrets(house: House) -> None:
    binary = await house.api.binary(await house.api.version(), CONTENT)
    url = binary["parts"][0]["uploadUrl"]
    assert (await house.api.http.put(url, content=CONTENT)).status_code == 200
    path, _, query = url.partition("?")

    (upload,) = await house.lines(path=path)
    assert upload == {
        "time": upload["time"],
        "address": "127.0.0.1",
        "scheme": "http",
        "method": "PUT",
        "path": path,
        "status": 200,
        "bytes": upload["bytes"],
        "milliseconds": upload["milliseconds"],
        "requestId": upload["requestId"],
        "keyId": None,
    }
    assert upload["bytes"] > 10
    assert upload["milliseconds"] > 0

    keys = await house.api.ask("{ apiKeys { nodes { id } } }")
    asked = await house.lines(path="/graphql", method="POST", status=200)
    assert {line["keyId"] for line in asked} == {keys["apiKeys"]["nodes"][0]["id"]}

    signature = urllib.parse.parse_qs(query)["signature"][0]
    told = house.running.log
    hashed = hashlib.sha256(house.api.key.encode()).hexdigest()
    for secret in (house.api.key, house.api.key[4:], hashed, signature, "signature", query):
        assert secret not in told


async def test_the_id_of_a_refusal_is_that_of_its_line(house: House) -> None:
    stranger = Api(house.api.http, "bky_" + "x" * 43)
    for api, path, status in ((house.api, "/no-such-path", 404), (stranger, "/graphql", 401)):
        answer = await api.http.post(
            path, json={"query": "{ x }"}, headers={"authorization": f"Bearer {api.key}"}
        )
        assert answer.status_code == status
        id = answer.json()["errors"][0]["extensions"]["requestId"]
        (line,) = await house.lines(requestId=id)
        assert (line["path"], line["status"], line["bytes"]) == (path, status, len(answer.content))
        assert line["keyId"] is None


async def test_a_path_can_not_forge_a_line(house: House) -> None:
    await house.api.http.get('/a%0a{"status":200}%00%1b[31m' + "b" * 500)
    forged = '/a\n{"status":200}\x00\x1b[31m'
    (line,) = await house.lines(path=forged + "b" * (200 - len(forged)))
    assert line["status"] == 404
    assert "\x1b" not in house.running.log


async def test_a_socket_is_told_when_it_has_ended(house: House) -> None:
    address = house.place.url.replace("http", "ws") + "/graphql"
    async with websockets.connect(address, subprotocols=[PROTOCOL]) as socket:
        payload = {"authorization": f"Bearer {house.api.key}"}
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        await socket.recv()
    (line,) = await house.lines(method="WEBSOCKET")
    assert (line["path"], line["status"]) == ("/graphql", 101)
    assert line["keyId"].startswith("prn:1:")
    assert house.api.key not in house.running.log


async def told(folder: Path, settings: dict[str, str]) -> str:
    """The log of a server with these settings, after one request that came by two proxies."""
    running = Running(folder, settings=settings, fork=True)
    with running.started(running.create_key()) as place:
        async with httpx.AsyncClient(base_url=place.url, trust_env=False) as http:
            await http.get("/no-such-path", headers=PROXY)
        running.stop()
    return running.log


@pytest.mark.parametrize(
    ("trusted", "address", "scheme"),
    [
        ("10.0.0.0/8", "127.0.0.1", "http"),
        ("127.0.0.1", "192.0.2.1", "https"),
        ("127.0.0.1, 192.0.2.0/24", "203.0.113.7", "https"),
    ],
)
async def test_trusted_proxies_alone_are_believed(
    tmp_path: Path, trusted: str, address: str, scheme: str
) -> None:
    log = await told(tmp_path, {"BINDERY_TRUSTED_PROXIES": trusted})
    line = json.loads(log.splitlines()[-1])
    assert (line["path"], line["address"], line["scheme"]) == ("/no-such-path", address, scheme)


async def test_the_log_can_be_left_out(tmp_path: Path) -> None:
    log = await told(tmp_path, {"BINDERY_ACCESS_LOG": "false"})
    assert len(log.splitlines()) == 1
