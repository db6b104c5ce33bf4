"""The README keeps its promise: one screen, two commands, a query with its very answer."""

from __future__ import annotations

import json

import httpx

from app import demo
from app.server import Server
from tests.api import Api
from tests.docs.pages import ROOT, blocks

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_is_one_screen_with_two_commands_and_a_picture() -> None:
    assert len(README.splitlines()) < 80
    (commands,) = blocks(README, "sh")
    assert [line.split("#")[0].strip() for line in commands.splitlines()] == [
        "make run",
        "make test",
    ]
    assert len(blocks(README, "mermaid")) == 1


async def test_the_query_answers_so_on_the_demo(server: Server, http: httpx.AsyncClient) -> None:
    secret = await demo.load(server)
    assert secret is not None
    (query,), (answer,) = blocks(README, "graphql"), blocks(README, "json")
    assert await Api(http, secret).ask(query) == json.loads(answer)["data"]
