"""The impacts of many binaries in one query: no more statements than for one, the same answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import httpx
import pytest

from app.settings import Settings
from tests.api import Api
from tests.conftest import new_api
from tests.graphql.growth import grow
from tests.statements import counted

SIZE: Final = 30
IMPACT: Final = """fragment Told on Impact {
  planTokenRequired devicesLosingUpdate devicesStuck
  releases(first: 2) { totalCount nodes { effect reasons release { id name bundle { name } } } }
  bundles(first: 2) { totalCount nodes { id name } pageInfo { hasNextPage endCursor } }
  cohorts(first: 2) { nodes { id name } }
  products(first: 2) { nodes { id target } }
}"""
MANY: Final = f"""query($first: Int!) {{
  binaries(first: $first, filter: {{ state: [SIGNED] }}) {{
    nodes {{ id impact {{ planToken ...Told }} lossImpact {{ ...Told }} }}
  }}
}}
{IMPACT}"""
ONE: Final = f"""query($id: ID!) {{
  binary(id: $id) {{ id impact {{ ...Told }} lossImpact {{ ...Told }} }}
  destructionImpact(ids: [$id]) {{ ...Told }}
}}
{IMPACT}"""
BUNDLES: Final = """query($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {
  destructionImpact(ids: [$id]) {
    bundles(first: $first, after: $after, last: $last, before: $before) {
      nodes { name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
}"""


@pytest.fixture(params=["reference", "planner"])
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """Without a worker, whose statements would be counted too, and with time for what is asked."""
    planner = request.param == "planner"
    return replace(settings, worker=False, rate_cost=10**9, query_seconds=600.0, planner=planner)


@pytest.fixture
async def api(http: httpx.AsyncClient) -> Api:
    """A client of an organization with binaries, releases and devices."""
    made = await new_api(http, "grown")
    found = await made.ask("{ organization { id } }")
    await grow(UUID(found["organization"]["id"].rsplit(":", 1)[1]), SIZE)
    return made


async def asked(api: Api, first: int) -> tuple[list[dict[str, Any]], int]:
    """Binaries with their impacts, and how many statements that took."""
    with counted() as seen:
        answer = await api.ask(MANY, first=first)
    return answer["binaries"]["nodes"], len(seen.texts)


async def test_binaries_do_not_add_statements(api: Api) -> None:
    # So that the graphs are kept, as on a server at work.
    await asked(api, 1)
    few, statements = await asked(api, 2)
    many, same = await asked(api, SIZE)
    assert (len(few), len(many)) == (2, SIZE)
    assert statements == same


async def test_each_is_told_what_it_is_told_alone(api: Api) -> None:
    found, _ = await asked(api, SIZE)
    assert len({str(one["impact"]["bundles"]) for one in found}) > 2
    assert any(one["impact"]["devicesLosingUpdate"] for one in found)
    for one in found:
        assert one["impact"].pop("planToken")
        alone = await api.ask(ONE, id=one["id"])
        assert one == alone["binary"]
        assert one["impact"] == alone["destructionImpact"]


async def test_the_bundles_of_an_impact_are_paged(api: Api) -> None:
    (first, *_), _ = await asked(api, 1)
    names: list[str] = []
    after: str | None = None
    while True:
        told = (await api.ask(BUNDLES, id=first["id"], first=7, after=after))["destructionImpact"]
        page = told["bundles"]
        assert page["pageInfo"]["hasPreviousPage"] is bool(names)
        names += [node["name"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert names == [f"bundle {n}" for n in range(SIZE)]
    start = page["pageInfo"]["startCursor"]
    told = (await api.ask(BUNDLES, id=first["id"], last=3, before=start))["destructionImpact"]
    before = len(names) - len(page["nodes"])
    assert [node["name"] for node in told["bundles"]["nodes"]] == names[before - 3 : before]
    refused = await api.refused(BUNDLES, id=first["id"], after="x")
    assert refused["extensions"]["code"] == "BAD_USER_INPUT"
