"""What destroying binaries does to releases and to the devices that wait for them.

The rule of what is affected is the one that the resolver itself asks. Source of the rules: the
domain, section 6.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from app.rules.binary import ContentHealth, State
from app.rules.cohort import CohortFacts, DeviceFacts
from app.rules.resolution import Status, decide, locate, start_of
from app.rules.trace import Reason
from app.rules.version import VersionFacts, affected_by


class Effect(StrEnum):
    """What destroying binaries does to a release that holds one of them."""

    NEWLY_AFFECTED = "NEWLY_AFFECTED"
    ALREADY_AFFECTED = "ALREADY_AFFECTED"


class Counts(NamedTuple):
    """Devices, each judged alone; one device may be in both."""

    losing: int
    stuck: int


class ReleaseFlags(NamedTuple):
    """What a plan token says of a release beside its id."""

    required: bool
    latest: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """How the impact now differs from the accepted one; ids in order of creation.

    `added` are releases that were not accepted, or not with these flags; `removed` are accepted
    ones that are affected no longer, and stand in nobody's way.
    """

    added: tuple[UUID, ...]
    removed: tuple[UUID, ...]

    @property
    def is_accepted(self) -> bool:
        """Whether what was accepted covers what would happen now."""
        return not self.added


def is_affected(bundle: Iterable[VersionFacts]) -> bool:
    """Whether a release of these artifact versions serves nobody, because of destruction."""
    return bool(affected_by(bundle))


def after_destroying(cohort: CohortFacts, binary_ids: Collection[UUID]) -> CohortFacts:
    """The same cohort with these binaries destroyed, whatever their state; unknown ids are fine."""
    return _changed(cohort, binary_ids, state=State.DESTROYED)


def before_losing(cohort: CohortFacts, binary_ids: Collection[UUID]) -> CohortFacts:
    """The same cohort with the content of these binaries whole: what damage took is there again."""
    return _changed(cohort, binary_ids, content_health=ContentHealth.OK)


def newly_affected(before: CohortFacts, after: CohortFacts) -> frozenset[UUID]:
    """The releases, archived ones too, that are affected after and were not before."""
    return frozenset(
        release.id
        for release in before.graph.releases
        if after.affected(release.bundle_id) and not before.affected(release.bundle_id)
    )


def effects(
    before: CohortFacts, after: CohortFacts, binary_ids: Collection[UUID]
) -> dict[UUID, Effect]:
    """What destroying these binaries does to each release that holds one of them.

    A release that is not affected afterwards, because the binary was replaced, is none of them.
    """
    ids = frozenset(binary_ids)
    return {
        release.id: (
            Effect.ALREADY_AFFECTED if before.affected(release.bundle_id) else Effect.NEWLY_AFFECTED
        )
        for release in before.graph.releases
        if after.affected(release.bundle_id)
        and any(_holds(version, ids) for version in before.bundles[release.bundle_id])
    }


def to_accept(before: CohortFacts, after: CohortFacts) -> dict[UUID, ReleaseFlags]:
    """What a plan token carries of this cohort: the newly affected, not archived releases."""
    graph, newly = before.graph, newly_affected(before, after)
    return {
        release.id: ReleaseFlags(release.required, graph.is_latest(release.id))
        for release in graph.releases
        if release.id in newly and not release.archived
    }


def compare(
    accepted: Mapping[UUID, tuple[bool, bool]], now: Mapping[UUID, tuple[bool, bool]]
) -> Difference:
    """Compare what a plan token accepted with what would happen now: (required, latest) by release.

    Accepted is what is equal or less, with the same flags (section 6, third paragraph).
    """
    return Difference(
        added=tuple(sorted(id for id, flags in now.items() if accepted.get(id) != flags)),
        removed=tuple(sorted(accepted.keys() - now.keys())),
    )


def count(
    devices: Iterable[tuple[DeviceFacts, int]],
    before: CohortFacts,
    after: CohortFacts,
    *,
    at: datetime,
) -> Counts:
    """How many devices of a cohort lose their update, and how many are stuck (section 6).

    Each device comes with the number of devices that it stands for (`group_key`). Losing: it is
    answered a release before, and not that release after. Stuck: a required, unarchived release on
    its path is newly affected, and the answer after is NO_UPDATE.
    """
    newly = newly_affected(before, after)
    gates = {r.id for r in before.graph.releases if r.required and not r.archived} & newly
    gated = before.graph.leading_to(gates)
    losing = stuck = 0
    for device, number in devices:
        now = decide(device, before, at=at)
        then = decide(device, after, at=at)
        if now.status is Status.UPDATE and then.release_id != now.release_id:
            losing += number
        if then.status is Status.NO_UPDATE and start_of(device, before) in gated:
            stuck += number
    return Counts(losing, stuck)


def group_key(device: DeviceFacts, cohort: CohortFacts | None) -> Hashable:
    """What the resolver looks at in a device: those of one cohort with equal keys get one answer.

    It holds for facts that differ from `cohort` in binaries alone. The answer is the same in
    status, release, bundle, manifest and reasons.
    """
    if device.quarantined:
        return Reason.QUARANTINED
    if device.product_archived:
        return Reason.PRODUCT_ARCHIVED
    if cohort is None or device.cohort_id is None:
        return Reason.NO_COHORT
    graph = cohort.graph
    place = locate(device, graph)
    # How a place was found shows only where no path starts, or where a pin may name it again.
    told = place.start_id is None or device.pinned_release_id is not None
    return (
        device.target,
        device.pinned_release_id,
        place.found_by if told else None,
        place.current.id if place.current else None,
        place.start_id,
        str(place.version) if graph.versions.requirements else None,
        device.tags & graph.phase_tags,
        device.claims & graph.phased_ids,
    )


def _holds(version: VersionFacts, ids: frozenset[UUID]) -> bool:
    return any(binary.id in ids for binary in version.binaries)


def _changed(cohort: CohortFacts, binary_ids: Collection[UUID], **facts: Any) -> CohortFacts:
    ids = frozenset(binary_ids)
    bundles = {
        bundle_id: tuple(_of(version, ids, facts) for version in versions)
        for bundle_id, versions in cohort.bundles.items()
    }
    return replace(cohort, bundles=bundles)


def _of(version: VersionFacts, ids: frozenset[UUID], facts: Mapping[str, Any]) -> VersionFacts:
    if not _holds(version, ids):
        return version
    binaries = (
        replace(binary, **facts) if binary.id in ids else binary for binary in version.binaries
    )
    return replace(version, binaries=tuple(binaries))
