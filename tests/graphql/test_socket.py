"""What a WebSocket takes, and how it says no: by the protocol, with a code, and going on."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from prometheus_client.parser import text_string_to_metric_families

from app.rules.failures import DatabaseUnavailable
from app.settings import Settings
from tests.api import Api
from tests.conftest import new_api
from tests.graphql.test_subscriptions import served

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

EVENTS = "subscription { eventRecorded { kind } }"
OF_KIND = "subscription($f: EventFilter) { eventRecorded(filter: $f) { kind } }"


class Talk:
    """A connection and what is said on it."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    async def say(self, message: Any) -> None:
        await self._socket.send(message if isinstance(message, str) else json.dumps(message))

    async def hear(self) -> Any:
        return json.loads(await asyncio.wait_for(self._socket.recv(), 10))

    async def subscribe(self, id: str, **payload: Any) -> None:
        await self.say({"id": id, "type": "subscribe", "payload": payload})

    async def refused(self, id: str) -> tuple[str, str]:
        """The code and the message of the refusal of an operation."""
        told = await self.hear()
        assert (told["id"], told["type"]) == (id, "error"), told
        (error,) = told["payload"]
        assert error["extensions"]["requestId"]
        return error["extensions"]["code"], error["message"]

    async def closed(self) -> tuple[int, str]:
        """How the server ends the connection."""
        with pytest.raises(websockets.ConnectionClosed) as end:
            await asyncio.wait_for(self._socket.recv(), 10)
        assert end.value.rcvd is not None, "The connection was cut."
        return end.value.rcvd.code, end.value.rcvd.reason


@contextlib.asynccontextmanager
async def talking(api: Api, key: str = "") -> AsyncIterator[Talk]:
    """A connection to the server of a client, with the client's key or another one."""
    address = str(api.http.base_url).replace("http:", "ws:")
    protocol = websockets.Subprotocol("graphql-transport-ws")
    async with websockets.connect(f"{address}/graphql", subprotocols=[protocol]) as socket:
        talk = Talk(socket)
        payload = {"authorization": f"Bearer {key or api.key}"}
        await talk.say({"type": "connection_init", "payload": payload})
        yield talk


@contextlib.asynccontextmanager
async def greeted(settings: Settings) -> AsyncIterator[tuple[Talk, Api]]:
    """A connection with an ADMIN key that was taken, and a client of the same server."""
    async with (
        served(settings) as address,
        httpx.AsyncClient(base_url=f"http://{address}", timeout=30) as http,
    ):
        api = await new_api(http, "acme")
        async with talking(api) as talk:
            assert await talk.hear() == {"type": "connection_ack"}
            yield talk, api


async def counted(api: Api, code: str) -> float:
    """How many errors of a code the server has told."""
    told = (await api.http.get("/metrics")).text
    samples = {
        sample.labels["code"]: sample.value
        for family in text_string_to_metric_families(told)
        for sample in family.samples
        if sample.name == "bindery_errors_total"
    }
    return samples.get(code, 0)


NO_MESSAGES: tuple[Any, ...] = (
    "[]",
    "42",
    "null",
    '"text"',
    "{",
    "[" * 100_000,
    '{"type": "ping", "payload": ' + "[" * 500 + "]" * 500 + "}",
    '{"type": "ping", "payload": {"a": ' + "9" * 5_000 + "}}",
    '{"type": "ping", "payload": NaN}',
    {"type": []},
    {"type": "complete", "id": [1]},
    {"type": "subscribe", "id": [1], "payload": {"query": EVENTS}},
    {"type": "subscribe", "id": 1, "payload": {"query": EVENTS}},
    {"type": "subscribe", "payload": {"query": EVENTS}},
    {"type": "subscribe", "id": "1"},
    {"type": "subscribe", "id": "1", "payload": []},
    {"type": "subscribe", "id": "1", "payload": None},
    {"type": "subscribe", "id": "1", "payload": "text"},
)


async def test_what_is_no_message_ends_the_connection_by_the_protocol(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with greeted(settings) as (_, api):
        for message in NO_MESSAGES:
            async with talking(api) as talk:
                await talk.hear()
                await talk.say(message)
                assert (await talk.closed())[0] == 4400, str(message)[:80]
    assert not [one for one in caplog.records if one.levelname == "ERROR"]


REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({}, "BAD_REQUEST"),
    ({"query": None}, "BAD_REQUEST"),
    ({"query": ""}, "BAD_REQUEST"),
    ({"query": 7}, "BAD_REQUEST"),
    ({"query": EVENTS, "variables": []}, "BAD_REQUEST"),
    ({"query": EVENTS, "variables": "text"}, "BAD_REQUEST"),
    ({"query": EVENTS, "operationName": [1]}, "BAD_REQUEST"),
    ({"query": EVENTS, "documentId": "sha256:0"}, "BAD_REQUEST"),
    ({"documentId": "sha256:0"}, "DOCUMENT_NOT_FOUND"),
    ({"query": EVENTS, "operationName": "Other"}, "GRAPHQL_VALIDATION_FAILED"),
    ({"query": "subscription {"}, "GRAPHQL_PARSE_FAILED"),
    ({"query": OF_KIND, "variables": {"f": {"kind": 7}}}, "GRAPHQL_VALIDATION_FAILED"),
)


