"""Impacts of destructions, as the API tells them, on both databases."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx

from app.models import Artifact, ArtifactVersion, Binary
from app.rules import plan
from app.rules.binary import State
from app.rules.prn import Kind, format_prn, parse_prn
from app.server import Server
from tests.api import Api, Json
from tests.conftest import new_api
from tests.graphql.impacts import FLEETS, IMPACT, binaries_of, impact_of
from tests.scenarios.fleet import Answers, answers, generate
from tests.scenarios.stage import ARM, PORTABLE, X86, Stage


def uuid(name: str) -> str:
    return str(parse_prn(name, path=()).id)


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
    r1, r2, r3, r4 = await stage.released("b1", "b1", "b1", "b1")
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
    (r1,) = await stage.released("b1")
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
    r1, r2, _ = await stage.released("b1", "b2", "b3")
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
    r1, r2 = await stage.released("b1", "b2")
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
    r1, r2 = await stage.released("b1", "b1")
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
    await stage.released("b1", "b2")
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
