"""Which release a device gets, and why: one resolver for everyone.

The device's poll, the operator's preview, the impact counts and what-if questions all ask here;
a what-if question builds other facts. Source of the rules: the domain, sections 6, 7 and 8.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from semver import Version

from app.rules.cohort import CohortFacts, DeviceFacts
from app.rules.phase import phase_limit
from app.rules.release import CohortGraph, ReleaseFacts
from app.rules.trace import Reason, Stretch, TraceStep
from app.rules.version import BinaryReason, Match, reported_version


class Status(StrEnum):
    """What a device is told."""

    UPDATE = "UPDATE"
    NO_UPDATE = "NO_UPDATE"
    DEVICE_QUARANTINE = "DEVICE_QUARANTINE"


class FoundBy(StrEnum):
    """By which rule of section 8, step 2, the path of a device was found."""

    RELEASE = "RELEASE"
    BUNDLE = "BUNDLE"
    VERSION = "VERSION"
    VERSION_ABOVE = "VERSION_ABOVE"
    NO_MATCHING_VERSION = "NO_MATCHING_VERSION"
    NOTHING_REPORTED = "NOTHING_REPORTED"


class ManifestEntry(NamedTuple):
    """What a device installs of one artifact version."""

    artifact_version_id: UUID
    binary_id: UUID


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device is in its cohort's graph: section 8, step 2.

    `current` is None if what it reports is no release of the cohort; `start_id` is where its path
    starts, None where it has none; `version` is the device's (step 4), None if unknown.
    """

    found_by: FoundBy
    current: ReleaseFacts | None
    start_id: UUID | None
    version: Version | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a device gets, without the manifest; `judged` is the end of its trace.

    `release` is set exactly if the status is UPDATE, `place` if the device has a cohort.
    """

    status: Status
    judged: tuple[TraceStep, ...]
    release: ReleaseFacts | None = None
    place: Place | None = None

    @property
    def release_id(self) -> UUID | None:
        """The id of the release that is served."""
        return self.release.id if self.release else None


@dataclass(frozen=True, slots=True)
class UpdateAnswer:
    """What a device gets, in full.

    Release, bundle and manifest are set exactly if the status is UPDATE.

    The trace holds first the releases passed over unjudged, in the order of the path, then those
    judged, from the target back; its last step is the answer: SELECTED or PINNED with the
    release, or else the last reason for which there is none. It begins with what `passed` holds.
    """

    status: Status
    trace: tuple[TraceStep, ...]
    release_id: UUID | None = None
    bundle_id: UUID | None = None
    manifest: tuple[ManifestEntry, ...] = ()
    place: Place | None = None
    passed: Stretch = field(default=Stretch(), compare=False)


def locate(device: DeviceFacts, graph: CohortGraph) -> Place:
    """Where a device is in its cohort's graph, and where its path starts (section 8, step 2)."""
    reported = reported_version(device.reported_version)
    current, found_by = graph.get(device.reported_release_id), FoundBy.RELEASE
    if current is None and device.reported_bundle_id is not None:
        current, found_by = graph.by_bundle.get(device.reported_bundle_id), FoundBy.BUNDLE
    if current is None and reported is not None:
        current, found_by = graph.get(graph.versions.equal(reported)), FoundBy.VERSION
    if current is not None:
        version = graph.versions.by_id.get(current.id, reported)
        return Place(found_by, current, current.next_id, version)
    if reported is None:
        return Place(FoundBy.NOTHING_REPORTED, None, graph.start_id, None)
    start_id = graph.versions.above(reported)
    found_by = FoundBy.VERSION_ABOVE if start_id else FoundBy.NO_MATCHING_VERSION
    return Place(found_by, None, start_id, reported)


def resolve_update(
    device: DeviceFacts,
    cohort: CohortFacts | None,
    *,
    at: datetime,
    lost: frozenset[UUID] = frozenset(),
) -> UpdateAnswer:
    """What this device gets at this time, and why (section 8). It never raises for a device.

    `lost` are releases whose last place another device took meanwhile: their phase counts as
    full, so that the loser of a race for a claim resolves again without them (section 7).
    """
    found = decide(device, cohort, at=at, lost=lost)
    if cohort is None:
        return UpdateAnswer(found.status, found.judged)
    passed = cohort.stretches.of(path_of(device, cohort), found.judged)
    trace = (*passed.steps, *found.judged)
    if found.release is None:
        return UpdateAnswer(found.status, trace, place=found.place, passed=passed)
    manifest = tuple(
        ManifestEntry(version_id, answer.binary_id)
        for version_id, answer in cohort.binaries(found.release.bundle_id, device.target)
        if answer.binary_id is not None
    )
    return UpdateAnswer(
        found.status,
        trace,
        found.release.id,
        found.release.bundle_id,
        manifest,
        found.place,
        passed,
    )


def decide(
    device: DeviceFacts,
    cohort: CohortFacts | None,
    *,
    at: datetime,
    lost: frozenset[UUID] = frozenset(),
) -> Decision:
    """What `resolve_update` answers, as far as counting many devices needs it."""
    # Quarantine is the first step of section 8, so it is told even if the product is archived.
    if device.quarantined:
        return Decision(Status.DEVICE_QUARANTINE, (TraceStep(None, Reason.QUARANTINED),))
    if device.product_archived:
        return Decision(Status.NO_UPDATE, (TraceStep(None, Reason.PRODUCT_ARCHIVED),))
    if cohort is None or device.cohort_id is None:
        return Decision(Status.NO_UPDATE, (TraceStep(None, Reason.NO_COHORT),))
    place = locate(device, cohort.graph)
    case = _Case(device, cohort, place, at, lost)
    if device.pinned_release_id is not None:
        return _decide_pinned(case, device.pinned_release_id)
    if place.found_by is FoundBy.NO_MATCHING_VERSION:
        step = TraceStep(None, Reason.NO_MATCHING_VERSION, {"version": str(place.version)})
        return case.no_update(step)
    return _decide_path(case)


