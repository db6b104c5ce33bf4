"""Every object type of the schema that is an answer, and not a row: what is resolved, what a
destruction or a release would do, how far a release has come.
"""

from __future__ import annotations

import asyncio
from typing import Any

import strawberry

from app import models
from app.graphql import answers, fleet, lists, polled
from app.graphql.connections import Connection, open_list, page_arguments
from app.graphql.context import Info
from app.graphql.declared import Own, ToOne
from app.graphql.enums import ImpactReason
from app.graphql.fields import children, derived, edge, plain, to_one
from app.graphql.scalars import JSON, BigInt, Sha256
from app.graphql.types import (
    Artifact,
    ArtifactVersion,
    Binary,
    BinarySignature,
    Bundle,
    Cohort,
    Device,
    Product,
    Release,
)
from app.rules import binary as rules
from app.rules.impact import Effect
from app.rules.resolution import Status
from app.rules.trace import Reason
from app.rules.version import BinaryAnswer, BinaryReason, Match


@strawberry.type(description="Which binary serves a target, and why.")
class BinaryResolution:
    match: Match = plain("By which rule it was found.")
    reason: BinaryReason = plain("Why this one, or none.")
    state: rules.State | None = plain("The state of the decisive candidate, if there is one.")

    binary: Binary | None = to_one(models.Binary, "binary_id", "The binary; null where none fits.")

    @edge("The binaries that were considered, the decisive one first.")
    async def candidates(self, root: strawberry.Parent[BinaryAnswer], info: Info) -> list[Binary]:
        loader = info.context.loaders.one(models.Binary)
        found: list[Binary] = await loader.load_many([one.id for one in root.candidates])
        return found


@strawberry.type(description="One thing that a device installs.")
class ManifestEntry:
    """A binary of a manifest stands behind it."""

    artifact_version: ArtifactVersion = to_one(
        models.ArtifactVersion, "artifact_version_id", "The version of it.", device=True
    )
    binary: Binary = to_one(models.Binary, "id", "The binary for the device's target.", device=True)
    hash: Sha256 = plain("The SHA-256 of the binary's content.")
    size: BigInt = plain("The size of the binary's content, in bytes.")
    signatures: list[BinarySignature] = children(
        models.BinarySignature,
        "binary_id",
        "id",
        "The binary's signatures, oldest first.",
        device=True,
    )
    custom_metadata: JSON = plain("The binary's custom metadata.")

    @derived("The kind of content.", plan=ToOne(models.Artifact, "artifact_id", device=True))
    async def artifact(self, root: strawberry.Parent[models.Binary], info: Info) -> Artifact:
        found = await answers.content_of(info.context, root.id)
        return found.artifact  # type: ignore[return-value]

    @derived(
        "A signed URL to GET the content from, for a while.",
        needs=("id", "organization_id", "epoch"),
    )
    def url(self, root: strawberry.Parent[models.Binary], info: Info) -> str:
        return info.context.server.download_url(root)


@strawberry.type(description="A release that was looked at, and why it is or is not the answer.")
class TraceEntry:
    """An `answers.TraceTold` stands behind it."""

    release: Release | None = to_one(
        models.Release, "release_id", "The release; null for what concerns none.", device=True
    )
    reason: Reason = plain("The one reason.")
    detail: str = plain("The reason in words.")
    facts: JSON = plain("The facts behind the reason, as a JSON object.")


@strawberry.type(description="What a device is answered, and why.")
class DeviceUpdate:
    """An `answers.UpdateTold` stands behind it."""

    trace: list[TraceEntry] = plain(
        "Each release that was looked at, in order.", plan=Own(polled.trace)
    )
    status: Status = plain("Whether there is an update.")
    release: Release | None = to_one(
        models.Release,
        "release_id",
        "The release to install; null where there is none.",
        device=True,
    )
    bundle: Bundle | None = to_one(
        models.Bundle, "bundle_id", "The bundle of that release.", device=True
    )

    @derived("What to install, in the bundle's order.", plan=Own(polled.manifest))
    async def manifest(
        self, root: strawberry.Parent[answers.UpdateTold], info: Info
    ) -> list[ManifestEntry]:
        found = [answers.content_of(info.context, one.binary_id) for one in root.answer.manifest]
        return [content.binary for content in await asyncio.gather(*found)]  # type: ignore[misc]


@strawberry.type(description="What a destruction does to one release.")
class ImpactRelease:
    effect: Effect = plain("What happens to it.")
    reasons: list[ImpactReason] = plain("Why it matters, the effect first.")

    @derived("The release.")
    async def release(self, root: strawberry.Parent[answers.ReleaseImpact], info: Info) -> Release:
        found: Release = await info.context.loaders.one(models.Release).load(root.id)
        return found


@strawberry.type(description="What destroying binaries would do.")
class Impact:
    plan_token: str = plain("What accepts this impact in a destroy, for an hour.")
    plan_token_required: bool = plain(
        "Whether a destroy takes that token: an unarchived release would be newly affected."
    )

    @derived("The releases concerned, worst first.")
    @page_arguments
    def releases(self: Any, info: Info, **page: Any) -> Connection[ImpactRelease]:
        return open_list(info.context, "ImpactRelease", self.releases, **page)  # type: ignore[return-value]

    @derived("The bundles of those releases.")
    @page_arguments
    async def bundles(self: Any, info: Info, **page: Any) -> Connection[Bundle]:
        return await lists.BUNDLES.among(info.context, self.found.bundle_ids, **page)  # type: ignore[return-value]

    @derived("The cohorts of those releases.")
    @page_arguments
    async def cohorts(self: Any, info: Info, **page: Any) -> Connection[Cohort]:
        return await lists.COHORTS.among(info.context, self.found.cohort_ids, **page)  # type: ignore[return-value]

    @derived("The products of those cohorts.")
    @page_arguments
    async def products(self: Any, info: Info, **page: Any) -> Connection[Product]:
        return await lists.PRODUCTS.among(info.context, self.found.product_ids, **page)  # type: ignore[return-value]

    @derived("How many devices get an update now, and would not get that one.")
    async def devices_losing_update(self, root: strawberry.Parent[answers.ImpactAnswer]) -> int:
        return (await root.counts()).losing

    @derived("How many devices could not pass a required release any more.")
    async def devices_stuck(self, root: strawberry.Parent[answers.ImpactAnswer]) -> int:
        return (await root.counts()).stuck


