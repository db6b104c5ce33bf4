"""How a resolution explains itself: each release looked at, with one reason and its facts.

Source of the reasons: the domain, section 8.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from app.rules.release import ReleaseFacts

KEPT_STRETCHES: Final = 32
"""So many stretches are kept of one graph."""

Fact = str | int | datetime | UUID | tuple[str, ...] | tuple[UUID, ...] | None


class Reason(StrEnum):
    """The one reason of each step of a trace; the last five, and a foreign pin, name no release."""

    SELECTED = "SELECTED"
    SKIPPED = "SKIPPED"
    REQUIRED = "REQUIRED"
    DISABLED = "DISABLED"
    ARCHIVED = "ARCHIVED"
    AFFECTED = "AFFECTED"
    SCHEDULED = "SCHEDULED"
    PHASE_FULL = "PHASE_FULL"
    PHASE_HALTED = "PHASE_HALTED"
    TAG_MISMATCH = "TAG_MISMATCH"
    VERSION_REQUIREMENT = "VERSION_REQUIREMENT"
    NO_COMPATIBLE_BINARY = "NO_COMPATIBLE_BINARY"
    CONTENT_CORRUPT = "CONTENT_CORRUPT"
    PINNED = "PINNED"
    QUARANTINED = "QUARANTINED"
    NO_COHORT = "NO_COHORT"
    NO_MATCHING_VERSION = "NO_MATCHING_VERSION"
    UP_TO_DATE = "UP_TO_DATE"
    PRODUCT_ARCHIVED = "PRODUCT_ARCHIVED"


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One release looked at, or None for what concerns none; the reason, and its facts."""

    release_id: UUID | None
    reason: Reason
    facts: Mapping[str, Fact] = field(default_factory=dict)


def passed_over(path: Iterable[ReleaseFacts], judged: Sequence[TraceStep]) -> tuple[TraceStep, ...]:
    """The steps of the releases of a path that were not judged, in the order of the path.

    They are archived, wait behind the path's first required release, or are skipped.
    """
    seen = {step.release_id for step in judged}
    gate: UUID | None = None
    steps = []
    for release in path:
        if release.archived:
            steps.append(TraceStep(release.id, Reason.ARCHIVED))
        elif gate is not None:
            steps.append(TraceStep(release.id, Reason.REQUIRED, {"required_release_id": gate}))
        else:
            gate = release.id if release.required else None
            if release.id not in seen:
                steps.append(TraceStep(release.id, Reason.SKIPPED))
    return tuple(steps)


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """The releases that a device passes over; one object for all devices that pass over the same.

    So what is made of it can be kept by the object.
    """

    steps: tuple[TraceStep, ...] = ()


class Stretches:
    """The stretches of one graph: they rest on where a path starts and on what of it was judged."""

    def __init__(self) -> None:
        self._known: dict[tuple[UUID | None, ...], Stretch] = {}

    def of(self, path: Sequence[ReleaseFacts], judged: Sequence[TraceStep]) -> Stretch:
        """The releases of a path that were not judged."""
        key = (path[0].id if path else None, *(step.release_id for step in judged))
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= KEPT_STRETCHES:
                self._known.clear()
            found = self._known[key] = Stretch(passed_over(path, judged))
        return found
