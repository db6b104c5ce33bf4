"""What a key may ask for, what a server takes, and how long it waits."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.http import protocol
from app.main import create_app, running
from app.settings import Settings
from tests.api import Api
from tests.conftest import new_api
from tests.graphql.test_subscriptions import served

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_a_key_is_told_to_wait(settings: Settings) -> None:
    async with _client(replace(settings, rate_requests=3)) as api:
        for used in (1, 2, 3):
            told = await api.ask("{ rateLimit { requests maxRequests } }")
            assert told["rateLimit"] == {"requests": used, "maxRequests": 3}
        answer = await api.post("{ viewer { id } }")
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["extensions"]["code"]) == (429, "RATE_LIMITED")
        assert 1 <= int(answer.headers["retry-after"]) <= 60


async def test_cost_counts_too(settings: Settings) -> None:
    async with _client(replace(settings, rate_cost=50)) as api:
        answer = await api.post("{ binaries(first: 60) { nodes { id } } }")
        assert answer.json()["extensions"]["cost"] == {"requested": 61, "limit": 25_000}
        assert (await api.post("{ viewer { id } }")).status_code == 429


@pytest.mark.parametrize("planner", [True, False])
async def test_each_limit_of_an_operation_is_a_setting(settings: Settings, planner: bool) -> None:
    chosen = {
        "characters": "{ viewer { id name role createdAt } }",
        "tokens": "{ viewer { id name role } }",
        "depth": "{ binaries { nodes { artifactVersion { version } } } }",
        "aliases": "{ a: viewer { id } b: viewer { id } }",
        "directives": "{ viewer { id @skip(if: false) name @skip(if: false) } }",
        "root_fields": "{ viewer { id } organization { id } }",
        "cost": "{ binaries(first: 60) { nodes { id } } }",
        "overlaps": "{ viewer { id id id } }",
    }
    most = {"characters": 30, "tokens": 7, "depth": 3, "cost": 60}
    for name, text in chosen.items():
        limit = most.get(name, 1)
        change: Any = {f"limit_{name}": limit}
        few = replace(settings, planner=planner, **change)
        async with _client(few) as api:
            (error,) = (await api.post(text)).json()["errors"]
            assert error["extensions"]["code"] == "QUERY_TOO_COMPLEX", name
            told = error["extensions"]["limit"].replace(" ", "_"), error["extensions"]["most"]
            assert told == (name, limit)
    async with _client(replace(settings, planner=planner, limit_mutations=1)) as api:
        both = "a: unpinDevice(input: {deviceId: 1}) { errors { code } }"
        (error,) = (await api.post(f"mutation {{ {both} b: {both[3:]} }}")).json()["errors"]
        assert error["extensions"]["limit"] == "mutations"
    async with _client(replace(settings, planner=planner, limit_body=100)) as api:
        answer = await api.post(f"{{ viewer {{ id }} }} #{'x' * 100}")
        assert answer.status_code == 413
        assert "100 bytes" in answer.json()["errors"][0]["message"]
    # A limit can be raised as well.
    async with _client(replace(settings, planner=planner, limit_depth=40)) as api:
        deep = "binaries(first: 1) { nodes { artifactVersion { " * 6 + "id" + " } } }" * 6
        answer = (await api.post(f"{{ {deep} }}")).json()
        assert answer["data"] == {"binaries": {"nodes": []}}


@pytest.mark.parametrize("planner", [True, False])
async def test_a_document_that_is_too_long_is_refused_however_it_is_asked(
    settings: Settings, planner: bool
) -> None:
    body = {"query": "{ viewer { id } } #" + "x" * 64_000}
    async with _client(replace(settings, planner=planner)) as api:
        for asked in (
            {},
            {"bindery-read": "replica"},
            {"accept": "application/json, text/event-stream"},
        ):
            headers = {"authorization": f"Bearer {api.key}", **asked}
            answer = await api.http.post("/graphql", json=body, headers=headers)
            (error,) = answer.json()["errors"]
            assert answer.status_code == 200
            assert error["message"] == "The operation has characters 64019, the limit is 64000."
            assert error["extensions"]["code"] == "QUERY_TOO_COMPLEX"


@pytest.mark.parametrize("planner", [True, False])
async def test_a_page_whose_size_is_sent_as_null_counts_as_it_is_read(
    settings: Settings, planner: bool
) -> None:
    query = "query($n: Int = 1) { products(first: $n) { nodes { name } } }"
    async with _client(replace(settings, planner=planner)) as api:
        for name in ("one", "two"):
            await api.product(name)
        headers = {"authorization": f"Bearer {api.key}"}
        for variables, cost, read in (({}, 2, 1), ({"n": None}, 51, 2), ({}, 2, 1)):
            sent = {"query": query, "variables": variables}
            answer = (await api.http.post("/graphql", json=sent, headers=headers)).json()
            assert len(answer["data"]["products"]["nodes"]) == read
            assert answer["extensions"]["cost"]["requested"] == cost


async def test_trusted_documents_are_named_by_their_hash(
    settings: Settings, tmp_path: Path
) -> None:
    document = "{ viewer { role } }"
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "viewer.graphql").write_text(document)
    id = f"sha256:{hashlib.sha256(document.encode()).hexdigest()}"
    chosen = replace(settings, trusted_documents=folder, only_trusted_documents=True)
    async with _client(chosen) as api:
        headers = {"authorization": f"Bearer {api.key}"}
        good = await api.http.post("/graphql", json={"documentId": id}, headers=headers)
        assert good.json()["data"] == {"viewer": {"role": "ADMIN"}}
        for body, status, code in (
            ({"query": document}, 403, "DOCUMENT_NOT_TRUSTED"),
            ({"documentId": "sha256:0"}, 400, "DOCUMENT_NOT_FOUND"),
            ({"documentId": id, "query": document}, 400, "BAD_REQUEST"),
        ):
            answer = await api.http.post("/graphql", json=body, headers=headers)
            (error,) = answer.json()["errors"]
            assert (answer.status_code, error["extensions"]["code"]) == (status, code)


async def test_pages_of_allowed_origins_may_call(settings: Settings) -> None:
    page = "https://console.example"
    async with _client(replace(settings, allowed_origins=page)) as api:
        headers = {"authorization": f"Bearer {api.key}", "origin": page}
        answer = await api.http.post(
            "/graphql", json={"query": "{ viewer { id } }"}, headers=headers
        )
        assert answer.headers["access-control-allow-origin"] == page
        stranger = await api.http.options(
            "/graphql",
            headers={"origin": "https://evil.example", "access-control-request-method": "POST"},
        )
        assert "access-control-allow-origin" not in stranger.headers
        assert "Origin" in stranger.headers["vary"]
        (error,) = stranger.json()["errors"]
        assert (stranger.status_code, error["extensions"]["code"]) == (400, "BAD_REQUEST")
        assert error["message"].endswith("; not allowed: origin.")
        assert error["extensions"]["requestId"] == stranger.headers["x-request-id"]


async def test_half_open_connections_are_closed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.3)
    async with served(settings) as address:
        host, port = address.split(":")
        for sent in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n"):
            start = time.monotonic()
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(sent)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            assert 0.2 < time.monotonic() - start < 3
            writer.close()
        async with httpx.AsyncClient(base_url=f"http://{address}") as http:
            for _ in range(2):
                assert (await http.get("/health/live")).status_code == 200
                await asyncio.sleep(0.5)


@contextlib.asynccontextmanager
async def _client(settings: Settings) -> AsyncIterator[Api]:
    app = create_app(settings)
    async with running(app.state.server):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://bindery") as http:
            yield await new_api(http, "acme")