def start_of(device: DeviceFacts, cohort: CohortFacts | None) -> UUID | None:
    """The release that a device's path starts at; None if it has no path.

    A device that is quarantined, pinned, without cohort, or of an archived product has none.
    """
    held = device.quarantined or device.product_archived or device.pinned_release_id is not None
    if held or cohort is None or device.cohort_id is None:
        return None
    return locate(device, cohort.graph).start_id


def path_of(device: DeviceFacts, cohort: CohortFacts | None) -> tuple[ReleaseFacts, ...]:
    """The path that a device goes along, archived releases included; none if it has none."""
    return () if cohort is None else cohort.graph.path(start_of(device, cohort))


@dataclass(frozen=True, slots=True)
class _Case:
    """One device before its cohort's releases at one time."""

    device: DeviceFacts
    cohort: CohortFacts
    place: Place
    at: datetime
    lost: frozenset[UUID]

    def judge(self, release: ReleaseFacts, *, servable: Reason) -> TraceStep:
        """Section 8, step 4: `servable`, or the first reason for which this one is not served."""
        return (
            self.cohort.closed(release)
            or self._schedule(release)
            or self._phase(release)
            or self._version(release)
            or self._content(release)
            or TraceStep(release.id, servable)
        )

    def _schedule(self, release: ReleaseFacts) -> TraceStep | None:
        if not release.is_scheduled(at=self.at):
            return None
        return TraceStep(release.id, Reason.SCHEDULED, {"scheduled_at": release.scheduled_at})

    def _phase(self, release: ReleaseFacts) -> TraceStep | None:
        failures = self.cohort.failures.get(release.id, 0)
        claims = self.cohort.claims.get(release.id, 0)
        if release.id not in self.device.claims:
            if release.phase_tags and not release.phase_tags & self.device.tags:
                tags = tuple(sorted(release.phase_tags))
                return TraceStep(release.id, Reason.TAG_MISMATCH, {"tags": tags})
            value, devices = release.phase_value, self.cohort.devices
            limit = None if value is None else phase_limit(value, devices)
            if limit is not None and (claims >= limit or release.id in self.lost):
                facts = {"limit": limit, "claims": claims, "devices": devices}
                return TraceStep(release.id, Reason.PHASE_FULL, facts)
        # A claim keeps a place in the phase; it does not keep a halted phase going.
        if release.halt_after is not None and failures >= release.halt_after:
            facts = {"failures": failures, "halt_after": release.halt_after}
            return TraceStep(release.id, Reason.PHASE_HALTED, facts)
        return None

    def _version(self, release: ReleaseFacts) -> TraceStep | None:
        versions, version = self.cohort.graph.versions, self.place.version
        if versions.takes(release.id, version):
            return None
        facts = {"requirement": release.version_requirement, "version": str(version)}
        return TraceStep(release.id, Reason.VERSION_REQUIREMENT, facts)

    def _content(self, release: ReleaseFacts) -> TraceStep | None:
        for version_id, answer in self.cohort.binaries(release.bundle_id, self.device.target):
            if answer.match is Match.NONE:
                corrupt = answer.reason is BinaryReason.CONTENT_CORRUPT
                return TraceStep(
                    release.id,
                    Reason.CONTENT_CORRUPT if corrupt else Reason.NO_COMPATIBLE_BINARY,
                    {
                        "artifact_version_id": version_id,
                        "target": self.device.target,
                        "binary_id": answer.candidates[0].id if answer.candidates else None,
                        "state": answer.state,
                    },
                )
        return None

    def serve(self, release: ReleaseFacts, *judged: TraceStep) -> Decision:
        return Decision(Status.UPDATE, judged, release, self.place)

    def no_update(self, *judged: TraceStep) -> Decision:
        return Decision(Status.NO_UPDATE, judged, place=self.place)

    def up_to_date(self) -> TraceStep:
        current = self.place.current
        facts = {"current_release_id": current.id if current else None}
        return TraceStep(None, Reason.UP_TO_DATE, facts)


def _decide_pinned(case: _Case, pinned_id: UUID) -> Decision:
    """Section 8, step 1: the pinned release if servable and not the current one; nothing else."""
    pinned = case.cohort.graph.get(pinned_id)
    if pinned is None:
        # The device was pinned in another cohort. It gets nothing rather than what its operator
        # meant to hold back.
        facts = {"pinned_release_id": pinned_id}
        return case.no_update(TraceStep(None, Reason.PINNED, facts))
    current, found_by = case.place.current, case.place.found_by
    # A bundle can't tell two of its releases apart: to install it again would go on for ever.
    if current is not None and (
        current.id == pinned.id
        or (found_by is FoundBy.BUNDLE and current.bundle_id == pinned.bundle_id)
    ):
        return case.no_update(case.up_to_date())
    step = case.judge(pinned, servable=Reason.PINNED)
    return case.serve(pinned, step) if step.reason is Reason.PINNED else case.no_update(step)


def _decide_path(case: _Case) -> Decision:
    """Section 8, steps 3 and 4: from the target back to the start of the path."""
    judged: list[TraceStep] = []
    for release in case.cohort.graph.reach(case.place.start_id):
        judged.append(case.judge(release, servable=Reason.SELECTED))
        if judged[-1].reason is Reason.SELECTED:
            return case.serve(release, *judged)
    return case.no_update(*(judged or [case.up_to_date()]))
