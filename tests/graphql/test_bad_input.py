"""Each bad input is refused as the table says, and nothing changes; on both databases.

What is refused changes nothing, so all rows of a database share one prepared world.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import urllib.parse
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio
from _pytest.mark import ParameterSet
from nacl.signing import SigningKey

from app import database
from app.actions import access
from app.actions.unit import Actor
from app.main import create_app, running
from app.models import ApiKey
from app.rules import plan
from app.rules.access import Role
from app.rules.binary import State
from app.rules.ids import new_id
from app.rules.prn import Kind, format_prn, parse_prn
from app.server import Server
from app.settings import Settings
from tests.api import BINARY, ERRORS, Api, Json
from tests.graphql.bad_input import (
    ANYTHING,
    HTTP_ROWS,
    LOOKUPS,
    MIB_5,
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

pytestmark = pytest.mark.asyncio(loop_scope="module")

SQLITE_COLUMNS = """
    SELECT m.name AS table_name, c.name AS column_name
    FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY 1, c.cid
"""
POSTGRES_COLUMNS = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = 'public' ORDER BY 1, ordinal_position
"""
SECRETS = re.compile(
    r"Traceback|SELECT|UPDATE |sqlite|asyncpg|tortoise|strawberry|\.py\b|/tmp", re.I
)
TYPED = [line for line in ERRORS.splitlines() if "... on " in line]
KEY_NAMES = ("read", "write", "device", "revoked", "expired")
LIFE = ("uploadable", "hashable", "signable", "signed", "destroyed")


