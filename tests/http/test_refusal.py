"""The form of a refusal, and how it reaches a client that is still sending."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from app.http import refusal
from app.http.door import Door
from app.rules.errors import BadUserInput, InvalidTransition
from app.rules.failures import DatabaseUnavailable, StorageFull
from tests.http.house import Exchange, exchange, until


async def answered(error: Exception, put: Exchange | None = None) -> Exchange:
    async def handler(_: Request) -> Response:
        raise error

    put = put or exchange("PUT", "/x")
    await Door(handler, methods=("PUT", "POST"))(put.scope, put.receive, put.send)
    return put


def body_of(put: Exchange) -> Any:
    return json.loads(put.response.content)


async def test_facts_are_told_in_camel_case() -> None:
    error = InvalidTransition("No.", state="SIGNED", available_transitions=["DESTROY"])
    put = await answered(error, exchange("PUT", "/x", state={"request_id": "given"}))
    assert put.response.status_code == 409
    assert put.response.headers["x-content-type-options"] == "nosniff"
    extensions = {
        "code": "INVALID_TRANSITION",
        "requestId": "given",
        "state": "SIGNED",
        "availableTransitions": ["DESTROY"],
    }
    assert body_of(put) == {"errors": [{"message": "No.", "extensions": extensions}]}


async def test_a_path_is_told_where_there_is_one() -> None:
    put = await answered(BadUserInput("No.", path=("input", "name")))
    assert body_of(put)["errors"][0]["path"] == ["input", "name"]


async def test_an_unknown_failure_tells_only_its_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        put = await answered(RuntimeError("secret: /var/lib/bindery SELECT"))
    assert put.response.status_code == 500
    (error,) = body_of(put)["errors"]
    id = put.scope["state"]["request_id"]
    assert error["extensions"] == {"code": "INTERNAL_SERVER_ERROR", "requestId": id}
    assert "secret" not in put.response.text
    (record,) = caplog.records
    assert id in record.getMessage()
    assert record.exc_info is not None


async def test_what_is_missing_for_a_while_is_one_line_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = DatabaseUnavailable("It is away.")
    error.__cause__ = ConnectionRefusedError("no")
    with caplog.at_level(logging.INFO):
        put = await answered(error)
    assert (put.response.status_code, put.response.headers["retry-after"]) == (503, "5")
    (record,) = caplog.records
    assert record.exc_info is None
    id = put.scope["state"]["request_id"]
    told = f"Request {id} is refused: It is away. (ConnectionRefusedError('no'))"
    assert record.getMessage() == told


async def test_a_refusal_is_the_clients_matter_and_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        await answered(BadUserInput("No."))
    assert caplog.records == []


async def test_the_id_stays_the_same_within_a_request() -> None:
    request = Request(exchange("GET", "/").scope)
    assert refusal.request_id(request) == refusal.request_id(request)
    assert refusal.request_id(request) == request.state.request_id


async def test_the_answer_goes_out_before_an_unwanted_body_is_read_away() -> None:
    put = exchange("PUT", "/x", [("content-length", "4")])
    running = asyncio.create_task(answered(StorageFull("Full."), put))

    async def answer_is_out() -> bool:
        return len(put.sent) == 2

    await until(answer_is_out)
    assert put.response.json()["errors"][0]["extensions"]["code"] == "STORAGE_FULL"
    assert put.response.headers["connection"] == "close"
    assert not running.done()
    put.body(b"body", more=False)
    await running
    assert put.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_an_unwanted_body_is_read_away_only_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refusal, "LINGER_SECONDS", 0.05)
    put = await answered(BadUserInput("No."), exchange("PUT", "/x", [("content-length", "4")]))
    assert put.sent[-1]["more_body"] is False
    monkeypatch.setattr(refusal, "LINGER_SECONDS", 60)
    monkeypatch.setattr(refusal, "LINGER_BYTES", 10)
    put = exchange("PUT", "/x", [("content-length", "100")])
    for _ in range(5):
        put.body(b"12345", more=True)
    await answered(BadUserInput("No."), put)
    assert put.to_send.qsize() == 3


async def test_nothing_is_awaited_from_a_client_that_sends_no_body() -> None:
    for headers in ([], [("content-length", "0")]):
        put = await answered(BadUserInput("No."), exchange("PUT", "/x", headers))
        assert "connection" not in put.response.headers
