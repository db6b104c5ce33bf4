"""Connections that hold the server up are let go, and meanwhile others are served."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from app.http import protocol
from app.settings import Settings
from tests.graphql.test_subscriptions import served
from tests.journeys.server import Running
from tests.wire.half_open import UPGRADE, request
from tests.wire.main import held

CONNECTIONS = 200
SECONDS = 16.0
"""Long enough that every kind is closed once."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data")


async def exchanged(address: str, sent: bytes) -> bytes:
    """What comes back until the server closes."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


def error_code(answer: bytes) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    (error,) = json.loads(body)["errors"]
    assert error["message"]
    assert f"x-request-id: {error['extensions']['requestId']}\r\n".encode() in head + b"\r\n"
    code: str = error["extensions"]["code"]
    return code


@pytest.mark.long
def test_good_requests_are_answered_beside_half_open_ones(tmp_path: Path) -> None:
    running = Running(tmp_path, fork=True)
    with running.started(running.create_key()) as place:
        figures, kinds = asyncio.run(held(place, CONNECTIONS, SECONDS))
        running.stop()
    assert figures.missed(kinds) == []
    assert figures.most == CONNECTIONS


async def test_endless_headers_are_refused(settings: Settings) -> None:
    async with served(settings) as address:
        head = b"GET / HTTP/1.1\r\nx: " + b"x" * protocol.HEADER_BYTES * 2
        answer = await exchanged(address, head)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert error_code(answer) == "HEADERS_TOO_LARGE"


async def test_what_is_no_http_is_refused_as_all_else(settings: Settings) -> None:
    async with served(settings) as address:
        for sent in (b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"):
            answer = await exchanged(address, sent)
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert error_code(answer) == "BAD_REQUEST"


async def test_what_was_asked_before_the_nonsense_is_answered(settings: Settings) -> None:
    asked = request("GET", "/health/live")
    async with served(settings) as address:
        answer = await exchanged(address, asked + asked + b"nonsense\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 ") == 2
    assert answer.endswith(b'{"status":"ok"}')


async def test_a_body_that_breaks_is_refused(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    api_key = "bky_" + "x" * 43
    head = request("POST", "/graphql", {"transfer-encoding": "chunked"}, key=api_key)
    async with served(settings) as address:
        answer = await exchanged(address, head + b"nonsense\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert error_code(answer) == "BAD_REQUEST"
        await exchanged(address, request("GET", "/health/live") + head + b"nonsense\r\n")
    assert "Exception" not in caplog.text


@pytest.mark.parametrize(
    "more",
    [
        {"content-length": "5"},
        {"transfer-encoding": "chunked"},
        {"x": "a" * 9_000},
        {f"x-{number}": "a" for number in range(200)},
    ],
    ids=["length", "chunks", "long", "many"],
)
async def test_a_handshake_that_can_not_be_read_is_refused(
    settings: Settings, more: dict[str, str]
) -> None:
    async with served(settings) as address:
        answer = await exchanged(address, request("GET", "/graphql", {**UPGRADE, **more}))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert error_code(answer) == "BAD_REQUEST"


async def test_headers_after_the_body_are_none(settings: Settings) -> None:
    head = request("POST", "/graphql", {"transfer-encoding": "chunked", "connection": "close"})
    late = b"authorization: Bearer " + b"x" * 43
    async with served(settings) as address:
        answer = await exchanged(address, head + b"0\r\n" + late + b"\r\n\r\n")
    assert error_code(answer) == "UNAUTHENTICATED"


async def test_who_does_not_read_is_let_go(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "READ_SECONDS", 0.5)
    asked = request("GET", "/no-such-path") * 2_000
    loop = asyncio.get_running_loop()
    async with served(settings) as address:
        host, port = address.split(":")
        with socket.create_connection((host, int(port))) as client:
            client.setblocking(False)

            async def send_for_ever() -> None:
                while True:
                    await loop.sock_sendall(client, asked)

            with pytest.raises(ConnectionError):
                await asyncio.wait_for(send_for_ever(), 30)
