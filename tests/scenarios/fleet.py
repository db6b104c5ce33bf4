"""Small random fleets, made through the API but for the signed binaries, which are written as rows.

What is refused on the way is left out: a fleet is whatever the API let come about.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

from app.models import Artifact, ArtifactVersion, Binary
from app.rules.binary import ContentHealth, State
from app.rules.prn import Kind, format_prn, parse_prn
from tests.api import Api, Json
from tests.scenarios.stage import ARM, PORTABLE, X86

VERSIONS = ("1.0.0", "1.1.0", "2.0.0-rc.1", "2.0.0", "3.0.0")
REQUIREMENTS = (">=1.0.0", "<2.0.0", ">=1.1.0, <3.0.0")
PHASES: tuple[Json, ...] = (
    {"value": 0.0},
    {"value": 0.4},
    {"value": 2},
    {"value": 1},
    {"tags": ["beta"]},
)


@dataclass
class Fleet:
    """What there is, by ids; `releases` are those of each cohort, oldest first."""

    api: Api
    random: Random
    cohorts: dict[str, str] = field(default_factory=dict)
    bundles: list[str] = field(default_factory=list)
    binaries: list[str] = field(default_factory=list)
    releases: dict[str, list[str]] = field(default_factory=dict)
    devices: list[str] = field(default_factory=list)

    def chance(self, share: float) -> bool:
        """True this often."""
        return self.random.random() < share

    def release_input(self, cohort_id: str) -> Json:
        """A release that might be created, at any place."""
        random, known = self.random, self.releases[cohort_id]
        input: Json = {
            "cohortId": cohort_id,
            "bundleId": random.choice(self.bundles),
            "required": self.chance(0.25),
            "disabled": self.chance(0.1),
        }
        if known and self.chance(0.4):
            input["nextReleaseId"] = random.choice(known)
        elif known and self.chance(0.3):
            input["previousReleaseId"] = random.choice(known)
        elif self.chance(0.3):
            input["phase"] = random.choice(PHASES)
        if self.chance(0.1):
            input["scheduledAt"] = random.choice(("2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"))
        if self.chance(0.6):
            input["version"] = random.choice(VERSIONS)
        if self.chance(0.3):
            input["versionRequirement"] = random.choice(REQUIREMENTS)
        if self.chance(0.2):
            input["haltAfter"] = 1
        return input

    def report(self, cohort_id: str) -> Json:
        """What a device might report: a little of everything."""
        foreign = [id for ids in self.releases.values() for id in ids]
        own = self.releases[cohort_id] or foreign
        said: list[Json] = [{}]
        if own:
            said += [{"releaseId": self.random.choice(own)}] * 4
        said += [
            {"releaseId": self.random.choice(foreign)} if foreign else {},
            {"bundleId": self.random.choice(self.bundles)},
            {"version": self.random.choice((*VERSIONS, "0.1.0", "9.0.0", "one"))},
        ]
        return self.random.choice(said)


async def generate(api: Api, seed: int) -> Fleet:
    """The fleet of a seed, in the organization of the client's key."""
    fleet = Fleet(api, Random(seed))
    for name, target in (("router", ARM), ("server", X86)):
        product = await api.product(name, target)
        for cohort in range(fleet.random.randint(1, 2)):
            id = await api.cohort(product, f"cohort {cohort}")
            fleet.cohorts[id], fleet.releases[id] = product, []
    await _bundles(fleet)
    for cohort_id in fleet.cohorts:
        for number in range(fleet.random.randint(1, 6)):
            await _release(fleet, cohort_id, f"release {number}")
    for cohort_id in fleet.cohorts:
        await _devices(fleet, cohort_id)
    for ids in fleet.releases.values():
        archived = [id for id in ids if fleet.chance(0.15)]
        if archived:
            await api.do("archiveReleases", "releases { id }", releaseIds=archived)
    return fleet


