"""What is planned and what is declined, how a plan is kept, and how many statements it takes."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from graphql import (
    FieldNode,
    OperationDefinitionNode,
    OperationType,
    is_input_type,
    is_non_null_type,
    parse,
    type_from_ast,
)

from app import database
from app.graphql.transport import Operation
from app.rules.access import Role
from app.rules.prn import Kind, format_prn
from app.server import Server
from tests.api import Api
from tests.graphql import world
from tests.graphql.planner.compared import Both, at_rest, both
from tests.graphql.planner.generator import Generator
from tests.graphql.test_operations import TEXTS
from tests.statements import counted

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

QUERIES = {
    name: (text, one)
    for name, text in TEXTS.items()
    for one in parse(text).definitions
    if isinstance(one, OperationDefinitionNode) and one.operation is OperationType.QUERY
}
Q2 = """query($id: ID!) { binary(id: $id) { target artifactVersion { version artifact { name }
  bundles { nodes { name releases { nodes { name cohort { name product { name } } } } } } } } }"""


BEST = """query($device: ID!, $version: ID!) {
  resolveBinary(deviceId: $device, artifactVersionId: $version) { match reason state
    binary { id target hash artifactVersion { version artifact { name } } } } }"""


UPDATE = """query($device: ID!) { resolveUpdate(deviceId: $device) { status
  release { id } bundle { id __typename } manifest { hash size url artifactVersion { id } }
  trace { release { id } reason } } }"""


@pytest.fixture
async def executors(server: Server, api: Api) -> Both:
    """Both executors of an organization with one product."""
    await api.product()
    return await both(server, api)


def plans(server: Server, outcome: str, reason: str = "") -> float:
    """How many operations had this outcome."""
    labels = {"outcome": outcome, "reason": reason}
    return server.metrics.registry.get_sample_value("bindery_plans_total", labels) or 0


@pytest.mark.parametrize(
    ("text", "role", "reason"),
    [
        ("{ __schema { queryType { name } } }", Role.ADMIN, "introspection"),
        ("mutation { __typename }", Role.ADMIN, "mutation"),
        ("{ nothing }", Role.ADMIN, "invalid"),
        ("{ products(first: 0) { totalCount } }", Role.ADMIN, "refused"),
        ("{ serverStatus { ready } }", Role.READ, "refused"),
        ("query($n: Int!) { products(first: $n) { totalCount } }", Role.ADMIN, "variables"),
        ("{ products { totalCount } }", Role.DEVICE, "refused"),
    ],
)
async def test_it_declines(executors: Both, text: str, role: Role, reason: str) -> None:
    before = plans(executors.server, "declined", reason)
    found = await executors.as_role(role).run(text)
    assert found.planned is None
    assert plans(executors.server, "declined", reason) == before + 1
    assert plans(executors.server, "planned") == 0


async def test_a_plan_is_kept_for_each_set_of_conditions(executors: Both) -> None:
    text = "query($yes: Boolean!) { products { nodes { id name @include(if: $yes) } } }"
    for yes in (True, False, True, False, True):
        found = await executors.run(text, {"yes": yes})
        assert found.planned == found.reference
        assert (b"router" in found.reference) is yes
    assert plans(executors.server, "planned") == 5
    assert executors.server.metrics.registry.get_sample_value("bindery_plan_cache_hits_total") == 3


async def test_an_argument_that_nobody_is_asked_for_is_not_judged(executors: Both) -> None:
    found = await executors.run(
        """{ products { nodes { cohorts { nodes {
          latestRelease { events(first: 0) { totalCount } } } } } }
        of_none: apiKeys { nodes { device { product { organization {
          name products(first: 0) { totalCount } } } } } }
        apiKeys { nodes { device { events(before: "no cursor") { totalCount } } } } }"""
    )
    assert found.codes == []
    assert found.planned == found.reference


async def test_what_is_declined_costs_no_more(executors: Both) -> None:
    context = executors.context()
    refused = Operation("{ products(first: 0) { totalCount } }", None, None)
    assert await executors.planner.answer(refused, context) is None
    assert context.spent is not None
    assert context.spent.cost == 0


async def test_a_decline_leaves_what_other_queries_of_the_key_cost(
    executors: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = executors.context()
    fetch = database.fetch

    async def meanwhile(*asked: Any) -> Any:
        monkeypatch.setattr(database, "fetch", fetch)
        other = Operation("{ products(first: 60) { nodes { id } } }", None, None)
        assert await executors.planner.answer(other, replace(context)) is not None
        return await fetch(*asked)

    monkeypatch.setattr(database, "fetch", meanwhile)
    unknown = format_prn(Kind.PRODUCT, executors.actor.organization_id, uuid4())
    refused = Operation("query($id: ID!) { product(id: $id) { id } }", {"id": unknown}, None)
    assert await executors.planner.answer(refused, context) is None
    assert plans(executors.server, "declined", "refused") == 1
    assert context.spent is not None
    assert context.spent.cost == 61


async def test_a_fault_of_a_plan_is_logged_and_not_seen(
    executors: Both, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any) -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr("app.graphql.planner.paged.database.fetch", broken)
    found = await executors.run("{ products { nodes { name } } }")
    assert (found.planned, found.codes) == (None, [])
    assert plans(executors.server, "declined", "failed") == 1
    assert "the plan failed" in caplog.text


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements of plans, as they are run."""
    seen: list[str] = []
    fetch = database.fetch

    async def noted(sql: str, arguments: Any = ()) -> Any:
        seen.append(sql)
        return await fetch(sql, arguments)

    monkeypatch.setattr(database, "fetch", noted)
    return seen


