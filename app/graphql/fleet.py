"""What the schema says of a whole fleet: adoption, coverage, simulation, the graph of releases."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from app import database, models
from app.graphql.context import Context
from app.reads import fleet, resolution
from app.rules.bundle import check_releasable
from app.rules.errors import AlreadyExists, ProductArchived
from app.rules.ids import new_id
from app.rules.phase import phase_limit
from app.rules.prn import Kind, format_prn
from app.rules.release import CohortGraph
from app.rules.rollout import Adoption, NewRelease, Step, adoption, both_keys, intend, simulate
from app.rules.version import BinaryAnswer, resolve_binary


async def adoption_of(context: Context, release: models.Release) -> Adoption:
    """How far a release has come; the releases of one request are judged together."""

    async def load(wanted: list[tuple[UUID, UUID]]) -> list[Adoption]:
        cohorts = await resolution.cohorts(
            context.organization_id, {cohort_id for _, cohort_id in wanted}
        )
        groups = await fleet.devices(context.organization_id, cohorts)
        claimers = await fleet.claimers(context.organization_id, [id for id, _ in wanted])
        return [
            adoption(
                id,
                [(group.device, group.number) for group in groups[cohort_id]],
                cohorts[cohort_id],
                claimers=claimers[id],
            )
            for id, cohort_id in wanted
        ]

    loader = context.loaders.custom("adoption", load)
    found: Adoption = await loader.load((release.id, release.cohort_id))
    return found


def mermaid(releases: Sequence[models.Release]) -> str:
    """The graph of releases as the text of a Mermaid flowchart, safe for any name."""
    places = {release.id: f"r{place}" for place, release in enumerate(releases)}
    lines = ["flowchart LR"]
    for release in releases:
        flags = [flag for flag in ("required", "disabled", "archived") if getattr(release, flag)]
        label = " ".join([release.name, *(f"({flag})" for flag in flags)])
        lines.append(f'    {places[release.id]}["{html.escape(label)}"]')
    for release in releases:
        if release.next_release_id is not None:
            lines.append(f"    {places[release.id]} --> {places[release.next_release_id]}")
    return "\n".join(lines) + "\n"


@dataclass
class CoveredVersion:
    """One artifact version of a bundle, as it is resolved for a target."""

    artifact_version_id: UUID
    answer: BinaryAnswer


@dataclass
class CoveredTarget:
    """One target in the fleet, as a bundle serves it."""

    target: str
    devices: int
    artifact_versions: list[CoveredVersion]

    @property
    def complete(self) -> bool:
        """Whether every artifact version has a binary for the target."""
        return all(one.answer.binary_id is not None for one in self.artifact_versions)


@dataclass
class CoverageTold:
    """Which targets of the fleet a bundle serves."""

    targets: list[CoveredTarget]

    @property
    def devices_covered(self) -> int:
        """Devices of targets that are served completely."""
        return sum(one.devices for one in self.targets if one.complete)

    @property
    def devices_left_out(self) -> int:
        """Devices of the other targets."""
        return sum(one.devices for one in self.targets if not one.complete)


async def coverage_of(
    context: Context,
    bundle_id: UUID,
    *,
    product_ids: tuple[UUID, ...] | None,
    cohort_id: UUID | None,
) -> CoverageTold:
    """Which targets a bundle serves; two statements."""
    numbers = await fleet.by_target(
        context.organization_id, product_ids=product_ids, cohort_id=cohort_id
    )
    held = await resolution.bundles(context.organization_id, [bundle_id])
    return CoverageTold(
        [
            CoveredTarget(
                target,
                number,
                [
                    CoveredVersion(
                        version.artifact_version_id, resolve_binary(target, version.binaries)
                    )
                    for version in held[bundle_id]
                ],
            )
            for target, number in numbers.items()
        ]
    )


@dataclass
class Alike:
    """Devices for which a release would change the same."""

    step: Step
    devices: int
    example: str
    to_new: bool


@dataclass
class SimulationTold:
    """What a release would do."""

    devices: int
    phase_limit: int | None
    steps: list[Alike]

    @property
    def moves(self) -> list[Alike]:
        """Who would be answered another release, or be done without one, the most first."""
        return [
            one
            for one in self.steps
            if one.step.reason is None and one.step.after_id != one.step.before_id
        ]

    @property
    def blocked(self) -> list[Alike]:
        """Who would be answered nothing though they are not done, the most first."""
        return [one for one in self.steps if one.step.reason is not None]

    @property
    def unchanged(self) -> int:
        """Devices that are in neither list."""
        changed = sum(one.devices for one in [*self.moves, *self.blocked])
        return self.devices - changed


async def simulation_of(
    context: Context, cohort_id: UUID, bundle_id: UUID, new: NewRelease
) -> SimulationTold:
    """What a release would do to each device of its cohort, in a constant number of statements.

    Raises what `createRelease` would raise.
    """
    cohorts = await resolution.cohorts(context.organization_id, [cohort_id])
    held = await resolution.bundles(context.organization_id, [bundle_id])
    before = cohorts[cohort_id]
    await _check_open(context, cohort_id)
    check_releasable(held[bundle_id], organization_id=context.organization_id)
    intended = intend(before.graph, new, id=new_id(), bundle_id=bundle_id, at=context.at)
    _check_version(context, before.graph, new.version)
    after = intended.within(before, held[bundle_id])
    groups = await fleet.devices(
        context.organization_id,
        cohorts,
        key=lambda device, _: both_keys(device, before, after),
        also_tags=after.graph.phase_tags,
        examples=True,
    )
    found: dict[Step, Alike] = {}
    for group in groups[cohort_id]:
        step = simulate(group.device, before, after, at=context.at)
        same = found.setdefault(
            step, Alike(step, 0, group.example, step.after_id == intended.release.id)
        )
        same.devices += group.number
    value = intended.release.phase_value
    return SimulationTold(
        devices=before.devices,
        phase_limit=None if value is None else phase_limit(value, before.devices),
        steps=sorted(found.values(), key=lambda one: -one.devices),
    )


async def _check_open(context: Context, cohort_id: UUID) -> None:
    cohort = await context.loaders.one(models.Cohort).load(cohort_id)
    product = await context.loaders.one(models.Product).load(cohort.product_id)
    if product.archived:
        raise ProductArchived(
            "The product is archived: it takes no new release.", path=("input", "cohortId")
        )


def _check_version(context: Context, graph: CohortGraph, wanted: str | None) -> None:
    for release in graph.releases:
        if wanted is not None and release.version == wanted:
            raise AlreadyExists(
                "There is a release of this version in the cohort already; its id is in"
                " `existingId`.",
                existing_id=format_prn(Kind.RELEASE, context.organization_id, release.id),
                path=("input", "version"),
            )


async def device_called(context: Context, identifier: str) -> models.Device | None:
    """The device with an identifier."""

    async def load(identifiers: list[str]) -> list[models.Device | None]:
        chosen = models.Device.filter(
            organization_id=context.organization_id, identifier__in=identifiers
        )
        known = {one.identifier: one for one in await chosen.using_db(database.reader())}
        return [known.get(one) for one in identifiers]

    found: models.Device | None = await context.loaders.custom("identifier", load).load(identifier)
    return found