async def _bundles(fleet: Fleet) -> None:
    """Artifact versions with signed binaries for some targets, in bundles of one or two."""
    told = await fleet.api.ask("{ organization { id } }")
    name = parse_prn(told["organization"]["id"], path=())
    organization_id: UUID = name.organization
    artifact = await Artifact.create(organization_id=organization_id, name="firmware")
    versions = []
    for number in range(fleet.random.randint(2, 5)):
        version = await ArtifactVersion.create(
            organization_id=organization_id, artifact_id=artifact.id, version=str(number)
        )
        versions.append(format_prn(Kind.ARTIFACT_VERSION, organization_id, version.id))
        targets = [one for one in (ARM, X86) if fleet.chance(0.6)]
        for target in targets + [PORTABLE] * (not targets or fleet.chance(0.6)):
            binary = await Binary.create(
                organization_id=organization_id,
                artifact_version_id=version.id,
                target=target,
                hash="0" * 64,
                size=0,
                state=State.SIGNED,
                content_health=ContentHealth.CORRUPT if fleet.chance(0.05) else None,
            )
            fleet.binaries.append(format_prn(Kind.BINARY, organization_id, binary.id))
    for number in range(fleet.random.randint(2, 5)):
        held = fleet.random.sample(versions, fleet.random.randint(1, 2))
        fleet.bundles.append(await fleet.api.bundle(*held, name=f"bundle {number}"))


async def _release(fleet: Fleet, cohort_id: str, name: str) -> None:
    input = fleet.release_input(cohort_id)
    payload = await fleet.api.mutate("createRelease", "release { id }", name=name, **input)
    if payload["release"] is not None:
        fleet.releases[cohort_id].append(payload["release"]["id"])


async def _devices(fleet: Fleet, cohort_id: str) -> None:
    api, random = fleet.api, fleet.random
    new = [
        {
            "identifier": f"{cohort_id[-12:]} {number}",
            "cohortId": None if fleet.chance(0.05) else cohort_id,
            "tags": random.sample(["beta", "lab"], random.randrange(3)),
        }
        for number in range(random.randint(3, 8))
    ]
    created = await api.do(
        "createDevices", "devices { id }", productId=fleet.cohorts[cohort_id], devices=new
    )
    for id in (device["id"] for device in created):
        fleet.devices.append(id)
        await _history(fleet, cohort_id, id)


async def _history(fleet: Fleet, cohort_id: str, id: str) -> None:
    """What has happened to a device so far."""
    api, random = fleet.api, fleet.random
    reported = fleet.report(cohort_id)
    if fleet.chance(0.5):
        await api.do("claimUpdate", "update { status }", deviceId=id, reported=reported)
    else:
        await api.do("reportDeviceState", "device { id }", deviceId=id, reported=reported)
    if fleet.chance(0.1):
        failed: Json = {"reported": fleet.report(cohort_id), "outcome": "FAILED"}
        await api.do("reportDeviceState", "device { id }", deviceId=id, **failed)
    if fleet.chance(0.08):
        await api.do("quarantineDevice", "device { id }", deviceId=id)
    if fleet.releases[cohort_id] and fleet.chance(0.1):
        pinned = random.choice(fleet.releases[cohort_id])
        await api.mutate("pinDevice", "device { id }", deviceId=id, releaseId=pinned)


@dataclass(frozen=True)
class Told:
    """What one device is answered, and what it passes on its way."""

    status: str
    release: str | None
    reason: str
    gates: frozenset[str]
    """The required releases, not archived ones, on its path."""


@dataclass(frozen=True)
class Answers:
    """What every device of a fleet is answered at one moment, and which releases are affected."""

    devices: dict[str, Told]
    affected: frozenset[str]


_ANSWERS = """query($after: String) { devices(first: 20, after: $after) {
  pageInfo { hasNextPage endCursor }
  nodes { id pinnedRelease { id }
    update { status release { id } trace { reason release { id required archived } } } } } }"""
_AFFECTED = """query($after: String) { releases(first: 50, after: $after) {
  pageInfo { hasNextPage endCursor } nodes { id affectedBy { id } } } }"""


async def answers(api: Api) -> Answers:
    """Asks for every device and every release of an organization."""
    devices = {
        node["id"]: _told(node["update"], pinned=node["pinnedRelease"] is not None)
        for node in await _all(api, _ANSWERS, "devices")
    }
    releases = await _all(api, _AFFECTED, "releases")
    return Answers(devices, frozenset(one["id"] for one in releases if one["affectedBy"]))


def _told(update: Json, *, pinned: bool) -> Told:
    # A trace has a step for each release of the path, so it tells the path; but not a pin's.
    path = [] if pinned else [step["release"] for step in update["trace"] if step["release"]]
    return Told(
        status=update["status"],
        release=update["release"] and update["release"]["id"],
        reason=update["trace"][-1]["reason"],
        gates=frozenset(one["id"] for one in path if one["required"] and not one["archived"]),
    )


async def _all(api: Api, query: str, field: str) -> list[Json]:
    found: list[Json] = []
    after: Any = None
    while True:
        page = (await api.ask(query, after=after))[field]
        found += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]
