"""The order of the reasons: take away the first obstacle, and the next one is told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from app.rules.binary import ContentHealth, State
from app.rules.cohort import CohortFacts, DeviceFacts
from app.rules.facts import camel
from app.rules.release import CohortGraph, ReleaseFacts
from app.rules.resolution import resolve_update
from app.rules.trace import Reason, TraceStep
from app.rules.version import BinaryFacts, VersionFacts
from tests.scenarios.decisions import DECISIONS
from tests.scenarios.stage import ARM, X86

AT = datetime(2030, 1, 1, tzinfo=UTC)
CURRENT, GATE, RELEASE, LATEST, FOREIGN = (UUID(int=number) for number in range(1, 6))
BUNDLE, COHORT = UUID(int=10), UUID(int=11)


@dataclass
class Obstacles:
    """What stands between a device and RELEASE; the path is GATE, RELEASE, LATEST."""

    device: dict[str, Any] = field(default_factory=dict)
    release: dict[str, Any] = field(default_factory=dict)
    gate_required: bool = False
    latest_disabled: bool = True
    failures: int = 0
    claims: int = 0
    binaries: dict[int, list[BinaryFacts]] = field(default_factory=dict)

    def step(self) -> TraceStep:
        """The step of RELEASE, or the one that names no release."""
        device = DeviceFacts(UUID(int=20), ARM, COHORT, reported_release_id=CURRENT)
        releases = (
            ReleaseFacts(CURRENT, GATE, UUID(int=12), version="1.0.0"),
            ReleaseFacts(GATE, RELEASE, UUID(int=12), required=self.gate_required),
            replace(ReleaseFacts(RELEASE, LATEST, BUNDLE), **self.release),
            ReleaseFacts(LATEST, None, UUID(int=12), disabled=self.latest_disabled),
        )
        signed = [BinaryFacts(UUID(int=30), ARM, State.SIGNED)]
        facts = CohortFacts(
            CohortGraph(releases),
            devices=4,
            bundles={
                UUID(int=12): (),
                BUNDLE: tuple(
                    VersionFacts(UUID(int=40 + place), tuple(self.binaries.get(place, signed)))
                    for place in range(3)
                ),
            },
            claims={RELEASE: self.claims},
            failures={RELEASE: self.failures},
        )
        device = replace(device, **self.device)
        answer = resolve_update(device, None if device.cohort_id is None else facts, at=AT)
        (found,) = (step for step in answer.trace if step.release_id in (None, RELEASE))
        return found


def pile(reasons: list[Reason]) -> Obstacles:
    """All these obstacles at once; where two can't be, the earlier one counts."""
    found = Obstacles()
    for reason in reversed(reasons):
        match reason:
            case Reason.QUARANTINED:
                found.device["quarantined"] = True
            case Reason.PRODUCT_ARCHIVED:
                found.device["product_archived"] = True
            case Reason.NO_COHORT:
                found.device["cohort_id"] = None
            case Reason.PINNED:
                found.device["pinned_release_id"] = FOREIGN
            case Reason.NO_MATCHING_VERSION:
                found.device |= {"reported_release_id": None, "reported_version": "9.9.9"}
            case Reason.UP_TO_DATE:
                found.device["reported_release_id"] = LATEST
            case Reason.ARCHIVED:
                found.release["archived"] = True
            case Reason.REQUIRED:
                found.gate_required = True
            case Reason.SKIPPED:
                found.latest_disabled = False
            case Reason.DISABLED:
                found.release["disabled"] = True
            case Reason.AFFECTED:
                found.binaries[0] = [BinaryFacts(UUID(int=31), X86, State.DESTROYED)]
            case Reason.SCHEDULED:
                found.release["scheduled_at"] = AT + timedelta(microseconds=1)
            case Reason.TAG_MISMATCH:
                found.release["phase_tags"] = frozenset({"beta"})
            case Reason.PHASE_FULL:
                found.release["phase_value"], found.claims = Decimal("0.5"), 2
            case Reason.PHASE_HALTED:
                found.release["halt_after"], found.failures = 3, 3
            case Reason.VERSION_REQUIREMENT:
                found.release["version_requirement"] = ">=1.1.0"
            case Reason.NO_COMPATIBLE_BINARY:
                found.binaries[1] = [BinaryFacts(UUID(int=32), ARM, State.SIGNABLE)]
            case Reason.CONTENT_CORRUPT:
                corrupt = ContentHealth.CORRUPT
                found.binaries[2] = [BinaryFacts(UUID(int=33), ARM, State.SIGNED, corrupt)]
    return found


def test_every_reason_is_in_the_table_once() -> None:
    assert sorted(decision.reason for decision in DECISIONS) == sorted(Reason)


@pytest.mark.parametrize("place", range(len(DECISIONS)), ids=[one.reason for one in DECISIONS])
def test_the_reasons_are_judged_in_the_order_of_the_table(place: int) -> None:
    decision = DECISIONS[place]
    step = pile([one.reason for one in DECISIONS[place:]]).step()
    assert step.reason is decision.reason
    assert (step.release_id is not None) is decision.names_release
    assert tuple(camel(name) for name in step.facts) == decision.facts
