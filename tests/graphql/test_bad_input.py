"""Each bad input is refused as the table says, and nothing changes; on both databases.

What is refused changes nothing, so all rows of a database share one prepared world.
"""

from __future__ import annotations

import hashlib
import re
import urllib.parse
from collections.abc import AsyncIterator, Iterable
from uuid import uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio
from _pytest.mark import ParameterSet

from app.main import create_app, running
from app.rules.binary import State
from app.rules.prn import Kind
from app.settings import Settings
from tests.api import Json
from tests.graphql.bad_input import (
    ANYTHING,
    HTTP_ROWS,
    LOOKUPS,
    MUTATIONS,
    ROWS,
    VALID,
    Http,
    Lookup,
    Mutation,
    Query,
    Row,
    The,
)
from tests.graphql.bad_input_world import World, prepare

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRETS = re.compile(
    r"Traceback|SELECT|UPDATE |sqlite|asyncpg|tortoise|strawberry|\.py\b|/tmp", re.I
)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgres"])
async def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """The prepared world, once for each kind of database."""
    data = tmp_path_factory.mktemp("world")
    url = f"sqlite://{data / 'bindery.db'}"
    if request.param == "postgres":
        server: str = request.getfixturevalue("postgres_server")
        name = f"test_{uuid4().hex}"
        url = urllib.parse.urlsplit(server)._replace(path=f"/{name}").geturl()
        connection = await asyncpg.connect(server)
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()
    settings = Settings(
        data=data / "data",
        database=url,
        storage_reserve=0,
        quota_bytes=4 << 30,
        rate_requests=1_000_000,
        rate_cost=1_000_000_000,
        # What was tried once is not tried again while the tests compare the tables.
        webhook_retry_seconds=86_400,
    )
    app = create_app(settings)
    async with (
        running(app.state.server),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bindery") as client,
    ):
        made = World(client)
        await prepare(made, app.state.server)
        assert await made.changes() == []
        yield made


def listed(rows: Iterable[Row | Lookup]) -> list[ParameterSet]:
    """Rows as parameters of a test."""
    return [pytest.param(row, id=row.name) for row in rows]


def matches(pattern: str, text: str) -> bool:
    """Whether a message is the expected one, ids and the like aside."""
    parts = map(re.escape, pattern.split(ANYTHING))
    return re.fullmatch(".*".join(parts), text, re.DOTALL) is not None


def masked(answer: httpx.Response) -> bytes:
    """An answer without the one thing that differs for the very same request."""
    return re.sub(rb'"requestId":"[0-9a-f]+"', b'"requestId":""', answer.content)


def payload_error(answer: httpx.Response) -> Json:
    """The one error of a mutation's payload."""
    body = answer.json()
    assert "errors" not in body, body
    (payload,) = body["data"].values()
    (error,) = payload["errors"]
    found: Json = error
    return found


def top_error(answer: httpx.Response) -> Json:
    """The one top-level error, told as the contract says."""
    body = answer.json()
    (error,) = body["errors"]
    assert error["extensions"]["requestId"]
    found: Json = error
    return found


@pytest.mark.parametrize("row", listed(ROWS))
async def test_a_bad_input_is_refused_and_nothing_changes(world: World, row: Row) -> None:
    assert not isinstance(row.send, Http)
    answer = await world.send(row.send, row.key, facts=row.facts)
    changes = await world.changes()
    assert answer.status_code == 200
    if isinstance(row.send, Mutation) and not row.early:
        told = error = payload_error(answer)
    else:
        error = top_error(answer)
        told = error["extensions"]
        assert ("data" in answer.json()) is not row.early
    assert told["code"] == row.code, error["message"]
    assert matches(row.message, error["message"]), error["message"]
    for name, value in row.facts.items():
        assert told[name] == world.resolved(value), name
    assert not SECRETS.search(answer.text)
    assert changes == []


