"""How the databases find rows: by indexes, for every page of every list and for Q1 to Q6.

What is explained is what the server runs, with its own arguments, on the rows of the benchmark:
20,000 binaries and as many releases and devices, or BINDERY_ROWS.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import httpx
import orjson
import pytest

from app import database, models
from app.actions import poll
from app.dialect import bound
from app.main import create_app, running
from app.rules.prn import Kind, format_prn
from app.settings import Settings
from bench import loading
from bench.questions import QUESTIONS
from bench.rows import SECRET, Data
from tests.api import Api
from tests.statements import counted

ROWS = int(os.environ.get("BINDERY_ROWS", "20000"))
DATA = Data(binaries=ROWS, devices=ROWS)
LARGE: Final = 2_000
"""A table of so many rows is read by its indexes, and never sorted."""

SUBQUERIES: Final = ("CO-ROUTINE ", "MATERIALIZE ")
TOUCHED: Final = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
WHOLE_FLEET: Final = {"Q6": {"device", "release_claim"}}
"""What a question has to read as a whole: Q6 counts what happens to every device."""

KEPT: Final = {"cohort", "cohort_devices", "release", "release_claim_count"}
"""Where the numbers are that a phase goes by: no table that has a row for each device."""

LISTS: Final = {
    "artifacts": ("CREATED_AT", "NAME", "UPDATED_AT"),
    "artifactVersions": ("CREATED_AT", "VERSION"),
    "binaries": ("CREATED_AT", "SIZE", "STATE", "TARGET", "UPDATED_AT"),
    "bundles": ("CREATED_AT", "NAME", "UPDATED_AT"),
    "devices": ("CREATED_AT", "IDENTIFIER", "UPDATED_AT"),
    "releases": ("CREATED_AT", "NAME", "UPDATED_AT"),
}
"""The lists that grow with the data, with all of their orders."""

CHILDREN: Final = {
    "artifacts": ("artifactVersions",),
    "bundles": ("releases",),
    "cohorts": ("devices", "releases"),
    "products": ("devices",),
    "releases": ("devices", "devices(orderBy: { field: UPDATED_AT, direction: DESC })"),
    "signingKeys": ("signatures",),
}
"""The lists below a row that grow with the data."""

LOOKUPS: Final = (
    'artifacts(filter: { name: "artifact 7" })',
    f'binaries(filter: {{ hash: "{"0" * 64}" }})',
    "binaries(filter: { verificationStatus: [FAILED] })",
    "binaries(filter: { contentHealth: [CORRUPT] })",
    "binaries(filter: { state: [HASHING] })",
    "devices(filter: { quarantined: true })",
)
"""What somebody looks for, and finds nothing of."""


@dataclass(frozen=True)
class Explained:
    """One statement that ran: its text, and what its plan has that it should not have."""

    sql: str
    faults: list[str]


@pytest.fixture
async def api(settings: Settings, database_url: str) -> AsyncIterator[Api]:
    """A client with the benchmark's key, on its rows."""
    await loading.load(database_url, DATA)
    app = create_app(settings)
    async with running(app.state.server):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://bindery") as http:
            yield Api(http, SECRET)


