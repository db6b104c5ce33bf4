"""Impact, coverage, simulation, adoption and polls, as the API tells them, on both databases."""

from __future__ import annotations

import base64
import json
import os
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from app.models import Artifact, ArtifactVersion, Binary, Device, ReleaseClaim
from app.rules import plan
from app.rules.binary import State
from app.rules.prn import Kind, format_prn, parse_prn
from app.server import Server
from bench.fleet_reads import load, served, statements, tenant
from tests.api import Api, Json
from tests.conftest import new_api
from tests.scenarios.fleet import Answers, Fleet, answers, generate
from tests.scenarios.stage import ARM, PORTABLE, X86, Stage

FLEETS = int(os.environ.get("BINDERY_FLEETS", "6"))
IMPACT = """query($ids: [ID!]!) { destructionImpact(ids: $ids) {
  planToken planTokenRequired devicesLosingUpdate devicesStuck
  releases(first: 100) { totalCount nodes { release { id } effect reasons } }
  bundles { nodes { id } } cohorts { nodes { id } } products { nodes { id } } } }"""
SIMULATE = """query($input: SimulateReleaseInput!) { simulateRelease(input: $input) {
  devices unchanged phaseLimit
  moves { devices fromRelease { id } presentRelease { id } toRelease { id } toSimulated
          example { id } }
  blocked { devices fromRelease { id } reason example { id } } } }"""


async def impact_of(api: Api, *ids: str) -> Json:
    """An impact."""
    told: Json = (await api.ask(IMPACT, ids=list(ids)))["destructionImpact"]
    return told


def binaries_of(impact: Json) -> set[str]:
    """The uuids of the binaries that a plan token is of."""
    token = impact["planToken"]
    payload = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))[:-16])
    return {id for id, _ in payload["binaries"]}


def uuid(name: str) -> str:
    return str(parse_prn(name, path=()).id)


@pytest.fixture
async def stage(api: Api) -> Stage:
    """A product and a cohort; bundles and devices come into being when they are named."""
    stage = Stage(api)
    await stage.open()
    return stage


async def released(stage: Stage, *bundles: str, **latest: object) -> list[str]:
    """Releases of these bundles, one after the other; `latest` is for the last one."""
    made = []
    for place, name in enumerate(bundles, start=1):
        more = latest if place == len(bundles) else {}
        id = await stage.api.release(stage.ids["stable"], await stage.id(name), f"r{place}", **more)
        made.append(id)
    return made


# Properties of generated fleets.


async def test_an_impact_counts_what_changes_when_the_binaries_are_destroyed(
    http: httpx.AsyncClient, server: Server
) -> None:
    seen: Counter[str] = Counter()
    for seed in range(FLEETS):
        fleet = await generate(await new_api(http, f"impact {seed}"), seed)
        before = await answers(fleet.api)
        # Twice, so that some releases are affected already.
        for _ in range(2):
            left = [id for id in fleet.binaries if await fleet.api.state(id) == "SIGNED"]
            wanted = fleet.random.sample(left, min(len(left), fleet.random.randint(1, 3)))
            impact = await impact_of(fleet.api, *wanted)
            await fleet.api.do(
                "destroyBinaries",
                "binaries { id }",
                binaryIds=wanted,
                planToken=impact["planToken"],
            )
            after = await answers(fleet.api)
            seen.update(check_impact(impact, before, after))
            before = after
    assert min(seen[name] for name in ("losing", "stuck", "newly", "already")) > 0, seen


def check_impact(impact: Json, before: Answers, after: Answers) -> dict[str, int]:
    """Asserts that an impact told what happened; gives how much did."""
    effects = {one["release"]["id"]: one["effect"] for one in impact["releases"]["nodes"]}
    newly = after.affected - before.affected
    assert {id for id, effect in effects.items() if effect == "NEWLY_AFFECTED"} == newly
    already = {id for id, effect in effects.items() if effect == "ALREADY_AFFECTED"}
    assert already <= before.affected
    losing = stuck = 0
    for id, then in after.devices.items():
        now = before.devices[id]
        losing += now.status == "UPDATE" and now.release != then.release
        stuck += then.status == "NO_UPDATE" and bool(now.gates & newly)
    assert (impact["devicesLosingUpdate"], impact["devicesStuck"]) == (losing, stuck)
    return {"losing": losing, "stuck": stuck, "newly": len(newly), "already": len(already)}


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