@pytest.mark.parametrize("row", HTTP_ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("accept", ["application/graphql-response+json", "application/json"])
async def test_a_bad_request_is_refused_and_nothing_changes(
    world: World, row: Row, accept: str
) -> None:
    assert isinstance(row.send, Http)
    own = {"accept": accept, "authorization": f"Bearer {world.keys['admin']}"}
    headers = {**own, **world.resolved(row.send.headers)}
    answer = await world.http.post(
        "/graphql",
        content=row.send.body,
        headers={name: value for name, value in headers.items() if value is not None},
    )
    error = top_error(answer)
    assert error["extensions"]["code"] == row.code
    assert matches(row.message, error["message"]), error["message"]
    status = row.send.status_as_json if accept == "application/json" else row.send.status
    assert answer.status_code == status
    assert answer.headers["content-type"] == f"{accept}; charset=utf-8"
    assert "data" not in answer.json()
    assert not SECRETS.search(answer.text)
    assert await world.changes() == []


@pytest.mark.parametrize("lookup", listed(LOOKUPS))
async def test_another_organizations_id_is_answered_as_an_unknown_one(
    world: World, lookup: Lookup
) -> None:
    answers = {
        whose: await world.send(lookup.with_id(The(f"{whose}.{lookup.kind}")))
        for whose in ("unknown", "foreign", "nowhere", "disguised")
    }
    first = answers["unknown"]
    if not lookup.answers:
        error = payload_error(first) if lookup.is_mutation else top_error(first)
        told = error if lookup.is_mutation else error["extensions"]
        assert told["code"] == "NOT_FOUND"
        assert error["message"] == f"There is no {lookup.kind.replace('_', ' ')} with this id."
        place = error["path"] if lookup.is_mutation else told["argument"].split(".")
        assert tuple(place) == lookup.path
    assert {whose: masked(answer) for whose, answer in answers.items()} == dict.fromkeys(
        answers, masked(first)
    )
    assert await world.changes() == []


@pytest.mark.parametrize("lookup", listed(LOOKUPS))
async def test_a_malformed_id_is_refused_by_the_name_of_its_field(
    world: World, lookup: Lookup
) -> None:
    other = Kind.PRODUCT if lookup.kind is not Kind.PRODUCT else Kind.COHORT
    wrong = {"malformed": "7", "of another type": The(f"own.{other}")}
    if lookup.name.startswith("node"):
        del wrong["of another type"]
    for form, id in wrong.items():
        answer = await world.send(lookup.with_id(id))
        error = payload_error(answer) if lookup.is_mutation else top_error(answer)
        told = error if lookup.is_mutation else error["extensions"]
        assert told["code"] == "BAD_USER_INPUT", form
        place = error["path"] if lookup.is_mutation else told["argument"].split(".")
        assert tuple(place) == lookup.path
        assert ".".join(lookup.path) in error["message"]
    assert await world.changes() == []


@pytest.mark.parametrize("lookup", listed(one for one in LOOKUPS if one.is_mutation))
async def test_a_role_that_is_too_low_tells_no_ids_apart(world: World, lookup: Lookup) -> None:
    unknown = await world.send(lookup.with_id(The(f"unknown.{lookup.kind}")), "read")
    foreign = await world.send(lookup.with_id(The(f"foreign.{lookup.kind}")), "read")
    assert payload_error(unknown)["code"] == "FORBIDDEN"
    assert masked(foreign) == masked(unknown)


async def test_an_id_that_is_unknown_to_node_is_null_without_an_error(world: World) -> None:
    text = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    ids = [The("product"), The("foreign.product"), The("unknown.product")]
    body = (await world.send(Query(text, {"ids": ids}))).json()
    assert body["data"] == {"nodes": [{"id": world.things["product"]}, None, None]}
    assert "errors" not in body


UNUSABLE: list[Json | None] = [
    None,
    {},
    {"releaseId": The("foreign.release")},
    {"releaseId": The("unknown.release")},
    {"bundleId": The("foreign.bundle")},
    {"releaseId": "7", "bundleId": "7", "version": "seven"},
]


@pytest.mark.parametrize("reported", UNUSABLE)
async def test_a_device_gets_an_answer_with_its_reason_never_an_error(
    world: World, reported: Json | None
) -> None:
    text = """query($alone: ID!, $id: ID!, $reported: ReportedStateInput) {
      alone: resolveUpdate(deviceId: $alone, reported: $reported) { status trace { reason } }
      other: resolveUpdate(deviceId: $id, reported: $reported) {
        status release { id } trace { reason } } }"""
    variables = {"alone": The("device_alone"), "id": The("device"), "reported": reported}
    told = (await world.send(Query(text, variables))).json()["data"]
    assert told["alone"] == {"status": "NO_UPDATE", "trace": [{"reason": "NO_COHORT"}]}
    # Nothing usable was reported, so the path starts at the start, up to the required release.
    assert told["other"] == {
        "status": "UPDATE",
        "release": {"id": world.things["release_middle"]},
        "trace": [{"reason": "SKIPPED"}, {"reason": "REQUIRED"}, {"reason": "SELECTED"}],
    }
    assert await world.changes() == []


@pytest.mark.parametrize("mutation", ["claimUpdate", "reportDeviceState"])
async def test_what_a_device_reports_tells_no_ids_apart(world: World, mutation: str) -> None:
    answers = set()
    for whose in ("unknown", "foreign", "nowhere", "disguised"):
        reported = {name: The(f"{whose}.{name[:-2]}") for name in ("releaseId", "bundleId")}
        input = {"deviceId": The("device_alone"), "reported": reported}
        answers.add(masked(await world.send(Mutation(mutation, input))))
    assert len(answers) == 1
    assert b'"errors":[]' in answers.pop()
    # That it was seen is all that is noted.
    assert set(await world.changes()) <= {"device"}


async def test_the_same_part_again_is_the_same_part(world: World) -> None:
    text = """mutation($input: CreateBinaryPartsInput!) {
      createBinaryParts(input: $input) { parts { id index state size hash } errors { code } } }"""
    part = {"index": 1, "size": 10, "hash": hashlib.sha256(b"uploadable").hexdigest()}
    input = {"binaryId": The("binary_uploadable"), "parts": [part]}
    first, again = [(await world.send(Query(text, {"input": input}))).json() for _ in range(2)]
    assert first["data"] == again["data"]
    assert first["data"]["createBinaryParts"]["errors"] == []
    assert "binary_part" not in await world.changes()


async def test_a_name_is_never_a_path(world: World) -> None:
    name = "../../etc/passwd"
    text = """mutation($input: CreateArtifactInput!) {
      createArtifact(input: $input) { artifact { name } errors { code } } }"""
    told = (await world.send(Query(text, {"input": {"name": name}}))).json()["data"]
    assert told == {"createArtifact": {"artifact": {"name": name}, "errors": []}}
    assert set(await world.changes()) == {"artifact", "event"}


async def test_every_mutation_is_in_the_table() -> None:
    assert VALID.keys() == MUTATIONS.fields.keys()
    assert {row.name for row in ROWS} >= {
        f"destroyBinary from {state}" for state in State if state is not State.SIGNED
    }
    names = [row.name for row in (*ROWS, *HTTP_ROWS)]
    assert len(names) == len(set(names))
