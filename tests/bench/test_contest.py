"""The data goes into both databases, and the product and the hand-written SQL say the same."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from starlette.applications import Starlette

from app.main import create_app, running
from app.settings import Settings
from bench.contest import Different, meant
from bench.loading import load
from bench.questions import QUESTIONS, Question, written
from bench.raw import Raw
from bench.rows import SECRET, Data

DATA = Data(binaries=1_000, devices=200)


async def test_the_rows_are_all_there_and_name_each_other(database_url: str) -> None:
    await load(database_url, DATA)
    expected = {table.name: sum(1 for _ in table.rows()) for table in DATA.tables()}
    assert await counted(database_url, expected) == expected
    if database_url.startswith("sqlite:"):
        path = database_url.removeprefix("sqlite://")
        with contextlib.closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


async def counted(url: str, tables: dict[str, int]) -> dict[str, int]:
    if url.startswith("sqlite:"):
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite://"))) as embedded:
            sql = "SELECT COUNT(*) FROM {}"
            return {name: embedded.execute(sql.format(name)).fetchone()[0] for name in tables}
    connection = await asyncpg.connect(url)
    try:
        return {name: await connection.fetchval(f"SELECT COUNT(*) FROM {name}") for name in tables}
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def client(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {SECRET}", "content-type": "application/json"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://bindery", headers=headers
    ) as http:
        yield http


async def test_the_product_and_the_statement_by_hand_answer_the_same(
    database_url: str, tmp_path: Path
) -> None:
    await load(database_url, DATA)
    app = create_app(Settings(data=tmp_path / "data", database=database_url, worker=False))
    by_hand = Raw(database_url).app()
    async with (
        running(app.state.server),
        by_hand.router.lifespan_context(by_hand),
        client(app) as product,
        client(by_hand) as raw,
    ):
        for question in QUESTIONS:
            for body in question.bodies(DATA)[::7]:
                told = (await product.post("/graphql", content=body)).content
                assert b"errors" not in told
                assert fits(question, told)
                if question.sql:
                    other = (await raw.post(f"/raw/{question.name}", content=body)).content
                    assert meant(other) == meant(told)
        refused = await raw.post("/raw/Q1", content=body, headers={"authorization": "Bearer x"})
        assert refused.status_code == 401


def fits(question: Question, told: bytes) -> bool:
    """Whether the answer has as much in it as the question promises."""
    number = {
        "Q1": told.count(b":artifact_version:") == 50,
        "Q2": told.count(b":release:") == 200 and told.count(b":bundle:") == 10,
        "Q3": told.count(b":binary:") == 1,
        "Q4": told.count(b":release:") == 20 and told.count(b":binary_signature:") > 300,
        "Q5": b'"UPDATE"' in told and told.count(b'"url"') >= 5,
        "Q6": b'"totalCount":500' in told and b'"devicesLosingUpdate":0' not in told,
    }
    return number[question.name]


@pytest.mark.parametrize(
    "answer", [b'{"data":null}', b'{"data":{"x":null}}', b'{"data":{"x":1},"errors":[]}', b"[]"]
)
def test_an_answer_that_says_nothing_is_no_answer(answer: bytes) -> None:
    with pytest.raises(Different):
        meant(answer)


def test_what_signs_a_url_is_left_out_of_the_comparison() -> None:
    one = b'{"data":{"url":"/x?e=1&s=a","b":2}}'
    assert meant(one) == meant(one.replace(b"e=1", b"e=2")) == b'{"url":"/x","b":2}'


def test_a_statement_is_written_for_its_database() -> None:
    assert written("{object}({json}($1))", embedded=True) == "json_object(json(?1))"
    assert written("{object}({json}($1))", embedded=False) == "json_build_object(($1))"
