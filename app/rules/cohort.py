"""What is known of a device and of its cohort, for whoever asks what the device gets.

Sources: the domain, sections 6 and 8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from app.rules.release import CohortGraph, ReleaseFacts
from app.rules.trace import Reason, Stretches, TraceStep
from app.rules.version import (
    AffectedTarget,
    BinaryAnswer,
    VersionFacts,
    affected_by,
    resolve_binary,
)


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """One device and what it reports, as it came: unknown ids and malformed versions are fine.

    `claims` are the releases that it holds a claim on.
    """

    id: UUID
    target: str
    cohort_id: UUID | None
    tags: frozenset[str] = frozenset()
    quarantined: bool = False
    product_archived: bool = False
    pinned_release_id: UUID | None = None
    reported_release_id: UUID | None = None
    reported_bundle_id: UUID | None = None
    reported_version: str | None = None
    claims: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class CohortFacts:
    """All that is not the device's own: graph, number of devices, claims and failures by release.

    `bundles` holds the artifact versions, in order, of at least each release's bundle.
    """

    graph: CohortGraph
    devices: int
    bundles: Mapping[UUID, tuple[VersionFacts, ...]]
    claims: Mapping[UUID, int] = field(default_factory=dict)
    failures: Mapping[UUID, int] = field(default_factory=dict)
    # What follows from these is worked out once: by bundle, by release, by bundle and target.
    _affected: dict[UUID, tuple[AffectedTarget, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _closed: dict[UUID, TraceStep | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _binaries: dict[tuple[UUID, str], tuple[tuple[UUID, BinaryAnswer], ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    stretches: Stretches = field(default_factory=Stretches, init=False, repr=False, compare=False)

    def counted(
        self, *, devices: int, claims: Mapping[UUID, int], failures: Mapping[UUID, int]
    ) -> CohortFacts:
        """The same graph with other counts; what was worked out of the graph is shared."""
        same = replace(self, devices=devices, claims=claims, failures=failures)
        for worked_out in ("_affected", "_closed", "_binaries", "stretches"):
            object.__setattr__(same, worked_out, getattr(self, worked_out))
        return same

    def affected(self, bundle_id: UUID) -> tuple[AffectedTarget, ...]:
        """What destruction has left without a binary in this bundle."""
        if bundle_id not in self._affected:
            self._affected[bundle_id] = affected_by(self.bundles[bundle_id])
        return self._affected[bundle_id]

    def closed(self, release: ReleaseFacts) -> TraceStep | None:
        """Why this release serves no device at any time, or None if it may."""
        if release.id not in self._closed:
            self._closed[release.id] = self._judge_closed(release)
        return self._closed[release.id]

    def _judge_closed(self, release: ReleaseFacts) -> TraceStep | None:
        if release.archived:
            return TraceStep(release.id, Reason.ARCHIVED)
        if release.disabled:
            return TraceStep(release.id, Reason.DISABLED, {"required": release.required})
        if affected := self.affected(release.bundle_id):
            return TraceStep(release.id, Reason.AFFECTED, affected[0]._asdict())
        return None

    def binaries(self, bundle_id: UUID, target: str) -> tuple[tuple[UUID, BinaryAnswer], ...]:
        """For each artifact version of the bundle, in order, the answer for this target."""
        key = bundle_id, target
        if key not in self._binaries:
            self._binaries[key] = tuple(
                (version.artifact_version_id, resolve_binary(target, version.binaries))
                for version in self.bundles[bundle_id]
            )
        return self._binaries[key]