# Impact.


async def test_an_impact_of_a_version_a_bundle_and_a_key_is_of_the_binaries_meant(
    stage: Stage,
) -> None:
    api = stage.api
    await stage.bundle("b1", [ARM, PORTABLE])
    await stage.bundle("b2", [ARM])
    one, portable, other = (
        stage.ids[f"b{name}"] for name in (f"1/{ARM}", "1/portable", f"2/{ARM}")
    )
    unsigned = await api.reach("SIGNABLE", stage.ids["b1/version"], b"x86", X86)
    first = await api.key_id()
    second = Api(api.http, api.key)
    await second.sign(portable, f"b1 for {PORTABLE}".encode())

    async def meant(*ids: str) -> set[str]:
        return binaries_of(await impact_of(api, *ids))

    assert await meant(one) == {uuid(one)}
    assert await meant(unsigned) == {uuid(unsigned)}
    assert await meant(stage.ids["b1/version"]) == {uuid(one), uuid(portable)}
    assert await meant(stage.ids["b2"]) == {uuid(other)}
    assert await meant(stage.ids["b2"], stage.ids["b1/version"], other) == {
        uuid(one),
        uuid(portable),
        uuid(other),
    }
    # The portable one is signed by another key too, until that one is retired or meant as well.
    assert await meant(first) == {uuid(one), uuid(other)}
    assert await meant(await second.key_id()) == set()
    assert await meant(first, await second.key_id()) == {uuid(one), uuid(portable), uuid(other)}
    await api.do("retireSigningKey", "signingKey { id }", signingKeyId=await second.key_id())
    assert await meant(first) == {uuid(one), uuid(portable), uuid(other)}
    assert await meant(await second.key_id()) == set()


async def test_an_impact_names_releases_worst_first_and_all_that_they_belong_to(
    stage: Stage,
) -> None:
    api = stage.api
    r1, r2, r3, r4 = await released(stage, "b1", "b1", "b1", "b1")
    await api.do("updateRelease", "release { id }", releaseId=r3, required=True)
    await api.do("archiveReleases", "releases { id }", releaseIds=[r1])
    impact = await impact_of(api, stage.ids["b1/portable"])
    assert impact["releases"]["totalCount"] == 4
    assert [
        (one["release"]["id"], one["effect"], one["reasons"]) for one in impact["releases"]["nodes"]
    ] == [
        (r3, "NEWLY_AFFECTED", ["TARGET_LOST", "REQUIRED"]),
        (r4, "NEWLY_AFFECTED", ["TARGET_LOST", "LATEST"]),
        (r2, "NEWLY_AFFECTED", ["TARGET_LOST"]),
        (r1, "NEWLY_AFFECTED", ["TARGET_LOST", "ARCHIVED"]),
    ]
    assert impact["bundles"]["nodes"] == [{"id": stage.ids["b1"]}]
    assert impact["cohorts"]["nodes"] == [{"id": stage.ids["stable"]}]
    assert impact["products"]["nodes"] == [{"id": stage.ids["router"]}]


