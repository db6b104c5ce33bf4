"""Releases of a cohort, the graph that they form, and the edits that it takes.

The graph is an anti-arborescence: each release points to at most one next release, and all paths
end in the one latest release, which has no next. Source of the rules: the domain, section 7.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

from app.rules.errors import ReleaseConstrained, ReleaseGraph
from app.rules.phase import Phase
from app.rules.version import VersionIndex


class GraphRule(StrEnum):
    """Which rule of the graph an edit would break: `rule` of a RELEASE_GRAPH refusal."""

    UNKNOWN_RELEASE = "UNKNOWN_RELEASE"
    NOT_NEIGHBOURS = "NOT_NEIGHBOURS"
    LATEST_STAYS = "LATEST_STAYS"
    NEXT_NEEDED = "NEXT_NEEDED"
    CYCLE = "CYCLE"
    SECOND_LATEST = "SECOND_LATEST"
    REQUIRED_LOST = "REQUIRED_LOST"


class ConstraintRule(StrEnum):
    """Why a schedule or a phase stands in the way: `rule` of a RELEASE_CONSTRAINED refusal."""

    LATEST_SCHEDULED = "LATEST_SCHEDULED"
    LATEST_PHASED = "LATEST_PHASED"
    ONLY_LATEST_SCHEDULED = "ONLY_LATEST_SCHEDULED"
    ONLY_LATEST_PHASED = "ONLY_LATEST_PHASED"
    PHASE_FINAL = "PHASE_FINAL"


class Edge(NamedTuple):
    """That `release_id` points to `next_id` from now on; None makes it the latest."""

    release_id: UUID
    next_id: UUID | None


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """One release as the rules see it. Its versions have the form that `app.rules.version` takes.

    `scheduled_at` is aware. `halt_after` is the number of failed installations that halts it.
    """

    id: UUID
    next_id: UUID | None
    bundle_id: UUID
    required: bool = False
    disabled: bool = False
    archived: bool = False
    scheduled_at: datetime | None = None
    phase_value: Decimal | None = None
    phase_tags: frozenset[str] = frozenset()
    version: str | None = None
    version_requirement: str | None = None
    halt_after: int | None = None

    @property
    def phase(self) -> Phase:
        """The phase that the two stored values make."""
        return Phase(self.phase_value, self.phase_tags)

    def is_scheduled(self, *, at: datetime) -> bool:
        """Whether its date is still to come; at the very moment it has passed."""
        return self.scheduled_at is not None and self.scheduled_at > at


class CohortGraph:
    """The releases of one cohort, indexed once, so that many devices are judged fast.

    Raises ReleaseGraph if they are no anti-arborescence.
    """

    def __init__(self, releases: Iterable[ReleaseFacts] = ()) -> None:
        self.releases = tuple(releases)
        self._steps = check_anti_arborescence(self.releases)
        self._by_id = {release.id: release for release in self.releases}
        self._paths: dict[UUID, tuple[ReleaseFacts, ...]] = {}
        self._reaches: dict[UUID, tuple[ReleaseFacts, ...]] = {}

    def get(self, release_id: UUID | None) -> ReleaseFacts | None:
        """The release of this id; None if it is not of this cohort."""
        return None if release_id is None else self._by_id.get(release_id)

    @cached_property
    def latest(self) -> ReleaseFacts | None:
        """The release that all paths end in, archived or not; None in an empty cohort."""
        return self.get(next(iter(self._steps), None))

    def is_latest(self, release_id: UUID) -> bool:
        """Whether this is the latest release of the cohort."""
        return self._steps.get(release_id) == 0

    def path(self, start_id: UUID | None) -> tuple[ReleaseFacts, ...]:
        """The releases from this one, itself included, to the latest; none for None."""
        if start_id is None:
            return ()
        if start_id not in self._paths:
            self._paths[start_id] = tuple(self._walk(start_id))
        return self._paths[start_id]

    def after(self, release_id: UUID) -> tuple[ReleaseFacts, ...]:
        """The releases after this one, to the latest."""
        return self.path(self._by_id[release_id].next_id)

    def reach(self, start_id: UUID | None) -> tuple[ReleaseFacts, ...]:
        """What a device whose path starts here is judged for (section 8, step 3).

        The unarchived releases of the path from its target, which is the first required one or
        else the last, back to the start.
        """
        if start_id is None:
            return ()
        ahead: list[ReleaseFacts] = []
        reach: tuple[ReleaseFacts, ...] = ()
        for release in self._walk(start_id):
            if release.id in self._reaches:
                reach = self._reaches[release.id]
                break
            ahead.append(release)
            if release.required and not release.archived:
                break
        for release in reversed(ahead):
            reach = reach if release.archived else (*reach, release)
            self._reaches[release.id] = reach
        return reach

    def leading_to(self, ids: Collection[UUID]) -> frozenset[UUID]:
        """The releases whose path, themselves included, goes through one of these."""
        leading: set[UUID] = set()
        for release in map(self._by_id.__getitem__, self._steps):
            if release.id in ids or release.next_id in leading:
                leading.add(release.id)
        return frozenset(leading)

    def _walk(self, start_id: UUID) -> Iterator[ReleaseFacts]:
        release: ReleaseFacts | None = self._by_id[start_id]
        while release is not None:
            yield release
            release = self.get(release.next_id)

    @cached_property
    def start_id(self) -> UUID | None:
        """Where a device starts that reported nothing usable (section 8, step 2e).

        The unarchived release with the lowest id that no unarchived one leads to. Paths run
        through archived releases as if they were not there, so one behind them counts too.
        """
        led_to: set[UUID] = set()
        for release in map(self._by_id.__getitem__, reversed(self._steps)):
            if release.next_id is not None and (not release.archived or release.id in led_to):
                led_to.add(release.next_id)
        free = (r.id for r in self.releases if not r.archived and r.id not in led_to)
        return min(free, default=None)

    @cached_property
    def by_bundle(self) -> dict[UUID, ReleaseFacts]:
        """For each bundle its release with the fewest steps to the latest, then highest id."""
        far_first = sorted(self.releases, key=lambda r: (-self._steps[r.id], r.id))
        return {release.bundle_id: release for release in far_first}

    @cached_property
    def phase_tags(self) -> frozenset[str]:
        """Every tag that the phase of an unarchived release asks for."""
        return frozenset(tag for r in self.releases if not r.archived for tag in r.phase_tags)

    @cached_property
    def phased_ids(self) -> frozenset[UUID]:
        """The unarchived releases in whose phase a claim makes a difference."""
        return frozenset(r.id for r in self.releases if r.phase.limits and not r.archived)

    @cached_property
    def is_counted(self) -> bool:
        """Whether an answer may rest on numbers of devices, claims or failures."""
        return any(
            r.phase_value is not None or r.halt_after is not None
            for r in self.releases
            if not r.archived
        )

    @cached_property
    def versions(self) -> VersionIndex:
        """The versions and requirements of these releases."""
        return VersionIndex(self.releases)


def check_anti_arborescence(releases: Collection[ReleaseFacts]) -> dict[UUID, int]:
    """Promise that a cohort's releases form the graph of section 7; none at all is fine.

    The answer is how many steps each one is from the latest, nearest first. Raises ReleaseGraph:
    UNKNOWN_RELEASE, SECOND_LATEST or CYCLE.
    """
    ids = {release.id for release in releases}
    before: dict[UUID | None, list[UUID]] = {}
    for release in releases:
        if release.next_id is not None and release.next_id not in ids:
            message = "A release points to one of another cohort."
            raise _refused(message, GraphRule.UNKNOWN_RELEASE)
        before.setdefault(release.next_id, []).append(release.id)
    ends = before.get(None, [])
    if len(ends) > 1:
        raise _refused("A cohort has one latest release, not several.", GraphRule.SECOND_LATEST)
    steps = dict.fromkeys(ends, 0)
    queue = list(ends)
    for release_id in queue:
        for behind in before.get(release_id, []):
            steps[behind] = steps[release_id] + 1
            queue.append(behind)
    if len(steps) < len(ids):
        raise _refused("Releases that lead to one another in a cycle.", GraphRule.CYCLE)
    return steps


def insert(
    graph: CohortGraph,
    *,
    new_id: UUID,
    next_id: UUID | None,
    previous_id: UUID | None,
    at: datetime,
) -> tuple[Edge, ...]:
    """The edges to write so that a new release takes its place (section 7, first bullet).

    Alone it becomes the latest, with `next_id` a branch of its own before that one, with
    `previous_id` it comes between that one and its next. The last edge is the new release's own:
    written in this order there are never two latest. Raises ReleaseGraph (UNKNOWN_RELEASE,
    NOT_NEIGHBOURS), and ReleaseConstrained where the present latest can't be followed.
    """
    following = None if next_id is None else _known(graph, next_id, field="nextReleaseId")
    previous = (
        None if previous_id is None else _known(graph, previous_id, field="previousReleaseId")
    )
    if following is None:
        previous = previous or graph.latest
        next_id = previous.next_id if previous else None
    elif previous is not None and previous.next_id != following.id:
        message = "The next release does not follow the previous one; name two neighbours."
        raise _refused(message, GraphRule.NOT_NEIGHBOURS)
    if previous is None:
        return (Edge(new_id, next_id),)
    if next_id is None:
        check_new_latest(previous, at=at)
    return Edge(previous.id, new_id), Edge(new_id, next_id)


def move(graph: CohortGraph, *, release_id: UUID, next_id: UUID | None) -> tuple[Edge, ...]:
    """The edge to write so that a release points to another next; none if it already does.

    Raises ReleaseGraph (section 7, first bullet): UNKNOWN_RELEASE, LATEST_STAYS, NEXT_NEEDED,
    CYCLE, or REQUIRED_LOST where a device's path would lose a required, unarchived release.
    """
    release = _known(graph, release_id, field="releaseId")
    if release.next_id is None:
        message = "The release is the latest; create one without next to follow it."
        raise _refused(message, GraphRule.LATEST_STAYS)
    if next_id is None:
        message = "The release needs a next one, since a cohort has one latest."
        raise _refused(message, GraphRule.NEXT_NEEDED)
    following = _known(graph, next_id, field="nextReleaseId")
    if following.id == release.next_id:
        return ()
    if release in graph.path(following.id):
        message = "The next release leads to this one, that makes a cycle."
        raise _refused(message, GraphRule.CYCLE)
    edges = (Edge(release.id, following.id),)
    _check_required_kept(graph, CohortGraph(with_edges(graph.releases, edges)), release.id)
    return edges


def with_edges(releases: Iterable[ReleaseFacts], edges: Iterable[Edge]) -> tuple[ReleaseFacts, ...]:
    """The same releases after these edges are written; an edge of another one is ignored."""
    changed = dict(edges)
    return tuple(
        replace(release, next_id=changed[release.id]) if release.id in changed else release
        for release in releases
    )


def check_new_latest(latest: ReleaseFacts, *, at: datetime) -> None:
    """Promise that another release may follow the present latest.

    Raises ReleaseConstrained: LATEST_SCHEDULED or LATEST_PHASED, unless it is archived.
    """
    if not latest.archived and latest.is_scheduled(at=at):
        message = "The latest release is scheduled; wait for its date, or archive it."
        raise _constrained(message, ConstraintRule.LATEST_SCHEDULED, field="nextReleaseId")
    if not latest.archived and latest.phase.limits:
        message = "The latest release is phased; set its phase to 1, or archive it."
        raise _constrained(message, ConstraintRule.LATEST_PHASED, field="nextReleaseId")


def check_constraints(release: ReleaseFacts, *, at: datetime) -> None:
    """Promise that a release, as it is to be, is not constrained unless it is the latest.

    Raises ReleaseConstrained (section 7, second bullet): ONLY_LATEST_SCHEDULED or
    ONLY_LATEST_PHASED, unless it is archived.
    """
    if release.next_id is None or release.archived:
        return
    if release.is_scheduled(at=at):
        message = "Only the latest release of a cohort may be scheduled."
        raise _constrained(message, ConstraintRule.ONLY_LATEST_SCHEDULED, field="scheduledAt")
    if release.phase.limits:
        message = "Only the latest release of a cohort may be phased."
        raise _constrained(message, ConstraintRule.ONLY_LATEST_PHASED, field="phase")


def check_phase_change(present: Phase, wanted: Phase) -> None:
    """Promise that a phase may be replaced. Raises ReleaseConstrained (PHASE_FINAL) after 1."""
    if present.value == 1 and wanted != present:
        message = "The phase is 1, everyone, and that is final."
        raise _constrained(message, ConstraintRule.PHASE_FINAL, field="phase")


def _check_required_kept(graph: CohortGraph, moved: CohortGraph, release_id: UUID) -> None:
    """Compare the paths of every place a device may be that the move of one edge can change.

    That is the release itself (those behind it lose the same), the place of a device that
    reported nothing, and of one whose bundle counts as another of its releases afterwards.
    """
    paths = [
        (graph.after(release_id), moved.after(release_id)),
        (graph.path(graph.start_id), moved.path(moved.start_id)),
    ]
    for bundle_id, release in graph.by_bundle.items():
        if moved.by_bundle[bundle_id].id != release.id:
            now = moved.after(moved.by_bundle[bundle_id].id)
            paths.append((graph.after(release.id), now))
    for old, new in paths:
        lost = sorted({r.id for r in old if r.required and not r.archived} - {r.id for r in new})
        if lost:
            raise _refused(
                "Devices would no longer pass a release that is required; "
                "archive it first, or choose a next release that leads to it.",
                GraphRule.REQUIRED_LOST,
            )


def _known(graph: CohortGraph, release_id: UUID, *, field: str) -> ReleaseFacts:
    release = graph.get(release_id)
    if release is None:
        message = "The release is not of this cohort."
        raise _refused(message, GraphRule.UNKNOWN_RELEASE, field=field)
    return release


def _refused(message: str, rule: GraphRule, *, field: str = "nextReleaseId") -> ReleaseGraph:
    return ReleaseGraph(message, rule=rule, path=("input", field))


def _constrained(message: str, rule: ConstraintRule, *, field: str) -> ReleaseConstrained:
    return ReleaseConstrained(message, rule=rule, path=("input", field))
