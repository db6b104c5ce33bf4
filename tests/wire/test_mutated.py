"""The suite of changed bytes begins at every route, and finds what is planted."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from starlette.routing import compile_path

from app.main import create_app
from app.settings import Settings
from tests.journeys.server import Place
from tests.soak.turn import Turn
from tests.wire import mutated
from tests.wire.changes import CHANGES, changed
from tests.wire.half_open import request
from tests.wire.requests import Links, requests

LINKS = Links("/upload/1/2?signature=0", "/content/1?signature=0")
WHOLE = requests("bky_key", LINKS)
SENT = request("GET", "/")


def test_every_route_is_asked(tmp_path: Path) -> None:
    routes = {route.path for route in create_app(Settings(data=tmp_path)).routes}  # type: ignore[attr-defined]
    asked = {
        route for route in routes for one in WHOLE if compile_path(route)[0].fullmatch(one.path)
    }
    assert asked == routes
    assert len(routes) > 6


@pytest.mark.long
def test_nothing_is_found_in_a_few_cases() -> None:
    turn = Turn("S5", 0, 200, seed=1, seconds=120)
    mutated.play(turn)
    assert (turn.done, turn.found) == (200, [])


def test_changes_differ_and_are_the_same_again() -> None:
    heads = [one.head for one in WHOLE]
    made = [
        [changed(one, heads, random.Random(seed)) for seed in range(50) for one in WHOLE]
        for _ in range(2)
    ]
    assert made[0] == made[1]
    assert len(set(made[0])) > len(made[0]) * 0.8
    for change in CHANGES:
        assert any(change(SENT, heads, random.Random(seed)) != SENT for seed in range(20)), change


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", []),
        (b"", []),
        (b"HTTP/1.1 503 Away\r\ncontent-length: 0\r\n\r\n", ["has status 503"]),
        (
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\noops",
            ["is no JSON: 'oops'"],
        ),
        (
            b"HTTP/1.1 200 OK\r\n\r\nTraceback (most recent call last)",
            ["tells 'Traceback (most recent call last)'"],
        ),
        (None, ["neither answered nor closed within 1 s"]),
    ],
)
async def test_answers_are_judged(
    monkeypatch: pytest.MonkeyPatch, answer: bytes | None, found: list[str]
) -> None:
    monkeypatch.setattr(mutated, "HANG_SECONDS", 1.0)
    over = asyncio.Event()

    async def answering(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer is None:
            await over.wait()
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(answering, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    assert await mutated.problems(Place(f"http://127.0.0.1:{port}", ""), SENT) == found
    over.set()
    await asyncio.sleep(0.1)
    server.close()
    await server.wait_closed()