async def test_what_is_destroyed_is_told_by_affected_by_and_already_affected(stage: Stage) -> None:
    api = stage.api
    await stage.bundle("b1", [ARM, PORTABLE])
    (r1,) = await released(stage, "b1")
    query = "query($id: ID!) { release(id: $id) { affectedBy { id } } }"
    arm = stage.ids[f"b1/{ARM}"]
    assert (await api.ask(query, id=r1))["release"] == {"affectedBy": []}
    token = (await impact_of(api, arm))["planToken"]
    await api.do("destroyBinary", "binary { id }", binaryId=arm, planToken=token)
    assert (await api.ask(query, id=r1))["release"] == {"affectedBy": [{"id": arm}]}
    impact = await impact_of(api, stage.ids["b1/portable"])
    (told,) = impact["releases"]["nodes"]
    assert (told["effect"], told["reasons"]) == (
        "ALREADY_AFFECTED",
        ["TARGET_LOST_BEFORE", "LATEST"],
    )
    assert (impact["devicesLosingUpdate"], impact["devicesStuck"]) == (0, 0)
    # Nothing is newly affected, so nothing has to be accepted.
    assert impact["planTokenRequired"] is False
    await api.do("destroyBinary", "binary { id }", binaryId=stage.ids["b1/portable"])
    await api.reach("SIGNED", stage.ids["b1/version"], b"again", ARM)
    await api.reach("SIGNED", stage.ids["b1/version"], b"again", PORTABLE)
    assert (await api.ask(query, id=r1))["release"] == {"affectedBy": []}


async def test_archiving_the_releases_makes_the_impact_go_away(stage: Stage) -> None:
    api = stage.api
    r1, r2, _ = await released(stage, "b1", "b2", "b3")
    await api.do("updateRelease", "release { id }", releaseId=r2, required=True)
    await stage.id("d1")
    binary = stage.ids["b2/portable"]
    impact = await impact_of(api, binary)
    assert (impact["devicesLosingUpdate"], impact["devicesStuck"]) == (1, 0)
    report = {"releaseId": r1}
    await api.do("reportDeviceState", "device { id }", deviceId=stage.ids["d1"], reported=report)
    impact = await impact_of(api, binary)
    assert (impact["devicesLosingUpdate"], impact["devicesStuck"]) == (1, 1)
    assert impact["planTokenRequired"] is True
    refusal = await api.fail("destroyBinary", "binary { id }", binaryId=binary)
    assert (refusal["code"], refusal["releases"]) == ("IMPACT_NOT_ACCEPTED", [{"id": r2}])
    await api.do("archiveReleases", "releases { id }", releaseIds=[r2])
    impact = await impact_of(api, binary)
    assert (impact["devicesLosingUpdate"], impact["devicesStuck"]) == (0, 0)
    assert impact["planTokenRequired"] is False
    (told,) = impact["releases"]["nodes"]
    assert told["reasons"] == ["TARGET_LOST", "REQUIRED", "ARCHIVED"]
    destroyed = await api.do("destroyBinary", "binary { state }", binaryId=binary)
    assert destroyed == {"state": "DESTROYED"}
    assert await kinds(api, binary) == ["binary.destroy"]


async def kinds(api: Api, binary_id: str) -> list[str]:
    """The kinds of a binary's Events that are about its destruction, oldest first."""
    query = """query($id: ID!) { binary(id: $id) { events(last: 100) { nodes { kind } } } }"""
    nodes = (await api.ask(query, id=binary_id))["binary"]["events"]["nodes"]
    wanted = ("binary.destroy", "binary.impact_accepted")
    return sorted(one["kind"] for one in nodes if one["kind"] in wanted)


async def test_the_accepted_impact_is_in_the_events_of_each_binary(stage: Stage) -> None:
    api = stage.api
    r1, r2 = await released(stage, "b1", "b2")
    await api.do("updateRelease", "release { id }", releaseId=r1, required=True)
    binaries = [stage.ids["b1/portable"], stage.ids["b2/portable"]]
    token = (await impact_of(api, *binaries))["planToken"]
    await api.do("destroyBinaries", "binaries { id }", binaryIds=binaries, planToken=token)
    query = """query($id: ID!) { binary(id: $id) {
        events(filter: {kind: ["binary.impact_accepted"]}) { nodes { after } } } }"""
    for id in binaries:
        (event,) = (await api.ask(query, id=id))["binary"]["events"]["nodes"]
        assert event["after"] == {
            "releases": {
                r1: {"required": True, "latest": False},
                r2: {"required": False, "latest": True},
            }
        }


