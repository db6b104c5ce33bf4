"""Coverage, simulation, adoption and graphs, as the API tells them, on both databases."""

from __future__ import annotations

from collections import Counter

import httpx
import pytest

from app.server import Server
from bench.fleet_reads import load, served, statements, tenant
from tests.api import Api, Json
from tests.conftest import new_api
from tests.graphql.impacts import FLEETS, impact_of
from tests.scenarios.fleet import Fleet, answers, generate
from tests.scenarios.stage import ARM, PORTABLE, X86, Stage

SIMULATE = """query($input: SimulateReleaseInput!) { simulateRelease(input: $input) {
  devices unchanged phaseLimit
  moves { devices fromRelease { id } presentRelease { id } toRelease { id } toSimulated
          example { id } }
  blocked { devices fromRelease { id } reason example { id } } } }"""


# Properties of generated fleets.


@pytest.mark.long
async def test_a_simulation_tells_what_the_release_then_does(
    http: httpx.AsyncClient, server: Server
) -> None:
    seen: Counter[str] = Counter()
    for seed in range(FLEETS):
        fleet = await generate(await new_api(http, f"simulation {seed}"), 1_000 + seed)
        await fleet.api.do(
            "destroyBinary",
            "binary { id }",
            binaryId=fleet.binaries[0],
            planToken=(await impact_of(fleet.api, fleet.binaries[0]))["planToken"],
        )
        for _ in range(6):
            cohort_id = fleet.random.choice(list(fleet.cohorts))
            seen.update(await check_simulation(fleet, cohort_id))
    assert min(seen[name] for name in ("moves", "blocked", "unchanged", "refused")) > 0, seen


async def check_simulation(fleet: Fleet, cohort_id: str) -> dict[str, int]:
    """Simulates a release, creates it, and asserts that the one told what the other did."""
    input = fleet.release_input(cohort_id)
    before = (await answers(fleet.api)).devices
    body = (await fleet.api.post(SIMULATE, {"input": input})).json()
    payload = await fleet.api.mutate("createRelease", "release { id }", name="new", **input)
    if payload["errors"]:
        (refusal,), (error,) = payload["errors"], body["errors"]
        assert error["extensions"]["code"] == refusal["code"]
        return {"refused": 1}
    simulation, new = body["data"]["simulateRelease"], payload["release"]["id"]
    fleet.releases[cohort_id].append(new)
    after = (await answers(fleet.api)).devices
    query = """query($id: ID!) { cohort(id: $id) {
        devices(first: 100) { nodes { id reportedRelease { id cohort { id } } } } } }"""
    nodes = (await fleet.api.ask(query, id=cohort_id))["cohort"]["devices"]["nodes"]
    running = {
        node["id"]: node["reportedRelease"]["id"]
        for node in nodes
        if node["reportedRelease"] and node["reportedRelease"]["cohort"]["id"] == cohort_id
    }
    moves: Counter[tuple[str | None, str | None]] = Counter()
    blocked: Counter[str] = Counter()
    for id in (node["id"] for node in nodes):
        then = after[id]
        if then.status != "UPDATE" and then.reason != "UP_TO_DATE":
            blocked[then.reason] += 1
        elif then.release != before[id].release:
            moves[before[id].release, then.release] += 1
    told_moves: Counter[tuple[str | None, str | None]] = Counter()
    for move in simulation["moves"]:
        to = new if move["toSimulated"] else move["toRelease"] and move["toRelease"]["id"]
        present = move["presentRelease"] and move["presentRelease"]["id"]
        told_moves[present, to] += move["devices"]
        example = move["example"]["id"]
        assert (before[example].release, after[example].release) == (present, to)
    told_blocked: Counter[str] = Counter()
    for block in simulation["blocked"]:
        told_blocked[block["reason"]] += block["devices"]
        assert after[block["example"]["id"]].reason == block["reason"]
    for told in simulation["moves"] + simulation["blocked"]:
        example = told["example"]["id"]
        if example in running:
            assert told["fromRelease"] == {"id": running[example]}
    assert (told_moves, told_blocked) == (moves, blocked)
    assert simulation["devices"] == len(nodes)
    unchanged = len(nodes) - moves.total() - blocked.total()
    assert simulation["unchanged"] == unchanged
    return {"moves": moves.total(), "blocked": blocked.total(), "unchanged": unchanged}


# Coverage.

COVERAGE = """query($bundle: ID!, $products: [ID!], $cohort: ID) {
  coverage(bundleId: $bundle, productIds: $products, cohortId: $cohort) {
    devicesCovered devicesLeftOut
    targets { target devices complete
      artifactVersions { artifactVersion { id } resolution { match reason binary { id } } } } } }"""


