"""What a release would do, and how far one has come: judged by the resolver itself."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from app.rules.cohort import CohortFacts, DeviceFacts
from app.rules.impact import group_key
from app.rules.phase import Phase, check_halt_after, parse_phase
from app.rules.release import CohortGraph, Edge, ReleaseFacts, check_constraints, insert, with_edges
from app.rules.resolution import Status, decide, locate, start_of
from app.rules.trace import Reason
from app.rules.version import VersionFacts, parse_requirement, parse_version


@dataclass(frozen=True, slots=True)
class NewPhase:
    """A phase as it was sent: a value or tags."""

    value: float | None = None
    tags: Sequence[str] | None = None

    def read(self) -> Phase:
        """The phase. Raises BadUserInput."""
        return parse_phase(value=self.value, with_tags=self.tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRelease:
    """A release as it was sent."""

    next_release_id: UUID | None = None
    previous_release_id: UUID | None = None
    required: bool = False
    disabled: bool = False
    scheduled_at: datetime | None = None
    phase: NewPhase | None = None
    halt_after: int | None = None
    version: str | None = None
    version_requirement: str | None = None


@dataclass(frozen=True, slots=True)
class Intended:
    """A release as it would be: its facts, and the edges that make room for it."""

    release: ReleaseFacts
    edges: tuple[Edge, ...]

    def within(self, cohort: CohortFacts, versions: tuple[VersionFacts, ...]) -> CohortFacts:
        """The cohort's facts with the release in its place; `versions` are its bundle's."""
        releases = with_edges([*cohort.graph.releases, self.release], self.edges)
        bundles = {**cohort.bundles, self.release.bundle_id: versions}
        return replace(cohort, graph=CohortGraph(releases), bundles=bundles)


def intend(
    graph: CohortGraph, new: NewRelease, *, id: UUID, bundle_id: UUID, at: datetime
) -> Intended:
    """Where a new release takes its place, and what it is there.

    Raises BadUserInput, ReleaseGraph, ReleaseConstrained.
    """
    check_halt_after(new.halt_after)
    if new.version is not None:
        parse_version(new.version)
    if new.version_requirement is not None:
        parse_requirement(new.version_requirement)
    phase = new.phase.read() if new.phase else Phase()
    *edges, own = insert(
        graph,
        new_id=id,
        next_id=new.next_release_id,
        previous_id=new.previous_release_id,
        at=at,
    )
    release = ReleaseFacts(
        id=id,
        next_id=own.next_id,
        bundle_id=bundle_id,
        required=new.required,
        disabled=new.disabled,
        scheduled_at=new.scheduled_at,
        phase_value=phase.value,
        phase_tags=phase.tags,
        version=new.version,
        version_requirement=new.version_requirement,
        halt_after=new.halt_after,
    )
    check_constraints(release, at=at)
    return Intended(release, tuple(edges))


@dataclass(frozen=True, slots=True)
class Step:
    """What changes for a device: where it is, what it gets now, and what it would get.

    Where it would get nothing, `reason` says why; a device that gets the same is no step.
    """

    current_id: UUID | None
    before_id: UUID | None
    after_id: UUID | None
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Adoption:
    """How far a release has come: devices that run it, that are on their way, that are past it.

    `claimed` are devices that were answered it, and are neither on it nor past it yet; those
    whose path leads to it are in `before` too.
    """

    on: int
    claimed: int
    before: int
    behind: int


def simulate(device: DeviceFacts, before: CohortFacts, after: CohortFacts, *, at: datetime) -> Step:
    """What a device gets with the facts as they are, and as they would be."""
    now = decide(device, before, at=at)
    then = decide(device, after, at=at)
    current = locate(device, before.graph).current
    reason = then.judged[-1].reason
    blocked = then.status is not Status.UPDATE and reason is not Reason.UP_TO_DATE
    return Step(
        current.id if current else None,
        now.release_id,
        then.release_id,
        reason if blocked else None,
    )


def both_keys(device: DeviceFacts, before: CohortFacts, after: CohortFacts) -> Hashable:
    """What the resolver looks at in a device under either facts."""
    return group_key(device, before), group_key(device, after)


def adoption(
    release_id: UUID,
    devices: Iterable[tuple[DeviceFacts, int]],
    cohort: CohortFacts,
    *,
    claimers: Iterable[tuple[DeviceFacts, int]],
) -> Adoption:
    """How far a release has come among the devices of its cohort, each with their number.

    `claimers` are those that hold a claim on it.
    """
    passed = {release.id for release in cohort.graph.after(release_id)}
    leading = cohort.graph.leading_to({release_id})
    on = claimed = before = behind = 0
    for device, number in devices:
        current = locate(device, cohort.graph).current
        if current is not None and current.id == release_id:
            on += number
        elif current is not None and current.id in passed:
            behind += number
        elif start_of(device, cohort) in leading:
            before += number
    for device, number in claimers:
        current = locate(device, cohort.graph).current
        if current is None or current.id not in {release_id, *passed}:
            claimed += number
    return Adoption(on, claimed, before, behind)