async def test_an_impact_that_changed_names_what_was_added_and_what_went(stage: Stage) -> None:
    api = stage.api
    r1, r2 = await released(stage, "b1", "b1")
    binary = stage.ids["b1/portable"]
    token = (await impact_of(api, binary))["planToken"]
    await api.do("archiveReleases", "releases { id }", releaseIds=[r1])
    r3 = await api.release(stage.ids["stable"], stage.ids["b1"], nextReleaseId=r2)
    refusal = await api.fail("destroyBinary", "binary { id }", binaryId=binary, planToken=token)
    assert (refusal["code"], refusal["added"], refusal["removed"]) == (
        "IMPACT_CHANGED",
        [{"id": r3}],
        [{"id": r1}],
    )
    # A changed flag is an addition too: here the former latest is the latest no more.
    token = (await impact_of(api, binary))["planToken"]
    await api.release(stage.ids["stable"], await stage.id("b2"))
    refusal = await api.fail("destroyBinary", "binary { id }", binaryId=binary, planToken=token)
    assert (refusal["code"], refusal["added"], refusal["removed"]) == (
        "IMPACT_CHANGED",
        [{"id": r2}],
        [],
    )
    assert await api.state(binary) == "SIGNED"


async def test_a_token_is_good_for_an_hour_and_for_its_binaries_as_they_were(
    stage: Stage, server: Server
) -> None:
    api = stage.api
    await released(stage, "b1", "b2")
    one, other = stage.ids["b1/portable"], stage.ids["b2/portable"]
    token = (await impact_of(api, one))["planToken"]
    read = plan.read(token, key=server.secret)
    assert timedelta(minutes=59) < read.expires - datetime.now(UTC) <= timedelta(hours=1)
    expired = plan.write(replace(read, expires=datetime.now(UTC)), key=server.secret)
    both = (await impact_of(api, one, other))["planToken"]
    for stale in (expired, both):
        refusal = await api.fail("destroyBinary", "binary { id }", binaryId=one, planToken=stale)
        assert refusal["code"] == "IMPACT_NOT_ACCEPTED"
    refusal = await api.fail(
        "destroyBinary", "binary { id }", binaryId=one, planToken="A" + token[1:]
    )
    assert refusal["code"] == "BAD_USER_INPUT"
    await api.do("updateBinary", "binary { id }", binaryId=one, description="changed since")
    refusal = await api.fail("destroyBinary", "binary { id }", binaryId=one, planToken=token)
    assert refusal["code"] == "IMPACT_NOT_ACCEPTED"
    assert await api.state(one) == "SIGNED"


async def test_an_impact_is_asked_of_a_thousand_ids_and_of_no_more(stage: Stage) -> None:
    api = stage.api
    organization_id = parse_prn(stage.ids["router"], path=()).organization
    artifact = await Artifact.create(organization_id=organization_id, name="many")
    version = await ArtifactVersion.create(
        organization_id=organization_id, artifact_id=artifact.id, version="1"
    )
    rows = [
        Binary(
            organization_id=organization_id,
            artifact_version_id=version.id,
            target=f"t{number}-linux",
            hash="0" * 64,
            size=0,
            state=State.SIGNED,
        )
        for number in range(1_000)
    ]
    await Binary.bulk_create(rows)
    bundle = await api.bundle(format_prn(Kind.ARTIFACT_VERSION, organization_id, version.id))
    release = await api.release(stage.ids["stable"], bundle)
    ids = [format_prn(Kind.BINARY, organization_id, row.id) for row in rows]
    impact = await impact_of(api, *ids)
    assert binaries_of(impact) == {str(row.id) for row in rows}
    assert [one["release"]["id"] for one in impact["releases"]["nodes"]] == [release]
    for wrong in ([*ids, bundle], []):
        assert (await api.refused(IMPACT, ids=wrong))["extensions"]["code"] == "BAD_USER_INPUT"
    error = await api.refused(IMPACT, ids=[release])
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    unknown = format_prn(Kind.BINARY, organization_id, organization_id)
    assert (await api.refused(IMPACT, ids=[unknown]))["extensions"]["code"] == "NOT_FOUND"