@dataclass
class World:
    """A running server with two organizations that hold the same things; `things` by name."""

    http: httpx.AsyncClient
    things: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    statement: str = ""
    seen: dict[str, str | None] | None = None

    def resolved(self, value: Any) -> Any:
        """A value of the table with the things that it names in it."""
        if isinstance(value, The):
            return self.things[value.name]
        if isinstance(value, Mapping):
            return {name: self.resolved(one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.resolved(one) for one in value]
        return value

    async def send(
        self, send: Mutation | Query, key: str = "admin", *, facts: Collection[str] = ()
    ) -> httpx.Response:
        """One request, as it is answered; of a payload's error, these facts are asked for."""
        query, variables = "", {}
        if isinstance(send, Mutation):
            kind = send.name[0].upper() + send.name[1:] + "Input"
            query = f"mutation($input: {kind}!) {{ {send.name}(input: $input) {{ ERRORS }} }}"
            variables = {"input": send.input}
        else:
            query, variables = send.text, send.variables
        typed = [line for line in TYPED if any(f" {name} " in line for name in facts)]
        query = query.replace("ERRORS", "".join(["errors { code message path", *typed, "}"]))
        body = json.dumps({"query": query, "variables": self.resolved(variables)})
        headers = {
            "authorization": f"Bearer {self.keys[key]}",
            "content-type": "application/json",
        }
        return await self.http.post("/graphql", content=body, headers=headers)

    async def changes(self) -> list[str]:
        """The tables in which anything differs from what was seen last."""
        self.statement = self.statement or await snapshot_statement()
        rows = await database.query(self.statement)
        now = {row["name"]: row["rows"] for row in rows}
        before, self.seen = self.seen or now, now
        return [table for table in now if now[table] != before[table]]


async def snapshot_statement() -> str:
    """One statement that selects all rows of each table, as text in an order of their own."""
    sqlite = database.dialect(database.reader()) == "sqlite"
    columns: dict[str, list[str]] = {}
    for row in await database.query(SQLITE_COLUMNS if sqlite else POSTGRES_COLUMNS):
        # When a key was last used is noted even where what it asked for was refused; and a process
        # says now and then that it is alive, whatever is asked.
        if row["column_name"] != "last_used_at" and row["table_name"] != "process":
            columns.setdefault(row["table_name"], []).append(row["column_name"])
    selects = []
    for table, names in columns.items():
        values = (
            " || '|' || ".join(f'quote("{name}")' for name in names)
            if sqlite
            else "ROW(" + ", ".join(f'"{name}"' for name in names) + ")::text"
        )
        gathered = "group_concat(r, char(10))" if sqlite else "string_agg(r, chr(10) ORDER BY r)"
        selects.append(
            f"SELECT '{table}' AS name, {gathered} AS rows"
            f' FROM (SELECT {values} AS r FROM "{table}" ORDER BY 1) AS t'
        )
    return " UNION ALL ".join(selects)


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
        await _prepare(made, app.state.server)
        assert await made.changes() == []
        yield made


# The preparation, through the API but for what it can't do: keys that are over, old tokens.


async def _prepare(world: World, server: Server) -> None:
    foreign = await Organization.founded(world.http, server, "other")
    await foreign.fill()
    own = await Organization.founded(world.http, server, "acme")
    await own.fill()
    await own.fill_more()
    world.things = own.things
    world.keys = own.keys
    things = own.things
    for kind, name in EXAMPLES.items():
        things[f"own.{kind}"] = own.things[name]
        things[f"foreign.{kind}"] = foreign.things[name]
        things[f"unknown.{kind}"] = format_prn(kind, own.id, new_id())
        things[f"nowhere.{kind}"] = format_prn(kind, new_id(), new_id())
        # What this organization has, under the name of another one.
        id = parse_prn(own.things[name], path=()).id
        things[f"disguised.{kind}"] = format_prn(kind, foreign.id, id)
    things["unknown_binaries"] = [format_prn(Kind.BINARY, own.id, new_id()) for _ in range(1001)]
    things["cursor_foreign"] = foreign.things["cursor_of_products"]
    things["token_foreign"] = foreign.things["token_of_doomed"]
    for name in ("revoked", "expired"):
        things[f"authorization_{name}"] = f"Bearer {own.keys[name]}"


EXAMPLES = {
    Kind.API_KEY: "api_key",
    Kind.ARTIFACT: "artifact",
    Kind.ARTIFACT_VERSION: "version",
    Kind.BINARY: "binary_signed",
    Kind.BINARY_SIGNATURE: "further_signature",
    Kind.BUNDLE: "bundle",
    Kind.COHORT: "cohort",
    Kind.DEVICE: "device",
    Kind.EVENT: "event",
    Kind.PRODUCT: "product",
    Kind.RELEASE: "release_latest",
    Kind.SIGNING_KEY: "signing_key",
    Kind.WEBHOOK: "webhook",
    Kind.WEBHOOK_DELIVERY: "webhook_delivery",
}


@dataclass
class Organization:
    """One organization, and the steps that fill it."""

    server: Server
    api: Api
    id: Any
    actor: Actor
    things: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    @classmethod
    async def founded(cls, http: httpx.AsyncClient, server: Server, name: str) -> Organization:
        """A new organization with an ADMIN key."""
        found = await access.ensure_organization(name)
        actor = Actor(organization_id=found.id, role=Role.ADMIN)
        _, secret = await access.create_api_key(actor, name="admin", role=Role.ADMIN)
        return cls(server, Api(http, secret), found.id, actor, keys={"admin": secret})

    async def fill(self) -> None:
        """One thing of each kind, at least."""
        api, things = self.api, self.things
        things["signing_key"] = await api.key_id()
        things["public_key"] = base64.b64encode(bytes(api.signer.verify_key)).decode()
        things["product"] = await api.product()
        things["cohort"] = cohort = await api.cohort(things["product"])
        things["device"] = await api.device(things["product"], cohort)
        things["version"] = await api.version()
        text = "query($id: ID!) { artifactVersion(id: $id) { artifact { id } } }"
        found = await api.ask(text, id=things["version"])
        things["artifact"] = found["artifactVersion"]["artifact"]["id"]
        things["binary_released"] = await api.reach("SIGNED", things["version"])
        things["bundle"] = await api.bundle(things["version"])
        things["release_latest"] = await api.release(cohort, things["bundle"], version="1.0.0")
        await self._doom()
        await self._sign_twice()
        await self._make_keys()
        await self._make_webhooks()
        found = await api.ask("{ events { nodes { id } } products { pageInfo { endCursor } } }")
        things["event"] = found["events"]["nodes"][0]["id"]
        things["cursor_of_products"] = found["products"]["pageInfo"]["endCursor"]

    async def _doom(self) -> None:
        """A binary whose destruction affects a release."""
        api, things = self.api, self.things
        version = await api.version(artifact="doomed")
        things["binary_doomed"] = await api.reach("SIGNED", version, b"doomed")
        things["bundle_doomed"] = await api.bundle(version, name="doomed")
        things["cohort_doomed"] = await api.cohort(things["product"], "doomed")
        things["release_doomed"] = await api.release(
            things["cohort_doomed"], things["bundle_doomed"]
        )
        things["token_of_doomed"] = await self._token("binary_doomed")

    async def _token(self, binary: str) -> str:
        text = "query($id: ID!) { binary(id: $id) { impact { planToken } } }"
        found = await self.api.ask(text, id=self.things[binary])
        token: str = found["binary"]["impact"]["planToken"]
        return token

    async def _sign_twice(self) -> None:
        """A binary with a signature by each of two keys, and a key that signed nothing."""
        api, things = self.api, self.things
        states = things["version_of_states"] = await api.version(artifact="states")
        things["binary_signed"] = await api.reach("SIGNED", states, b"signed", "signed-linux")
        second, unused = SigningKey.generate(), SigningKey.generate()
        for name, key in (("second_key", second), ("unused_key", unused)):
            made = await api.do(
                "createSigningKey",
                "signingKey { id }",
                name=name,
                publicKey=base64.b64encode(bytes(key.verify_key)).decode(),
            )
            things[name] = made["id"]
        signed = hashlib.sha256(b"signed").hexdigest().encode()
        things["unused_signature_of_signed"] = unused.sign(signed).signature.hex()
        made = await api.do(
            "signBinary",
            "binary { signatures { id } }",
            binaryId=things["binary_signed"],
            signingKeyId=things["second_key"],
            signature=second.sign(signed).signature.hex(),
        )
        first, further = made["signatures"]
        things["signature"], things["further_signature"] = first["id"], further["id"]

    async def _make_keys(self) -> None:
        for name in KEY_NAMES:
            role = Role.__members__.get(name.upper(), Role.READ)
            device = parse_prn(self.things["device"], path=()).id if name == "device" else None
            made, secret = await access.create_api_key(
                self.actor, name=name, role=role, device_id=device
            )
            self.keys[name] = secret
            self.things[f"{name}_key"] = format_prn(Kind.API_KEY, self.id, made.id)
            if name == "expired":
                past = datetime.now(UTC) - timedelta(minutes=1)
                await ApiKey.filter(id=made.id).update(expires_at=past)
            if name == "revoked":
                await access.revoke_api_key(self.actor, made.id)
        self.things["api_key"] = self.things["read_key"]

    async def _make_webhooks(self) -> None:
        """One with a delivery, and one that is disabled."""
        made = {"url": "https://hooks.invalid/bindery", "eventKinds": ["webhook.test"]}
        for name, enabled in (("webhook", True), ("disabled_webhook", False)):
            self.things[name] = await self.api.make(
                "createWebhook", "webhook { id }", name=name, enabled=enabled, **made
            )
        self.things["webhook_delivery"] = await self.api.make(
            "testWebhook", "webhookDelivery { id }", webhookId=self.things["webhook"]
        )
        query = "query($id: ID!) { webhookDelivery(id: $id) { attemptCount } }"
        while True:
            # The name has no address, so the first attempt takes no time.
            found = await self.api.ask(query, id=self.things["webhook_delivery"])
            if found["webhookDelivery"]["attemptCount"]:
                return
            await asyncio.sleep(0.02)

    async def fill_more(self) -> None:
        """What the rows of the table need beside that."""
        await self._add_states()
        await self._add_uploads()
        await self._add_releases()
        await self._add_destroyed()
        await self._add_tokens()
        await self._add_rest()

    async def _add_states(self) -> None:
        api, things = self.api, self.things
        for state in LIFE:
            content = state.encode()
            name = f"binary_{state}"
            if state != "signed":
                things[name] = await api.reach(
                    state.upper(), things["version_of_states"], content, f"{state}-linux"
                )
            things[f"signature_of_{state}"] = api.signature(content)
        await self._add_failed()
        things["binary_complete"] = await api.uploaded(
            things["version_of_states"], b"complete", "complete-linux"
        )
        for state in (*LIFE, "complete"):
            text = "query($id: ID!) { binary(id: $id) { revision signatures { id } } }"
            found = await api.ask(text, id=things[f"binary_{state}"])
            things[f"revision_of_{state}"] = found["binary"]["revision"]
            if state == "destroyed":
                (kept,) = found["binary"]["signatures"]
                things["signature_of_destroyed_id"] = kept["id"]

    async def _add_failed(self) -> None:
        """A binary that stays in HASHING: its content is not what was declared."""
        api, things = self.api, self.things
        declared = hashlib.sha256(b"hashing").hexdigest()
        part = {"index": 1, "size": 7, "hash": hashlib.sha256(b"another").hexdigest()}
        made = await api.do(
            "createBinary",
            "binary { id parts { uploadUrl } }",
            artifactVersionId=things["version_of_states"],
            target="hashing-linux",
            hash=declared,
            size=7,
            parts=[part],
        )
        answer = await api.http.put(made["parts"][0]["uploadUrl"], content=b"another")
        assert answer.status_code == 200, answer.text
        await api.do("finishBinaryUpload", BINARY, binaryId=made["id"], startHashing=True)
        text = "query($id: ID!) { binary(id: $id) { verification { status } } }"
        status = ""
        while status != "FAILED":
            status = (await api.ask(text, id=made["id"]))["binary"]["verification"]["status"]
        things["binary_hashing"] = made["id"]
        things["signature_of_hashing"] = api.signature(b"hashing")

    async def _add_uploads(self) -> None:
        """Uploads that can't be finished."""
        version = self.things["version_unsigned"] = await self.api.version(artifact="unsigned")
        big = bytes(MIB_5)
        await self._upload(version, "with_a_gap", 2 * MIB_5 + 7, {1: big, 3: b"the end"})
        await self._upload(version, "too_short", 100, {1: b"content"})
        await self._upload(version, "spoiled", 7, {1: b"content"}, spoiled=True)
        await self._upload(version, "without_parts", 7, {})

    async def _upload(
        self, version: str, name: str, size: int, parts: dict[int, bytes], *, spoiled: bool = False
    ) -> None:
        made = await self.api.do(
            "createBinary",
            "binary { id parts { index uploadUrl } }",
            artifactVersionId=version,
            target=f"{name}-linux",
            hash="ab" * 32,
            size=size,
            parts=[
                {
                    "index": index,
                    "size": len(content),
                    "hash": hashlib.sha256(content).hexdigest(),
                }
                for index, content in parts.items()
            ],
        )
        self.things[f"binary_{name}"] = made["id"]
        for part in made["parts"]:
            content = parts[part["index"]]
            sent = bytes(len(content)) if spoiled else content
            answer = await self.api.http.put(part["uploadUrl"], content=sent)
            assert answer.status_code == (400 if spoiled else 200), answer.text

    async def _add_releases(self) -> None:
        """first → middle (required) → latest, and cohorts whose latest is constrained."""
        api, things = self.api, self.things
        cohort, bundle = things["cohort"], things["bundle"]
        things["release_middle"] = await api.release(
            cohort, bundle, "middle", nextReleaseId=things["release_latest"], required=True
        )
        things["release_first"] = await api.release(
            cohort, bundle, "first", nextReleaseId=things["release_middle"]
        )
        constraints: dict[str, Json] = {
            "scheduled": {"scheduledAt": "2999-01-01T00:00:00Z"},
            "phased": {"phase": {"value": 0.5}},
            "final": {"phase": {"value": 1}},
        }
        for name, more in constraints.items():
            things[f"cohort_{name}"] = made = await api.cohort(things["product"], name)
            things[f"release_{name}"] = await api.release(made, bundle, name, **more)
        things["cohort_bare"] = await api.cohort(things["product"], "bare")

    async def _add_destroyed(self) -> None:
        """A bundle whose binary was destroyed."""
        api, things = self.api, self.things
        things["version_affected"] = version = await api.version(artifact="lost")
        things["binary_lost"] = await api.reach("SIGNED", version, b"lost")
        things["bundle_affected"] = await api.bundle(version, name="affected")
        await api.do("destroyBinary", BINARY, binaryId=things["binary_lost"])

    async def _add_tokens(self) -> None:
        """Tokens that are good no longer."""
        api, things = self.api, self.things
        things["token_before_later"] = things["token_of_doomed"]
        things["release_doomed_later"] = await api.release(
            things["cohort_doomed"], things["bundle_doomed"], "later"
        )
        token = things["token_of_doomed"] = await self._token("binary_doomed")
        things["token_tampered"] = token[:-1] + ("A" if token[-1] != "A" else "B")
        key = self.server.secret
        good = plan.read(token, key=key)
        past = datetime.now(UTC) - timedelta(seconds=1)
        things["token_expired"] = plan.write(
            plan.Plan(good.organization_id, good.binaries, good.releases, past), key=key
        )
        earlier = {id: revision - 1 for id, revision in good.binaries.items()}
        things["token_of_earlier_revision"] = plan.write(
            plan.Plan(good.organization_id, earlier, good.releases, good.expires), key=key
        )
        things["token_of_another_server"] = plan.write(good, key=bytes(32))
        version = await api.version(artifact="flagged")
        things["binary_flagged"] = await api.reach("SIGNED", version, b"flagged")
        bundle = await api.bundle(version, name="flagged")
        cohort = await api.cohort(things["product"], "flagged")
        things["release_flagged_archived"] = await api.release(cohort, bundle, "archived")
        things["release_flagged"] = await api.release(cohort, bundle, "flagged")
        things["token_of_flagged"] = await self._token("binary_flagged")
        await api.do(
            "archiveReleases",
            "releases { id }",
            releaseIds=[things["release_flagged_archived"]],
        )
        await api.do(
            "updateRelease", "release { id }", releaseId=things["release_flagged"], required=True
        )

    async def _add_rest(self) -> None:
        api, things = self.api, self.things
        retired = await api.do(
            "createSigningKey",
            "signingKey { id }",
            name="retired",
            publicKey=base64.b64encode(bytes(SigningKey.generate().verify_key)).decode(),
        )
        things["retired_key"] = retired["id"]
        await api.do("retireSigningKey", "signingKey { id }", signingKeyId=retired["id"])
        text = "query($id: ID!) { binary(id: $id) { signatures { id } } }"
        found = await api.ask(text, id=things["binary_released"])
        things["last_signature"] = found["binary"]["signatures"][0]["id"]
        things["device_alone"] = await api.device(things["product"], None, "alone")
        things["product_other"] = await api.product("camera", "x86_64-unknown-linux-gnu")
        things["cohort_other"] = await api.cohort(things["product_other"])
        things["product_archived"] = await api.product("archived")
        things["cohort_archived"] = await api.cohort(things["product_archived"])
        await api.do("archiveProduct", "product { id }", productId=things["product_archived"])
        found = await api.ask(
            """{ products { pageInfo { endCursor } } cohorts { pageInfo { endCursor } }
            named: products(orderBy: {field: NAME}) { pageInfo { endCursor } } }"""
        )
        cursor = things["cursor_of_products"] = found["products"]["pageInfo"]["endCursor"]
        things["cursor_tampered"] = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
        things["cursor_of_cohorts"] = found["cohorts"]["pageInfo"]["endCursor"]
        things["cursor_of_products_by_name"] = found["named"]["pageInfo"]["endCursor"]


# The tests.


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
