"""Which devices' answers rest on numbers. That no other's do, `test_resolution` tries."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from app.rules.cohort import CohortFacts, DeviceFacts
from app.rules.counts import rests_on_counts
from app.rules.release import CohortGraph, ReleaseFacts

FIRST, LATEST, OTHER = (UUID(int=number) for number in (1, 2, 3))
DEVICE = DeviceFacts(UUID(int=9), "arm", UUID(int=8))
HALF = {"phase_value": Decimal("0.5")}


def cohort(**latest: object) -> CohortFacts:
    """Two releases; what is given is of the latest."""
    releases = (
        ReleaseFacts(FIRST, LATEST, UUID(int=11)),
        replace(ReleaseFacts(LATEST, None, UUID(int=12)), **latest),  # type: ignore[arg-type]
    )
    return CohortFacts(CohortGraph(releases), devices=0, bundles={})


@pytest.mark.parametrize(
    ("latest", "device", "rests"),
    [
        (HALF, {}, True),
        (HALF, {"reported_release_id": FIRST}, True),
        (HALF, {"reported_release_id": LATEST}, False),
        (HALF, {"claims": frozenset({LATEST})}, False),
        (HALF, {"claims": frozenset({FIRST})}, True),
        (HALF, {"quarantined": True}, False),
        (HALF, {"cohort_id": None}, False),
        (HALF, {"pinned_release_id": FIRST}, False),
        (HALF, {"pinned_release_id": LATEST, "reported_release_id": LATEST}, True),
        # One of another cohort: nothing is served.
        (HALF, {"pinned_release_id": OTHER}, False),
        ({"halt_after": 1}, {"claims": frozenset({LATEST})}, True),
        ({"phase_tags": frozenset({"beta"})}, {}, False),
        ({**HALF, "archived": True}, {}, False),
        ({}, {}, False),
    ],
)
def test_an_answer_rests_on_numbers_where_a_counted_release_is_judged(
    latest: dict[str, object], device: dict[str, object], rests: bool
) -> None:
    asking = replace(DEVICE, **device)  # type: ignore[arg-type]
    assert rests_on_counts(asking, cohort(**latest)) is rests
