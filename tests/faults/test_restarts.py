"""The hunt for what a lost database leaves broken finds nothing, or what is planted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import asyncpg

from app import notices
from app.notices import Notice, board
from tests.faults import restarts
from tests.soak.turn import Turn


def deaf() -> None:
    """Who listens for other processes' changes does so until the connection is lost."""

    async def listen(credentials: Mapping[str, Any]) -> None:
        names = ("host", "port", "user", "password", "database")
        connection = await asyncpg.connect(**{name: credentials[name] for name in names})
        await connection.add_listener(
            "bindery", lambda *heard: board.publish(Notice.read(heard[-1]))
        )
        await asyncio.Event().wait()

    setattr(notices, "listen", listen)  # noqa: B010 - a function of the product's module.


def test_nothing_is_found() -> None:
    turn = Turn("R11", 0, 3, seed=1, seconds=60)
    restarts.play(turn)
    assert (turn.found, turn.done) == ([], 3)


def test_a_server_that_does_not_listen_again_is_found() -> None:
    turn = Turn("R11", 0, 10, seed=1, seconds=60)
    restarts.restarted(turn, plant=deaf)
    assert "a subscription has not heard of revision" in turn.found[0]
