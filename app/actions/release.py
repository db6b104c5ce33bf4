"""Writes about releases. Every edit locks the cohort's row first, so that edits come one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.actions.product import open_product
from app.actions.unit import Unit, action, not_found, prn
from app.models import ArtifactVersion, Bundle, BundleVersion, Cohort, Release
from app.reads import resolution
from app.rules import bundle as bundle_rules
from app.rules import release as rules
from app.rules import text, version
from app.rules.access import Role
from app.rules.errors import BadUserInput
from app.rules.ids import new_id
from app.rules.phase import Phase, check_halt_after
from app.rules.prn import Kind
from app.rules.rollout import NewPhase, NewRelease, intend

MAX_ARCHIVED_AT_ONCE = 1_000


async def hold_cohorts(unit: Unit, cohort_ids: Iterable[UUID]) -> None:
    """Locks cohorts, in order of id, so that their graphs are changed one edit at a time."""
    await unit.lock(Cohort, sorted(set(cohort_ids)))


async def _graph(unit: Unit, cohort_id: UUID) -> rules.CohortGraph:
    """The graph of one cohort as this transaction sees it."""
    return await resolution.release_graph(unit.organization_id, cohort_id, using=unit.connection)


@action(Role.WRITE)
async def create_release(
    unit: Unit,
    cohort_id: UUID,
    bundle_id: UUID,
    *,
    name: str,
    new: NewRelease,
    description: str = "",
) -> Release:
    """Releases a bundle to a cohort, at its place in the cohort's graph.

    Raises BadUserInput, NotFound, AlreadyExists, ProductArchived, BundleAffected, ReleaseGraph
    and ReleaseConstrained.
    """
    name = text.name(name, field="name", max_length=128)
    description = text.description(description, field="description")
    cohort = await unit.held(Cohort, cohort_id, path=("input", "cohortId"))
    await open_product(unit, cohort.product_id)
    bundle = await unit.find(Bundle, bundle_id, path=("input", "bundleId"))
    await _check_bundle(unit, bundle_id)
    await _check_known(unit, new.next_release_id, field="nextReleaseId")
    await _check_known(unit, new.previous_release_id, field="previousReleaseId")
    graph = await _graph(unit, cohort_id)
    intended = intend(graph, new, id=new_id(), bundle_id=bundle_id, at=unit.at)
    await _check_version(unit, cohort_id, new.version)
    await _write_edges(unit, intended.edges)
    facts = intended.release
    given = {"name": name, "description": description, **_columns(facts)}
    release = await Release.create(
        using_db=unit.connection,
        id=facts.id,
        organization_id=unit.organization_id,
        cohort_id=cohort_id,
        bundle_id=bundle_id,
        **given,
    )
    await unit.record(
        "release.create", release, after={**given, "cohort": prn(cohort), "bundle": prn(bundle)}
    )
    return release


def _columns(facts: rules.ReleaseFacts) -> dict[str, Any]:
    return {
        "next_release_id": facts.next_id,
        "required": facts.required,
        "disabled": facts.disabled,
        "scheduled_at": facts.scheduled_at,
        "halt_after": facts.halt_after,
        "version": facts.version,
        "version_requirement": facts.version_requirement,
        **_phase_columns(facts.phase),
    }


def _phase_columns(phase: Phase) -> dict[str, object]:
    return {
        "phase_value": None if phase.value is None else str(phase.value),
        "phase_tags": sorted(phase.tags),
    }


async def _check_known(unit: Unit, release_id: UUID | None, *, field: str) -> None:
    """Refuses an unknown neighbour; one of another cohort is the graph's own refusal."""
    if release_id is not None:
        await unit.find(Release, release_id, path=("input", field))


async def _check_bundle(unit: Unit, bundle_id: UUID) -> None:
    """Refuses an affected bundle; its versions stay locked, so that it stays unaffected."""
    held = BundleVersion.filter(organization_id=unit.organization_id, bundle_id=bundle_id)
    version_ids = [row.artifact_version_id for row in await held]
    await unit.lock(ArtifactVersion, version_ids, share=True)
    found = await resolution.bundles(unit.organization_id, [bundle_id], using=unit.connection)
    bundle_rules.check_releasable(found[bundle_id], organization_id=unit.organization_id)