@pytest.fixture
def settings(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A server without a worker, whose statements would be explained too."""
    data = tmp_path_factory.mktemp("data")
    return Settings(data=data, database=database_url, storage_reserve=0, worker=False)


async def test_no_statement_reads_a_large_table_as_a_whole(api: Api) -> None:
    large = await tables()
    assert {
        "binary_record",
        "device",
        "release",
        "artifact_version",
        "bundle_version",
    } <= large.keys()
    found: dict[str, list[Explained]] = {}
    for question in QUESTIONS:
        for variables in question.variants(DATA)[:: len(question.variants(DATA)) // 2 or 1]:
            exempt = WHOLE_FLEET.get(question.name, set())
            passed = {name: large[name] for name in large.keys() - exempt}
            explained = await explain(api, question.document, variables, passed)
            found.setdefault(question.name, []).extend(explained)
    for query, after in await pages(api):
        found[f"{query} {after}"] = await explain(api, query, {"after": after}, large, page=True)
    for lookup in LOOKUPS:
        opened = lookup.replace("(", "(first: 5, ", 1)
        query = f"{{ found: {opened} {{ totalCount nodes {{ id }} }} }}"
        found[lookup] = await explain(api, query, {}, large)
    faults = [
        f"{name}: {', '.join(one.faults)}: {one.sql}"
        for name, explained in found.items()
        for one in explained
        if one.faults
    ]
    assert not faults, "\n".join(faults)
    assert all(explained for explained in found.values())


async def test_what_a_phase_counts_is_kept(api: Api) -> None:
    claim = await models.ReleaseClaim.all().order_by("id").first()
    assert claim is not None
    await models.Release.filter(id=claim.release_id).update(phase_value=Decimal("0.1"))
    device = format_prn(Kind.DEVICE, claim.organization_id, claim.device_id)
    query = "query($id: ID!) { resolveUpdate(deviceId: $id) { status } }"
    with counted() as seen:
        await api.ask(query, id=device)
    counting = [one for one in seen.run if "FROM cohort_devices" in one[0]]
    assert len(counting) == 1, seen.texts
    embedded = database.dialect(database.reader()) == "sqlite"
    locked = bound(poll._CLAIMS, [claim.organization_id, claim.release_id], embedded=embedded)
    for sql, values in [*counting, locked]:
        assert {"release_claim_count"} <= await read(sql, values) <= KEPT


async def read(sql: str, values: list[Any]) -> set[str]:
    """The tables that a statement reads, by its plan."""
    connection = database.reader()
    if database.dialect(connection) == "sqlite":
        steps = await connection.execute_query_dict(f"EXPLAIN QUERY PLAN {sql}", values)
        names = dict(re.findall(r"(?:FROM|JOIN) (\w+)(?: (?!WHERE)(\w+))?", sql))
        aliases = {alias or table: table for table, alias in names.items()}
        told = (re.match(r"(?:SCAN|SEARCH) (\w+)", step["detail"]) for step in steps)
        return {aliases[one[1]] for one in told if one}
    rows = await connection.execute_query_dict(f"EXPLAIN (FORMAT JSON) {sql}", values)
    found, nodes = set(), [orjson.loads(rows[0]["QUERY PLAN"])[0]["Plan"]]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", ())
        found |= {node["Relation Name"]} if "Relation Name" in node else set()
    return found


async def tables() -> dict[str, int]:
    """The large tables, with their numbers of rows."""
    kept: list[Any] = [one for one in vars(models).values() if isinstance(one, type)]
    names = [model._meta.db_table for model in kept if model._meta.db_table]
    counts = {
        name: (await database.query(f"SELECT COUNT(*) AS n FROM {name}"))[0]["n"] for name in names
    }
    return {name: number for name, number in counts.items() if number >= LARGE}


async def pages(api: Api) -> list[tuple[str, str | None]]:
    """A first page of each list in each order, both ways, and the page after it."""
    asked = [
        f"query($after: String) {{ page: {name}(first: 5, after: $after, orderBy:"
        f" {{ field: {order}, direction: {way} }}) {{ pageInfo {{ endCursor }} }} }}"
        for name, orders in LISTS.items()
        for order in orders
        for way in ("ASC", "DESC")
    ]
    asked += [
        f'query($after: String) {{ node(id: "{await first(api, parents)}") {{ ... on {kind} {{'
        f" page: {children(field)} {{ pageInfo {{ endCursor }} }} }} }} }}"
        for parents, fields in CHILDREN.items()
        for kind in [parents[0].upper() + parents[1:-1]]
        for field in fields
    ]
    found: list[tuple[str, str | None]] = []
    for query in asked:
        data = await api.ask(query, after=None)
        page = data.get("page") or data["node"]["page"]
        found += [(query, None), (query, page["pageInfo"]["endCursor"])]
    return found


def children(field: str) -> str:
    """A field with the arguments of a page."""
    name, _, rest = field.partition("(")
    return f"{name}(first: 5, after: $after{', ' + rest if rest else ')'}"


async def first(api: Api, name: str) -> str:
    """The id of the first row of a list."""
    found = await api.ask(f"{{ {name}(first: 1) {{ nodes {{ id }} }} }}")
    id: str = found[name]["nodes"][0]["id"]
    return id


async def explain(
    api: Api, query: str, variables: dict[str, Any], large: dict[str, int], *, page: bool = False
) -> list[Explained]:
    """The statements that a query takes, explained."""
    with counted() as seen:
        await api.ask(query, **variables)
    connection = database.reader()
    explained = []
    for sql, values in seen.run:
        if database.dialect(connection) == "sqlite":
            rows = await connection.execute_query_dict(f"EXPLAIN QUERY PLAN {sql}", values)
            faults = sqlite_faults(sql, rows, large, page=page)
        else:
            rows = await connection.execute_query_dict(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", values
            )
            plan = orjson.loads(rows[0]["QUERY PLAN"])[0]["Plan"]
            faults = postgres_faults(plan, large, page=page)
        explained.append(Explained(sql, faults))
    return explained


def sqlite_faults(
    sql: str, steps: list[dict[str, Any]], large: dict[str, int], *, page: bool
) -> list[str]:
    """Scans of large tables; and sorts, where a page is to come in the order of an index."""
    named = {
        alias or table: table
        for table, alias in re.findall(r'(?:FROM|JOIN)\s+"?(\w+)"?(?:\s+(?!WHERE|JOIN)(\w+))?', sql)
    }
    faults = []
    for step in steps:
        detail: str = step["detail"]
        # What is scanned or sorted beside a subquery is what the subquery gives.
        given = {
            one["detail"].split()[1]
            for one in steps
            if one["parent"] == step["parent"] and one["detail"].startswith(SUBQUERIES)
        }
        scanned = re.match(r"SCAN (\w+)", detail)
        if scanned and scanned[1] not in given and named.get(scanned[1], scanned[1]) in large:
            faults.append(detail)
        if page and "TEMP B-TREE" in detail and not given and large.keys() & set(named.values()):
            faults.append(detail)
    return faults


def postgres_faults(plan: dict[str, Any], large: dict[str, int], *, page: bool) -> list[str]:
    """The same of a node of PostgreSQL's plan and those below it, as it was run."""
    faults = []
    table, kind, loops = plan.get("Relation Name", ""), plan["Node Type"], plan["Actual Loops"]
    if table in large:
        touched = loops * sum(plan.get(rows, 0) for rows in TOUCHED)
        if touched > large[table] / 2:
            faults.append(f"{kind} on {touched} rows of {table}")
    if page and kind == "Sort" and plan["Plans"][0]["Actual Rows"] * loops > LARGE:
        faults.append(f"Sort of {plan['Plans'][0]['Actual Rows']} rows")
    for below in plan.get("Plans", ()):
        faults += postgres_faults(below, large, page=page)
    return faults
