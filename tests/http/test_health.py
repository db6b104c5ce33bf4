"""Whether the server is well."""

from __future__ import annotations

import asyncio

import pytest

from app import database
from app.http import health
from app.rules.failures import DatabaseUnavailable
from tests.http.house import House, error_of


async def test_live_and_ready(house: House) -> None:
    parts = {"start": "ok", "database": "ok", "storage": "ok"}
    for path, more in {"/health/live": {}, "/health/ready": parts}.items():
        response = await house.client.get(path)
        assert (response.status_code, response.json()) == (200, {"status": "ok", **more})
        assert response.headers["cache-control"] == "no-store"
        assert (await house.client.head(path)).status_code == 200
        refused = await house.client.post(path)
        assert error_of(refused) == (405, "METHOD_NOT_ALLOWED")
        assert refused.headers["allow"] == "GET, HEAD"


async def assert_failed(house: House, *parts: str) -> None:
    response = await house.client.get("/health/ready")
    assert response.status_code == 503
    told = response.json()
    assert told.pop("status") == "unavailable"
    assert {name for name, word in told.items() if word == "failed"} == set(parts)
    assert set(told.values()) <= {"ok", "failed"}
    assert response.headers["retry-after"] == "5"
    assert (await house.client.get("/health/live")).status_code == 200


async def test_not_ready_before_the_start_is_over(house: House) -> None:
    house.server.ready.clear()
    await assert_failed(house, "start")


async def test_not_ready_without_storage(house: House) -> None:
    await house.store.close()
    await assert_failed(house, "storage")


async def test_not_ready_without_a_database(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> object:
        raise DatabaseUnavailable("The database does not answer.")

    monkeypatch.setattr(database, "query", away)
    await assert_failed(house, "database")


async def test_a_database_that_hangs_counts_as_failed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(*_: object) -> object:
        return await asyncio.Event().wait()

    monkeypatch.setattr(health, "PATIENCE", 0.05)
    monkeypatch.setattr(database, "query", hangs)
    await assert_failed(house, "database")


async def test_a_storage_without_room_is_told_and_no_reason_to_send_nobody(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.store, "_capacity", 0)
    response = await house.client.get("/health/ready")
    assert response.status_code == 200
    assert response.json()["storage"] == "full"