async def test_statements_are_one_for_each_list(server: Server, api: Api, sent: list[str]) -> None:
    found = await world.build(api)
    executors = await both(server, api)
    (binary, *_) = found.where("Binary", artifact_version_id=found.held[0].artifact_version_id)
    sent.clear()
    answer = await executors.run(Q2, {"id": world.name(binary)})
    assert answer.planned == answer.reference
    assert len(sent) == 3
    assert all("organization_id = $1" in sql for sql in sent)


async def test_the_best_binary_takes_one_statement(
    server: Server, api: Api, sent: list[str]
) -> None:
    found = await world.build(api)
    executors = await both(server, api)
    versions = world.names(found.all("ArtifactVersion"))
    matches = set()
    for device in world.names(found.all("Device")[:2]):
        for version in versions:
            sent.clear()
            asked = Operation(BEST, {"device": device, "version": version}, None)
            answer = await executors.planner.answer(asked, executors.context())
            assert answer is not None
            assert answer.data is not None
            assert len(sent) == 1
            told = answer.data["resolveBinary"]
            matches.add((told["match"], told["binary"] is None))
    assert matches == {("NONE", True), ("PORTABLE", False), ("TARGET_SPECIFIC", False)}


async def test_no_resolver_is_called_for_a_binary_that_was_not_found(
    server: Server, api: Api
) -> None:
    found = await world.build(api)
    executors = await both(server, api)
    text = BEST.replace("hash", "lossImpact { bundles(first: 0) { totalCount } }")
    chosen = set()
    for version in world.names(found.all("ArtifactVersion")):
        device = world.name(found.all("Device")[0])
        answer = await executors.run(text, {"device": device, "version": version})
        chosen.add(bool(answer.codes))
        if not answer.codes:
            assert b'"binary":null' in answer.reference
            assert answer.planned == answer.reference
    assert chosen == {True, False}


async def test_random_resolutions_are_the_same(
    server: Server, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", at_rest())
    found = await world.build(api)
    executors = await both(server, api)
    generator = executors.generator(Random(1), found)
    planned = 0
    for _ in range(200):
        answer = await executors.run(*generator.operation("resolveBinary"))
        if answer.planned is None:
            assert answer.codes
        else:
            assert answer.planned == answer.reference
            planned += 1
    assert planned > 150


async def test_a_device_is_planned_what_it_may_ask_for(
    server: Server, api: Api, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", at_rest())
    found = await world.build(api)
    executors = await both(server, api)
    own, other = world.names(found.all("Device")[:2])
    device = executors.as_device(own)
    answer = await device.run(UPDATE, {"device": own})
    assert answer.planned == answer.reference
    assert b"SELECTED" in answer.reference
    assert (await device.run(UPDATE, {"device": other})).codes == ["FORBIDDEN"]
    for field in ("device { id }", "parts { index }", "artifactVersion { artifact { id } }"):
        closed = UPDATE.replace("hash", f"binary {{ {field} }}")
        answer = await device.run(closed, {"device": own})
        assert answer.planned is None
        assert answer.codes


async def test_an_update_takes_two_statements(server: Server, api: Api, sent: list[str]) -> None:
    found = await world.build(api)
    executors = await both(server, api)
    asked = Operation(UPDATE, {"device": world.name(found.all("Device")[0])}, None)
    # The first poll reads the graph of the cohort, which is kept from then on.
    for _ in range(2):
        with counted() as seen:
            answer = await executors.planner.answer(asked, executors.context())
        assert answer is not None
    assert len(seen.texts) == 2


async def test_every_example_is_planned(
    server: Server, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", at_rest())
    found = await world.build(api)
    executors = await both(server, api)
    generator = executors.generator(Random(1), found)
    for name, (text, operation) in QUERIES.items():
        (root, *_) = operation.selection_set.selections
        assert isinstance(root, FieldNode)
        for _ in range(20):
            answer = await executors.run(text, required(generator, operation, root.name.value))
            if not answer.codes:
                break
        assert answer.codes == [], name
        # How much of the disk is free is another number each time.
        same = answer.planned == answer.reference or name == "dashboard-server"
        assert same, name
        assert answer.planned is not None, name


def required(generator: Generator, operation: OperationDefinitionNode, root: str) -> dict[str, Any]:
    """Values for an operation's variables that have to be sent."""
    found: dict[str, Any] = {}
    for one in operation.variable_definitions or ():
        type_ = type_from_ast(generator.schema, one.type)
        if is_input_type(type_) and is_non_null_type(type_):
            name = one.variable.name.value
            found[name] = generator.value(type_, name, root)
    return found