async def test_binaries_are_destroyed_all_or_none(stage: Stage) -> None:
    api = stage.api
    await stage.bundle("b1", [ARM, PORTABLE])
    signed = [stage.ids[f"b1/{ARM}"], stage.ids["b1/portable"]]
    awaited = await api.reach("SIGNABLE", stage.ids["b1/version"], b"x86", X86)
    ids = [*signed, awaited]
    refusal = await api.fail("destroyBinaries", "binaries { id }", binaryIds=ids)
    assert (refusal["code"], refusal["state"]) == ("INVALID_TRANSITION", "SIGNABLE")
    assert [await api.state(id) for id in ids] == ["SIGNED", "SIGNED", "SIGNABLE"]
    destroyed = await api.do("destroyBinaries", "binaries { id state }", binaryIds=signed)
    assert destroyed == [{"id": id, "state": "DESTROYED"} for id in signed]


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
    await released(stage, "b1", version="1.0.0")
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


# Adoption, history, the graph.

ADOPTION = "query($id: ID!) { release(id: $id) { adoption { on claimed before behind } } }"


async def adoption_of(api: Api, release_id: str) -> list[int]:
    """On it, claimed, before it, behind it."""
    told = (await api.ask(ADOPTION, id=release_id))["release"]["adoption"]
    return [told[name] for name in ("on", "claimed", "before", "behind")]


async def test_adoption_follows_devices_from_the_claim_to_the_next_release(stage: Stage) -> None:
    api = stage.api
    r1, r2 = await released(stage, "b1", "b2")
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


async def test_a_history_is_what_the_device_itself_did_newest_first(stage: Stage) -> None:
    api = stage.api
    (r1,) = await released(stage, "b1")
    device = await stage.id("d1")
    await api.do("quarantineDevice", "device { id }", deviceId=device)
    await api.do("releaseDeviceFromQuarantine", "device { id }", deviceId=device)
    await api.do("claimUpdate", "update { status }", deviceId=device)
    reported = {"releaseId": r1}
    for outcome in ("FAILED", "INSTALLED"):
        await api.do(
            "reportDeviceState",
            "device { id }",
            deviceId=device,
            reported=reported,
            outcome=outcome,
            message=f"it {outcome.lower()}",
        )
    query = """query($id: ID!, $first: Int, $after: String) { device(id: $id) {
        history(first: $first, after: $after) {
          totalCount nodes { kind after } pageInfo { endCursor hasNextPage } } } }"""
    history = (await api.ask(query, id=device))["device"]["history"]
    assert history["totalCount"] == 4
    assert [(one["kind"], one["after"]) for one in history["nodes"]] == [
        ("device.installed", {"message": "it installed"}),
        ("device.report", {"reportedReleaseId": r1}),
        ("device.install_failed", {"message": "it failed", "release": r1}),
        ("device.claim", {"release": r1}),
    ]
    page = (await api.ask(query, id=device, first=3))["device"]["history"]["pageInfo"]
    rest = (await api.ask(query, id=device, first=3, after=page["endCursor"]))["device"]["history"]
    assert (page["hasNextPage"], [one["kind"] for one in rest["nodes"]]) == (True, ["device.claim"])