@strawberry.type(description="How far a release has come among the devices of its cohort.")
class Adoption:
    on: int = plain("Devices that report to run it.")
    claimed: int = plain("Devices that were answered it, and don't report it yet.")
    before: int = plain("Devices whose path leads to it.")
    behind: int = plain("Devices that are past it.")


@strawberry.type(description="That one release leads to another.")
class ReleaseGraphLink:
    from_release: Release = plain("The release that devices leave.")
    to_release: Release = plain("The release that they get next.")


@strawberry.type(description="The releases of a cohort as a graph, ready to draw.")
class ReleaseGraph:
    @derived("The releases, oldest first.")
    def nodes(self, root: strawberry.Parent[list[models.Release]]) -> list[Release]:
        return root  # type: ignore[return-value]

    @derived("Which release leads to which.")
    def edges(self, root: strawberry.Parent[list[models.Release]]) -> list[ReleaseGraphLink]:
        known = {release.id: release for release in root}
        return [
            ReleaseGraphLink(from_release=release, to_release=known[release.next_release_id])  # type: ignore[arg-type]
            for release in root
            if release.next_release_id is not None
        ]

    @derived("The same as the text of a Mermaid flowchart.")
    def mermaid(self, root: strawberry.Parent[list[models.Release]]) -> str:
        return fleet.mermaid(root)


@strawberry.type(description="Which binary of an artifact version serves a target.")
class VersionCoverage:
    @derived("The artifact version.")
    async def artifact_version(
        self, root: strawberry.Parent[fleet.CoveredVersion], info: Info
    ) -> ArtifactVersion:
        loader = info.context.loaders.one(models.ArtifactVersion)
        found: ArtifactVersion = await loader.load(root.artifact_version_id)
        return found

    @derived("The binary, or what is missing.")
    def resolution(self, root: strawberry.Parent[fleet.CoveredVersion]) -> BinaryResolution:
        return root.answer  # type: ignore[return-value]


@strawberry.type(description="How a bundle serves the devices of one target.")
class TargetCoverage:
    target: str = plain("The target.")
    devices: int = plain("How many devices of it there are.")
    complete: bool = plain("Whether every artifact version has a binary for it.")
    artifact_versions: list[VersionCoverage] = plain(
        "The artifact versions, in the bundle's order."
    )


@strawberry.type(description="Which targets of the fleet a bundle serves, and which it leaves out.")
class Coverage:
    targets: list[TargetCoverage] = plain(
        "Every target in the fleet, by name; devices of archived products count for nothing."
    )
    devices_covered: int = plain("Devices of targets that are served completely.")
    devices_left_out: int = plain("Devices of the other targets.")


@strawberry.type(description="Devices for which a release would change the same.")
class SimulatedGroup:
    """What moves and blocks share; it is no type of the schema itself."""

    devices: int = plain("How many.")

    @derived("The release that they run; null where that is unknown.")
    async def from_release(
        self, root: strawberry.Parent[fleet.Alike], info: Info
    ) -> Release | None:
        return await _release(info, root.step.current_id)

    @derived("One of them.")
    async def example(self, root: strawberry.Parent[fleet.Alike], info: Info) -> Device | None:
        return await fleet.device_called(info.context, root.example)  # type: ignore[return-value]


@strawberry.type(description="Devices that would be answered another release than now.")
class SimulatedMove(SimulatedGroup):
    @derived("What they are answered now; null for nothing.")
    async def present_release(
        self, root: strawberry.Parent[fleet.Alike], info: Info
    ) -> Release | None:
        return await _release(info, root.step.before_id)

    @derived("What they would be answered; null for the simulated release, or for nothing.")
    async def to_release(self, root: strawberry.Parent[fleet.Alike], info: Info) -> Release | None:
        return None if root.to_new else await _release(info, root.step.after_id)

    @derived("Whether they would be answered the simulated release.")
    def to_simulated(self, root: strawberry.Parent[fleet.Alike]) -> bool:
        return root.to_new


@strawberry.type(description="Devices that would be answered nothing, though they are not done.")
class SimulatedBlock(SimulatedGroup):
    @derived("Why they would be answered nothing.")
    def reason(self, root: strawberry.Parent[fleet.Alike]) -> Reason | None:
        return root.step.reason


@strawberry.type(description="What a release would do, before it is created. Nothing is written.")
class Simulation:
    devices: int = plain("The devices of the cohort, each judged alone.")
    unchanged: int = plain("Those that would be answered as they are now, and are not blocked.")
    phase_limit: int | None = plain("How many the phase would let in; null for everyone.")
    moves: list[SimulatedMove] = plain("Who would go where, the most first.")
    blocked: list[SimulatedBlock] = plain("Who would be answered nothing, the most first.")


async def _release(info: Info, id: Any) -> Release | None:
    if id is None:
        return None
    found: Release | None = await info.context.loaders.one(models.Release).load(id)
    return found