async def test_coverage_tells_which_targets_of_the_fleet_a_bundle_leaves_out(stage: Stage) -> None:
    api = stage.api
    await stage.bundle("b1", [ARM, PORTABLE])
    await stage.bundle("b2", [ARM])
    server = await api.product("server", X86)
    retired = await api.product("retired", "mips-linux")
    for number, (product, cohort) in enumerate(
        [(stage.ids["router"], stage.ids["stable"])] * 2
        + [(stage.ids["router"], None), (server, None), (retired, None)]
    ):
        await api.device(product, cohort, f"device {number}")
    await api.do("archiveProduct", "product { id }", productId=retired)
    versions = [stage.ids["b1/version"], stage.ids["b2/version"]]
    bundle = await api.bundle(*versions, name="both")

    def resolved(version: str, match: str, reason: str, binary: str | None) -> Json:
        return {
            "artifactVersion": {"id": version},
            "resolution": {"match": match, "reason": reason, "binary": binary and {"id": binary}},
        }

    arm = {
        "target": ARM,
        "devices": 3,
        "complete": True,
        "artifactVersions": [
            resolved(versions[0], "TARGET_SPECIFIC", "TARGET_MATCHED", stage.ids[f"b1/{ARM}"]),
            resolved(versions[1], "TARGET_SPECIFIC", "TARGET_MATCHED", stage.ids[f"b2/{ARM}"]),
        ],
    }
    x86 = {
        "target": X86,
        "devices": 1,
        "complete": False,
        "artifactVersions": [
            resolved(versions[0], "PORTABLE", "PORTABLE_MATCHED", stage.ids["b1/portable"]),
            resolved(versions[1], "NONE", "NO_BINARY_FOR_TARGET", None),
        ],
    }
    assert (await api.ask(COVERAGE, bundle=bundle))["coverage"] == {
        "devicesCovered": 3,
        "devicesLeftOut": 1,
        "targets": [arm, x86],
    }
    told = (await api.ask(COVERAGE, bundle=bundle, products=[server]))["coverage"]
    assert told == {"devicesCovered": 0, "devicesLeftOut": 1, "targets": [x86]}
    told = (await api.ask(COVERAGE, bundle=bundle, cohort=stage.ids["stable"]))["coverage"]
    assert told == {
        "devicesCovered": 2,
        "devicesLeftOut": 0,
        "targets": [{**arm, "devices": 2}],
    }
    nobody: Json = {"devicesCovered": 0, "devicesLeftOut": 0, "targets": []}
    narrowings: list[Json] = [
        {"products": [server], "cohort": stage.ids["stable"]},
        {"products": []},
    ]
    for narrowed in narrowings:
        assert (await api.ask(COVERAGE, bundle=bundle, **narrowed))["coverage"] == nobody
    unknown = stage.ids["stable"].replace(":cohort:", ":product:")
    error = await api.refused(COVERAGE, bundle=bundle, products=[unknown])
    assert error["extensions"]["code"] == "NOT_FOUND"


# Simulation.


async def test_a_simulation_writes_nothing_and_refuses_what_creating_would_refuse(
    stage: Stage,
) -> None:
    api = stage.api
    await stage.released("b1", version="1.0.0")
    await stage.id("d1")
    input: Json = {"cohortId": stage.ids["stable"], "bundleId": stage.ids["b1"]}
    told = (await api.ask(SIMULATE, input={**input, "phase": {"value": 0.5}}))["simulateRelease"]
    assert (told["devices"], told["phaseLimit"], told["unchanged"]) == (1, 1, 0)
    (move,) = told["moves"]
    assert (move["devices"], move["toSimulated"], move["toRelease"]) == (1, True, None)
    assert move["example"] == {"id": stage.ids["d1"]}
    releases = await api.ask("{ releases { totalCount } }")
    assert releases == {"releases": {"totalCount": 1}}

    async def both(**more: object) -> list[str]:
        error = await api.refused(SIMULATE, input={**input, **more})
        refusal = await api.fail("createRelease", "release { id }", name="r", **{**input, **more})
        return [error["extensions"]["code"], refusal["code"]]

    assert await both(version="1.0.0") == ["ALREADY_EXISTS"] * 2
    assert await both(phase={"value": 1.5}) == ["BAD_USER_INPUT"] * 2
    await api.do(
        "destroyBinary",
        "binary { id }",
        binaryId=stage.ids["b1/portable"],
        planToken=(await impact_of(api, stage.ids["b1/portable"]))["planToken"],
    )
    assert await both() == ["BUNDLE_AFFECTED"] * 2
    await api.do("archiveProduct", "product { id }", productId=stage.ids["router"])
    assert await both() == ["PRODUCT_ARCHIVED"] * 2