async def test_a_failure_counts_for_a_release_of_the_devices_own_cohort_only(stage: Stage) -> None:
    api = stage.api
    (r1,) = await released(stage, "b1", haltAfter=1)
    other = await api.cohort(stage.ids["router"], "other")
    stranger = await api.device(stage.ids["router"], other, "stranger")
    device = await stage.id("d1")
    query = "query($id: ID!) { release(id: $id) { failures } }"

    async def fail(id: str) -> int:
        await api.do(
            "reportDeviceState",
            "device { id }",
            deviceId=id,
            reported={"releaseId": r1},
            outcome="FAILED",
        )
        return int((await api.ask(query, id=r1))["release"]["failures"])

    assert await fail(stranger) == 0
    update = "query($id: ID!) { resolveUpdate(deviceId: $id) { status trace { reason } } }"
    told = (await api.ask(update, id=device))["resolveUpdate"]
    assert told["status"] == "UPDATE"
    assert await fail(device) == 1
    told = (await api.ask(update, id=device))["resolveUpdate"]
    assert told == {"status": "NO_UPDATE", "trace": [{"reason": "PHASE_HALTED"}]}


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


# Polls.


async def events_of(api: Api, device_id: str) -> list[str]:
    """The kinds of a device's Events, newest first."""
    query = "query($id: ID!) { device(id: $id) { events(first: 100) { nodes { kind } } } }"
    nodes = (await api.ask(query, id=device_id))["device"]["events"]["nodes"]
    return [one["kind"] for one in nodes]


async def test_a_poll_writes_an_event_only_for_a_new_report_and_a_new_claim(stage: Stage) -> None:
    api = stage.api
    r1, r2 = await released(stage, "b1", "b2")
    device = await stage.id("d1")

    async def poll(reported: Json | None) -> str | None:
        told = await api.do(
            "claimUpdate", "update { release { id } }", deviceId=device, reported=reported
        )
        return told["release"]["id"] if told["release"] else None

    assert await poll(None) == r2
    assert await events_of(api, device) == ["device.claim", "device.create"]
    for _ in range(2):
        assert await poll({"releaseId": r1}) == r2
    assert await events_of(api, device) == ["device.report", "device.claim", "device.create"]
    # Without a report, what was last reported counts; what can't be used counts as nothing.
    assert await poll(None) == r2
    for reported in ({"releaseId": "r1"}, {"version": "one"}, {"bundleId": r1}, {}):
        assert await poll(reported) == r2
    assert await events_of(api, device) == [
        "device.report",
        "device.report",
        "device.claim",
        "device.create",
    ]
    assert await poll({"releaseId": r2}) is None
    assert len(await events_of(api, device)) == 5
    assert await ReleaseClaim.all().count() == 1


async def test_last_seen_is_written_at_most_once_a_minute_and_has_no_event(stage: Stage) -> None:
    api = stage.api
    device = await stage.id("d1")
    id = parse_prn(device, path=()).id
    assert (await Device.get(id=id)).last_seen_at is None

    async def poll() -> datetime | None:
        await api.do("claimUpdate", "update { status }", deviceId=device)
        seen: datetime | None = (await Device.get(id=id)).last_seen_at
        return seen

    first = await poll()
    assert first is not None
    assert abs(datetime.now(UTC) - first) < timedelta(minutes=1)
    assert await poll() == first
    earlier = datetime.now(UTC) - timedelta(seconds=61)
    await Device.filter(id=id).update(last_seen_at=earlier)
    second = await poll()
    assert second is not None
    assert second > first
    assert await events_of(api, device) == ["device.create"]


async def test_a_preview_writes_nothing(stage: Stage) -> None:
    api = stage.api
    r1, r2 = await released(stage, "b1", "b2", phase={"value": 0.5})
    device = await stage.id("d1")
    id = parse_prn(device, path=()).id
    before = await Device.filter(id=id).values()
    query = """query($id: ID!, $reported: ReportedStateInput) {
        resolveUpdate(deviceId: $id, reported: $reported) { release { id } }
        device(id: $id) { update { release { id } } } }"""
    told = await api.ask(query, id=device, reported={"releaseId": r1})
    assert told["resolveUpdate"] == told["device"]["update"] == {"release": {"id": r2}}
    assert await Device.filter(id=id).values() == before
    assert await ReleaseClaim.all().count() == 0
    assert await events_of(api, device) == ["device.create"]


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