async def test_a_refused_operation_leaves_the_connection(settings: Settings) -> None:
    async with greeted(settings) as (talk, api):
        for payload, code in REFUSED:
            await talk.subscribe("a", **payload)
            assert (await talk.refused("a"))[0] == code, payload
        # An empty name is no name, as in the body of a POST.
        await talk.subscribe("a", query=EVENTS, operationName="", variables=None)
        await talk.say({"type": "ping"})
        assert await talk.hear() == {"type": "pong"}
        await api.product()
        told = await talk.hear()
        assert told["payload"]["data"] == {"eventRecorded": {"kind": "product.create"}}


async def test_not_more_than_five_errors_are_told(settings: Settings) -> None:
    async with greeted(settings) as (talk, _):
        fields = " ".join(f"colour{n}" for n in range(10))
        await talk.subscribe("a", query=f"subscription {{ eventRecorded {{ {fields} }} }}")
        assert len((await talk.hear())["payload"]) == 5


async def test_one_subscription_too_many_is_told_so(settings: Settings) -> None:
    async with greeted(settings) as (talk, _):
        for number in range(21):
            await talk.subscribe(str(number), query=EVENTS)
        code, message = await talk.refused("20")
        assert (code, "20 subscriptions" in message) == ("RATE_LIMITED", True)


async def test_operations_of_a_websocket_count_for_the_key(settings: Settings) -> None:
    async with greeted(replace(settings, rate_requests=3)) as (talk, api):
        await talk.subscribe("a", query=EVENTS)
        told = await api.ask("{ rateLimit { requests } }")
        assert told["rateLimit"] == {"requests": 2}
        await talk.subscribe("b", query=EVENTS)
        await talk.subscribe("c", query=EVENTS)
        code, message = await talk.refused("c")
        assert (code, "wait" in message) == ("RATE_LIMITED", True)
        assert (await api.post("{ viewer { id } }")).status_code == 429


async def test_only_trusted_documents_are_followed_where_only_these_are_taken(
    settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "events.graphql").write_text(EVENTS)
    id = f"sha256:{hashlib.sha256(EVENTS.encode()).hexdigest()}"
    chosen = replace(settings, trusted_documents=folder, only_trusted_documents=True)
    async with greeted(chosen) as (talk, _):
        await talk.subscribe("a", query=EVENTS)
        assert (await talk.refused("a"))[0] == "DOCUMENT_NOT_TRUSTED"
        await talk.subscribe("b", documentId=id)
        await talk.say({"type": "ping"})
        assert await talk.hear() == {"type": "pong"}


async def test_a_closing_has_room_for_what_it_repeats(settings: Settings) -> None:
    async with greeted(settings) as (_, api):
        for text in ("\ud800", "x" * 200, "é" * 100):
            subscribe = {"type": "subscribe", "id": text, "payload": {"query": EVENTS}}
            refused = (
                ([{"type": text}], 4400, "Unknown message type: "),
                ([subscribe, subscribe], 4409, "Subscriber for "),
            )
            for messages, code, reason in refused:
                async with talking(api) as talk:
                    await talk.hear()
                    for message in messages:
                        await talk.say(message)
                    closed = await talk.closed()
                    assert closed[0] == code
                    assert closed[1].startswith(reason)


async def test_the_closing_says_what_is_wrong_with_a_key(settings: Settings) -> None:
    async with greeted(settings) as (_, api):
        async with talking(api, "bky_" + "x" * 43) as talk:
            assert await talk.closed() == (4403, "UNAUTHENTICATED")
        viewer = (await api.ask("{ viewer { id } }"))["viewer"]["id"]
        await api.do("revokeApiKey", "apiKey { id }", apiKeyId=viewer)
        async with talking(api) as talk:
            assert await talk.closed() == (4403, "KEY_REVOKED")
        assert await counted(api, "UNAUTHENTICATED") == await counted(api, "KEY_REVOKED") == 1


async def test_without_a_database_a_client_is_to_come_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with greeted(settings) as (_, api):

        async def away(*_: Any, **__: Any) -> Any:
            raise DatabaseUnavailable("The database does not answer.")

        monkeypatch.setattr("app.graphql.socket.authenticate", away)
        async with talking(api) as talk:
            assert await talk.closed() == (1013, "DATABASE_UNAVAILABLE")


async def test_a_failure_of_the_server_is_logged_and_told_as_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with greeted(settings) as (_, api):

        async def broken(*_: Any, request_id: str, **__: Any) -> Any:
            raise KeyError(request_id)

        monkeypatch.setattr("app.graphql.socket.authenticate", broken)
        async with talking(api) as talk:
            assert await talk.closed() == (1011, "INTERNAL_SERVER_ERROR")
        assert await counted(api, "INTERNAL_SERVER_ERROR") == 1
    (failed,) = [one for one in caplog.records if one.levelname == "ERROR"]
    assert failed.exc_info
    (request_id,) = failed.exc_info[1].args if failed.exc_info[1] else ()
    assert failed.getMessage() == f"request {request_id} failed"