# Adoption, the graph.

ADOPTION = "query($id: ID!) { release(id: $id) { adoption { on claimed before behind } } }"


async def adoption_of(api: Api, release_id: str) -> list[int]:
    """On it, claimed, before it, behind it."""
    told = (await api.ask(ADOPTION, id=release_id))["release"]["adoption"]
    return [told[name] for name in ("on", "claimed", "before", "behind")]


async def test_adoption_follows_devices_from_the_claim_to_the_next_release(stage: Stage) -> None:
    api = stage.api
    r1, r2 = await stage.released("b1", "b2")
    for name in ("d1", "d2", "d3"):
        await stage.id(name)
    d1, d2, d3 = (stage.ids[name] for name in ("d1", "d2", "d3"))

    async def poll(device: str, **reported: str) -> None:
        sent = {"deviceId": device, "reported": reported}
        await api.do("claimUpdate", "update { status }", **sent)

    assert await adoption_of(api, r2) == [0, 0, 3, 0]
    await poll(d1, releaseId=r1)
    assert await adoption_of(api, r1) == [1, 0, 2, 0]
    assert await adoption_of(api, r2) == [0, 1, 3, 0]
    await poll(d1, releaseId=r2)
    await poll(d2, bundleId=stage.ids["b1"])
    assert await adoption_of(api, r1) == [1, 0, 1, 1]
    assert await adoption_of(api, r2) == [1, 1, 2, 0]
    # A device that reports the bundle is on the release, and its claim is no longer on the way.
    await poll(d2, bundleId=stage.ids["b2"])
    await poll(d3, releaseId=r1)
    assert await adoption_of(api, r2) == [2, 1, 1, 0]
    r3 = await api.release(stage.ids["stable"], await stage.id("b3"))
    await poll(d1, releaseId=r3)
    assert await adoption_of(api, r2) == [1, 1, 1, 1]
    assert await adoption_of(api, r3) == [1, 0, 2, 0]


async def test_the_graph_of_a_cohort_is_ready_to_draw(stage: Stage) -> None:
    api = stage.api
    query = """query($id: ID!) { cohort(id: $id) { latestRelease { id } releaseGraph {
        nodes { id } edges { fromRelease { id } toRelease { id } } mermaid } } }"""
    cohort = stage.ids["stable"]
    assert (await api.ask(query, id=cohort))["cohort"] == {
        "latestRelease": None,
        "releaseGraph": {"nodes": [], "edges": [], "mermaid": "flowchart LR\n"},
    }
    bundle = await stage.id("b1")
    r1 = await api.release(cohort, bundle, "first")
    r2 = await api.release(cohort, bundle, 'the "latest" <2>')
    branch = await api.release(
        cohort, bundle, "branch", nextReleaseId=r2, required=True, disabled=True
    )
    await api.do("archiveReleases", "releases { id }", releaseIds=[r1])
    told = (await api.ask(query, id=cohort))["cohort"]
    graph = told["releaseGraph"]
    assert told["latestRelease"] == {"id": r2}
    assert graph["nodes"] == [{"id": r1}, {"id": r2}, {"id": branch}]
    assert graph["edges"] == [
        {"fromRelease": {"id": r1}, "toRelease": {"id": r2}},
        {"fromRelease": {"id": branch}, "toRelease": {"id": r2}},
    ]
    assert graph["mermaid"] == (
        "flowchart LR\n"
        '    r0["first (archived)"]\n'
        '    r1["the &quot;latest&quot; &lt;2&gt;"]\n'
        '    r2["branch (required) (disabled)"]\n'
        "    r0 --> r1\n"
        "    r2 --> r1\n"
    )


# How many statements.


async def test_the_number_of_statements_does_not_depend_on_the_size_of_the_fleet(
    database_url: str,
) -> None:
    seen: list[dict[str, int]] = []
    # Without a worker, whose own statements would be counted too.
    async with served(database_url) as http:
        for devices, releases in ((5, 4), (50, 40)):
            organization_id, client = await tenant(http, f"{devices} devices")
            fleet = await load(organization_id, devices=devices, releases=releases)
            questions = fleet.questions().items()
            seen.append({name: await statements(client, *asked) for name, asked in questions})
    assert seen[0] == seen[1]
    assert max(seen[0].values()) <= 16