async def _check_version(unit: Unit, cohort_id: UUID, wanted: str | None) -> None:
    if wanted is not None:
        await unit.refuse_taken(
            Release,
            path=("input", "version"),
            what="a release of this version in the cohort",
            cohort_id=cohort_id,
            version=wanted,
        )


async def _write_edges(unit: Unit, edges: Iterable[rules.Edge]) -> None:
    """Moves the edges of releases that were there before; each is a change of that release."""
    for edge in edges:
        previous = await unit.find(Release, edge.release_id)
        await unit.change("release.update", previous, next_release_id=edge.next_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseChange:
    """What to change of a release; a field that is not in `given` stays as it is."""

    given: frozenset[str]
    name: str | None = None
    description: str | None = None
    next_release_id: UUID | None = None
    required: bool | None = None
    disabled: bool | None = None
    scheduled_at: datetime | None = None
    phase: NewPhase | None = None
    halt_after: int | None = None
    version_requirement: str | None = None


@action(Role.WRITE)
async def update_release(unit: Unit, release_id: UUID, *, change: ReleaseChange) -> Release:
    """Changes a release, or moves its one edge. Bundle, cohort and version never change.

    Raises BadUserInput, NotFound, ReleaseGraph, ReleaseConstrained.
    """
    release = await unit.find(Release, release_id, path=("input", "releaseId"))
    await hold_cohorts(unit, [release.cohort_id])
    release = await unit.find(Release, release_id, path=("input", "releaseId"))
    graph = await _graph(unit, release.cohort_id)
    values = _changed(change)
    facts = graph.get(release_id)
    if facts is None:
        raise not_found(Kind.RELEASE, path=("input", "releaseId"))
    if "phase" in change.given:
        phase = Phase() if change.phase is None else change.phase.read()
        rules.check_phase_change(facts.phase, phase)
        values |= _phase_columns(phase)
        facts = replace(facts, phase_value=phase.value, phase_tags=phase.tags)
    if "scheduled_at" in change.given:
        facts = replace(facts, scheduled_at=change.scheduled_at)
    rules.check_constraints(facts, at=unit.at)
    if "next_release_id" in change.given:
        await _check_known(unit, change.next_release_id, field="nextReleaseId")
        edges = rules.move(graph, release_id=release_id, next_id=change.next_release_id)
        for edge in edges:
            values["next_release_id"] = edge.next_id
    await unit.change("release.update", release, **values)
    return release


def _changed(change: ReleaseChange) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in ("name", "description", "required", "disabled"):
        value = getattr(change, field)
        if field in change.given:
            values[field] = value
    if "name" in values:
        text.name(str(values["name"]), field="name", max_length=128)
    if "description" in values:
        text.description(str(values["description"]), field="description")
    if "scheduled_at" in change.given:
        values["scheduled_at"] = change.scheduled_at
    if "halt_after" in change.given:
        check_halt_after(change.halt_after)
        values["halt_after"] = change.halt_after
    if "version_requirement" in change.given:
        if change.version_requirement is not None:
            version.parse_requirement(change.version_requirement)
        values["version_requirement"] = change.version_requirement
    return values


@action(Role.WRITE)
async def archive_releases(unit: Unit, release_ids: Sequence[UUID]) -> list[Release]:
    """Archives releases for good, all or none; one that is archived already is left as it is."""
    if not 1 <= len(release_ids) <= MAX_ARCHIVED_AT_ONCE:
        raise BadUserInput(
            f"Name 1 to {MAX_ARCHIVED_AT_ONCE} releases.", path=("input", "releaseIds")
        )
    found = await _releases(unit, release_ids)
    await hold_cohorts(unit, {release.cohort_id for release in found})
    found = await _releases(unit, release_ids)
    for release in found:
        await unit.change("release.archive", release, archived=True)
    return found


async def _releases(unit: Unit, release_ids: Sequence[UUID]) -> list[Release]:
    known = {
        release.id: release
        for release in await Release.filter(
            organization_id=unit.organization_id, id__in=list(release_ids)
        )
    }
    for index, id in enumerate(release_ids):
        if id not in known:
            raise not_found(Kind.RELEASE, path=("input", "releaseIds", str(index)))
    return [known[id] for id in dict.fromkeys(release_ids)]
