"""Every reason of a trace, in the order in which the resolver asks for it."""

from __future__ import annotations

from typing import NamedTuple

from app.graphql.enums import REASONS
from app.rules.trace import Reason


class Decision(NamedTuple):
    """One reason: whether its step names a release, and the facts that come with it."""

    reason: Reason
    names_release: bool
    facts: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What the schema says of it."""
        return REASONS[self.reason]


DECISIONS = (
    Decision(Reason.QUARANTINED, False),
    Decision(Reason.PRODUCT_ARCHIVED, False),
    Decision(Reason.NO_COHORT, False),
    Decision(Reason.PINNED, False, ("pinnedReleaseId",)),
    Decision(Reason.NO_MATCHING_VERSION, False, ("version",)),
    Decision(Reason.UP_TO_DATE, False, ("currentReleaseId",)),
    Decision(Reason.ARCHIVED, True),
    Decision(Reason.REQUIRED, True, ("requiredReleaseId",)),
    Decision(Reason.SKIPPED, True),
    Decision(Reason.DISABLED, True, ("required",)),
    Decision(Reason.AFFECTED, True, ("artifactVersionId", "target", "binaryIds")),
    Decision(Reason.SCHEDULED, True, ("scheduledAt",)),
    Decision(Reason.TAG_MISMATCH, True, ("tags",)),
    Decision(Reason.PHASE_FULL, True, ("limit", "claims", "devices")),
    Decision(Reason.PHASE_HALTED, True, ("failures", "haltAfter")),
    Decision(Reason.VERSION_REQUIREMENT, True, ("requirement", "version")),
    Decision(
        Reason.NO_COMPATIBLE_BINARY, True, ("artifactVersionId", "target", "binaryId", "state")
    ),
    Decision(Reason.CONTENT_CORRUPT, True, ("artifactVersionId", "target", "binaryId", "state")),
    Decision(Reason.SELECTED, True),
)
