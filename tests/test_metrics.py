"""What `/metrics` tells, to whom, and that its numbers are right."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app import database
from app.actions import access
from app.actions.unit import Actor
from app.http import metrics as page
from app.models import Binary
from app.reads import census
from app.rules.access import Role
from app.rules.binary import ContentHealth
from app.rules.failures import DatabaseUnavailable
from app.server import Server
from app.settings import Settings
from tests.api import Api
from tests.conftest import new_api

LOCAL = {"host": "localhost"}
Numbers = dict[str, float]


@pytest.fixture(autouse=True)
def always_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "FRESH_SECONDS", 0)


async def told(http: httpx.AsyncClient) -> Numbers:
    """Every sample by its name and labels, as they are written."""
    answer = await http.get("/metrics", headers=LOCAL)
    assert answer.status_code == 200
    return {
        sample.name + "".join(f" {value}" for _, value in sorted(sample.labels.items())): (
            sample.value
        )
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_a_whole_life_is_counted(api: Api, http: httpx.AsyncClient) -> None:
    version = await api.version()
    content = b"x" * 1000
    signed = await api.reach("SIGNED", version, content)
    await api.reach("HASHABLE", version, b"yy", target="arm-linux-other")
    found = await api.ask("query($id: ID!) { binary(id: $id) { downloadUrl } }", id=signed)
    assert (await http.get(found["binary"]["downloadUrl"])).content == content
    numbers = await told(http)
    assert numbers["bindery_binaries SIGNED"] == 1
    assert numbers["bindery_binaries HASHABLE"] == 1
    assert numbers["bindery_binaries DESTROYED"] == 0
    assert numbers["bindery_binary_bytes SIGNED"] == 1000
    assert numbers["bindery_content_bytes_total received"] == 1002
    assert numbers["bindery_content_bytes_total sent"] == 1000
    assert numbers["bindery_content_bytes_total hashed"] == 1000
    assert numbers["bindery_lease_events_total taken"] == 1
    assert numbers["bindery_operations_total createBinary"] == 2
    assert numbers["bindery_operations_total signBinary"] == 1
    assert numbers["bindery_operation_seconds_count signBinary"] == 1
    assert numbers["bindery_operation_cost_total signBinary"] >= 2
    assert numbers["bindery_database_up"] == 1
    assert numbers["bindery_stuck_hashing"] == 0
    assert numbers["bindery_unfinished_blobs"] == 0
    assert numbers["bindery_damaged_binaries CORRUPT"] == 0
    assert numbers["bindery_damaged_binaries MISSING"] == 0
    assert numbers["process_open_fds"] > 0


async def test_what_is_asked_has_few_names(api: Api, http: httpx.AsyncClient) -> None:
    await api.ask("query secretName { mine: binaries { nodes { id } } }")
    await api.ask("{ binaries { totalCount } products { totalCount } }")
    await api.ask("{ __schema { queryType { name } } }")
    await api.refused("{ thereIsNoSuchField }")
    await api.refused("{")
    numbers = await told(http)
    counted = {
        name.partition(" ")[2]: value
        for name, value in numbers.items()
        if name.startswith("bindery_operations_total")
    }
    assert counted == {"binaries": 1, "several": 1, "introspection": 1, "unknown": 1}
    assert numbers["bindery_operation_seconds_count refused"] == 1
    assert numbers["bindery_errors_total GRAPHQL_VALIDATION_FAILED graphql"] == 1
    assert numbers["bindery_errors_total GRAPHQL_PARSE_FAILED graphql"] == 1


async def test_a_query_that_two_executors_take_up_is_counted_once(
    api: Api, http: httpx.AsyncClient
) -> None:
    product = await api.product()
    query = "query($id: ID!) { product(id: $id) { id } }"
    # A plan finds nothing, and leaves it to the reference executor to say so.
    unknown = f"{product[: -len('0000')]}0000"
    error = await api.refused(query, id=unknown)
    assert error["extensions"]["code"] == "NOT_FOUND"
    numbers = await told(http)
    assert numbers["bindery_plans_total declined refused"] == 1
    assert numbers["bindery_operations_total product"] == 1
    assert numbers["bindery_operation_seconds_count product"] == 1


async def test_errors_are_counted_at_every_door(api: Api, http: httpx.AsyncClient) -> None:
    await api.fail("createProduct", "product { id }", name="", target="portable")
    await Api(http, "bky_" + "x" * 43).post("{ binaries { totalCount } }")
    assert (await http.put("/upload/nothing")).status_code == 403
    numbers = await told(http)
    assert numbers["bindery_errors_total BAD_USER_INPUT graphql"] == 1
    assert numbers["bindery_errors_total UNAUTHENTICATED graphql"] == 1
    assert numbers["bindery_errors_total URL_INVALID http"] == 1


async def test_requests_are_counted_by_route_and_status(api: Api, http: httpx.AsyncClient) -> None:
    await api.ask("{ viewer { role } }")
    await Api(http, "bky_" + "x" * 43).post("{ viewer { role } }")
    await http.put("/upload/nothing")
    for path in ("/secret-path", "/graphql/below", "/healthy", "/health/live"):
        await http.get(path)
    numbers = await told(http)
    counted = {
        name.partition(" ")[2]: value
        for name, value in numbers.items()
        if name.startswith("bindery_requests_total")
    }
    assert counted == {
        "graphql 200": 1,
        "graphql 401": 1,
        "graphql 404": 1,
        "upload 403": 1,
        "other 404": 2,
        "health 200": 1,
    }


async def test_who_is_told(server: Server, http: httpx.AsyncClient) -> None:
    async def status(**headers: str) -> int:
        return (await http.get("/metrics", headers=headers)).status_code

    keys = {role: (await new_api(http, "acme", role)).key for role in (Role.ADMIN, Role.WRITE)}
    assert await status(**LOCAL) == 200
    assert await status(host="127.0.0.1:8000") == 200
    # Of another name, or forwarded, a request may come from anywhere.
    assert await status(host="bindery.example") == 401
    assert await status(**LOCAL, **{"x-forwarded-for": "127.0.0.1"}) == 401
    assert await status(**LOCAL, forwarded="for=127.0.0.1") == 401
    # A key that is sent has to be good, wherever it comes from.
    assert await status(**LOCAL, authorization="Bearer wrong") == 401
    assert await status(**LOCAL, authorization=f"Bearer {keys[Role.WRITE]}") == 403
    assert await status(host="bindery.example", authorization=f"Bearer {keys[Role.ADMIN]}") == 200
    # Without a token in the settings, an empty one is none.
    assert await status(host="bindery.example", authorization="Bearer ") == 401
    refused = await http.get("/metrics", headers={"host": "bindery.example"})
    assert refused.headers["www-authenticate"] == "Bearer"
    assert "bindery_" not in refused.text
    wrong = await http.post("/metrics", headers=LOCAL)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD")


async def test_a_peer_elsewhere_needs_a_key(server: Server, http: httpx.AsyncClient) -> None:
    app = http._transport.app  # type: ignore[attr-defined]
    away = httpx.ASGITransport(app, client=("192.0.2.7", 4000))
    async with httpx.AsyncClient(transport=away, base_url="http://localhost") as client:
        assert (await client.get("/metrics")).status_code == 401


class TestToken:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, metrics_token="scrape-me")

    async def test_the_token_lets_in(self, http: httpx.AsyncClient) -> None:
        for secret, status in (("scrape-me", 200), ("scrape-m", 401), ("scrape-me2", 401)):
            headers = {"host": "bindery.example", "authorization": f"Bearer {secret}"}
            assert (await http.get("/metrics", headers=headers)).status_code == status


class TestStuck:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, worker=False)

    async def test_what_is_stuck_is_counted(self, api: Api) -> None:
        version = await api.version()
        ids = [
            await api.reach("HASHABLE", version, b"z" * size, target=f"arm-linux-t{size}")
            for size in range(1, 5)
        ]
        rows = await Binary.all().order_by("id")
        assert len(rows) == len(ids)
        now = rows[0].updated_at
        long_ago = now - census.STUCK - timedelta(seconds=1)
        hashing = {"state": "HASHING", "bytes_hashed": 0}
        stuck = {
            "PENDING": {"updated_at": long_ago},
            "RETRYING": {"verification_due_at": long_ago},
            "RUNNING": {"lease_expires_at": long_ago},
        }
        for row, (status, times) in zip(rows, stuck.items(), strict=False):
            await Binary.filter(id=row.id).update(verification_status=status, **hashing, **times)
        found = await census.take(at=now)
        assert found.stuck == 3
        assert (found.held, found.expired) == (0, 1)
        assert found.verifications == {"PENDING": 1, "RETRYING": 1, "RUNNING": 1}
        for row in rows[:3]:
            later = {"updated_at": now, "verification_due_at": now, "lease_expires_at": now}
            later["lease_expires_at"] = now + timedelta(minutes=1)
            await Binary.filter(id=row.id).update(**later)
        found = await census.take(at=now)
        assert (found.stuck, found.held, found.expired) == (0, 1, 0)

    async def test_what_is_damaged_is_counted(self, api: Api) -> None:
        await api.reach("HASHABLE", await api.version(), b"content")
        assert (await census.take(at=datetime.now(UTC))).damaged == {}
        await Binary.all().update(content_health=ContentHealth.CORRUPT)
        assert (await census.take(at=datetime.now(UTC))).damaged == {"CORRUPT": 1}


async def test_without_a_database_the_rest_is_told(
    server: Server, http: httpx.AsyncClient, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await told(http)

    async def away(*_: object) -> object:
        raise DatabaseUnavailable("The database does not answer.")

    with monkeypatch.context() as patched:
        patched.setattr(database, "query", away)
        numbers = await told(http)
    assert numbers["bindery_database_up"] == 0
    assert "bindery_binaries SIGNED" not in numbers
    assert numbers["bindery_stuck_hashing"] != numbers["bindery_stuck_hashing"]
    assert (await told(http))["bindery_database_up"] == 1


async def test_a_census_is_kept_for_a_while(
    server: Server, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "FRESH_SECONDS", 60)
    taken = 0
    take = census.take

    async def counted(**options: object) -> census.Census:
        nonlocal taken
        taken += 1
        return await take(**options)  # type: ignore[arg-type]

    monkeypatch.setattr(census, "take", counted)
    for _ in range(3):
        await told(http)
    assert taken == 1


async def test_a_key_that_was_revoked_is_told_so(server: Server, http: httpx.AsyncClient) -> None:
    organization = await access.ensure_organization("acme")
    actor = Actor(organization_id=organization.id, role=Role.ADMIN)
    key, secret = await access.create_api_key(actor, name="scraper", role=Role.ADMIN)
    await access.revoke_api_key(actor, key.id)
    headers = {"host": "bindery.example", "authorization": f"Bearer {secret}"}
    refused = await http.get("/metrics", headers=headers)
    assert refused.json()["errors"][0]["extensions"]["code"] == "KEY_REVOKED"
