from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from app.rules.binary import State
from app.rules.cohort import CohortFacts, DeviceFacts
from app.rules.errors import BadUserInput, ReleaseConstrained, ReleaseGraph
from app.rules.refusal import BinderyError
from app.rules.release import CohortGraph, Edge, ReleaseFacts
from app.rules.rollout import (
    Adoption,
    Intended,
    NewPhase,
    NewRelease,
    Step,
    adoption,
    both_keys,
    intend,
    simulate,
)
from app.rules.trace import Reason
from app.rules.version import BinaryFacts, VersionFacts

AT = datetime(2030, 1, 1, tzinfo=UTC)
ARM, X86 = "arm-linux-gnueabihf", "x86_64-unknown-linux-gnu"
COHORT = UUID(int=0xC0)


def uid(number: int) -> UUID:
    return UUID(int=number)


def release(number: int, next_number: int | None, **more: object) -> ReleaseFacts:
    next_id = None if next_number is None else uid(next_number)
    return replace(ReleaseFacts(uid(number), next_id, uid(100 + number)), **more)  # type: ignore[arg-type]


def signed(number: int, target: str = ARM) -> tuple[VersionFacts, ...]:
    binary = BinaryFacts(uid(400 + number), target, State.SIGNED)
    return (VersionFacts(uid(300 + number), (binary,)),)


def cohort(*releases: ReleaseFacts) -> CohortFacts:
    """Release n has bundle 100 + n with one binary, for ARM."""
    bundles = {one.bundle_id: signed(one.id.int) for one in releases}
    return CohortFacts(CohortGraph(releases), 10, bundles)


def on(number: int | None, **more: object) -> DeviceFacts:
    """A device that reports a release."""
    reported = None if number is None else uid(number)
    facts = DeviceFacts(uid(1), ARM, COHORT, reported_release_id=reported)
    return replace(facts, **more)  # type: ignore[arg-type]


CHAIN = cohort(release(1, 2), release(2, 3), release(3, None))
NEW = uid(9)


def intended(facts: CohortFacts, **new: object) -> Intended:
    wanted = NewRelease(**new)  # type: ignore[arg-type]
    return intend(facts.graph, wanted, id=NEW, bundle_id=uid(109), at=AT)


# What a release would be.


def test_a_release_without_more_becomes_the_latest() -> None:
    assert intended(CHAIN) == Intended(ReleaseFacts(NEW, None, uid(109)), (Edge(uid(3), NEW),))


def test_the_first_release_of_a_cohort_moves_no_edge() -> None:
    assert intended(cohort()) == Intended(ReleaseFacts(NEW, None, uid(109)), ())


def test_a_release_between_two_takes_their_edge() -> None:
    found = intended(CHAIN, next_release_id=uid(2), previous_release_id=uid(1))
    assert found == Intended(ReleaseFacts(NEW, uid(2), uid(109)), (Edge(uid(1), NEW),))


def test_a_release_before_another_alone_is_a_branch() -> None:
    assert intended(CHAIN, next_release_id=uid(2)) == Intended(
        ReleaseFacts(NEW, uid(2), uid(109)), ()
    )


def test_a_release_keeps_all_that_was_sent() -> None:
    found = intended(
        CHAIN,
        required=True,
        disabled=True,
        scheduled_at=AT + timedelta(days=1),
        phase=NewPhase(value=0.25),
        halt_after=3,
        version="1.2.0",
        version_requirement=">=1.0.0",
    )
    assert found.release == ReleaseFacts(
        NEW,
        None,
        uid(109),
        required=True,
        disabled=True,
        scheduled_at=AT + timedelta(days=1),
        phase_value=Decimal("0.25"),
        version="1.2.0",
        version_requirement=">=1.0.0",
        halt_after=3,
    )
    tagged = intended(CHAIN, phase=NewPhase(tags=["beta", "lab"])).release
    assert (tagged.phase_value, tagged.phase_tags) == (None, frozenset({"beta", "lab"}))


@pytest.mark.parametrize(
    ("new", "refusal", "path"),
    [
        ({"halt_after": 0}, BadUserInput, ("input", "haltAfter")),
        ({"version": "1.2"}, BadUserInput, ("input", "version")),
        ({"version_requirement": "~1.2"}, BadUserInput, ("input", "versionRequirement")),
        ({"phase": NewPhase(value=1.5)}, BadUserInput, ("input", "phase", "value")),
        ({"phase": NewPhase(tags=[])}, BadUserInput, ("input", "phase", "tags")),
        ({"phase": NewPhase(value=0.5, tags=["a"])}, BadUserInput, ("input", "phase")),
        ({"next_release_id": uid(77)}, ReleaseGraph, ("input", "nextReleaseId")),
        ({"previous_release_id": uid(77)}, ReleaseGraph, ("input", "previousReleaseId")),
        (
            {"next_release_id": uid(3), "previous_release_id": uid(1)},
            ReleaseGraph,
            ("input", "nextReleaseId"),
        ),
        (
            {"next_release_id": uid(2), "phase": NewPhase(value=0.5)},
            ReleaseConstrained,
            ("input", "phase"),
        ),
        (
            {"next_release_id": uid(2), "scheduled_at": AT + timedelta(days=1)},
            ReleaseConstrained,
            ("input", "scheduledAt"),
        ),
    ],
)
def test_what_can_not_be_created_is_refused(
    new: dict[str, object], refusal: type[BinderyError], path: tuple[str, ...]
) -> None:
    with pytest.raises(refusal) as refused:
        intended(CHAIN, **new)
    assert refused.value.path == path


def test_a_phased_latest_can_not_be_followed() -> None:
    with pytest.raises(ReleaseConstrained) as refused:
        intended(cohort(release(1, None, phase_value=Decimal("0.5"))))
    assert refused.value.rule == "LATEST_PHASED"


def test_within_gives_the_cohort_with_the_release_in_its_place() -> None:
    found = intended(CHAIN, next_release_id=uid(2), previous_release_id=uid(1))
    after = found.within(CHAIN, signed(9))
    assert [one.id.int for one in after.graph.path(uid(1))] == [1, 9, 2, 3]
    assert after.bundles == {**CHAIN.bundles, uid(109): signed(9)}
    assert (after.devices, len(CHAIN.graph.releases)) == (10, 3)


# What changes for a device.


def test_a_new_latest_is_what_devices_would_get() -> None:
    after = intended(CHAIN).within(CHAIN, signed(9))
    assert simulate(on(1), CHAIN, after, at=AT) == Step(uid(1), uid(3), NEW, None)
    assert simulate(on(3), CHAIN, after, at=AT) == Step(uid(3), None, NEW, None)
    assert simulate(on(None), CHAIN, after, at=AT) == Step(None, uid(3), NEW, None)


def test_a_release_that_a_device_can_not_take_leaves_it_as_it_is_or_blocks_it() -> None:
    after = intended(CHAIN).within(CHAIN, signed(9, X86))
    assert simulate(on(1), CHAIN, after, at=AT) == Step(uid(1), uid(3), uid(3), None)
    step = Step(uid(3), None, None, Reason.NO_COMPATIBLE_BINARY)
    assert simulate(on(3), CHAIN, after, at=AT) == step


def test_a_device_that_is_done_before_and_after_is_not_blocked() -> None:
    after = intended(CHAIN, next_release_id=uid(3), previous_release_id=uid(2)).within(
        CHAIN, signed(9)
    )
    assert simulate(on(3), CHAIN, after, at=AT) == Step(uid(3), None, None, None)


def test_a_device_whose_bundle_is_released_anew_would_be_done() -> None:
    wanted = NewRelease()
    found = intend(CHAIN.graph, wanted, id=NEW, bundle_id=uid(101), at=AT)
    after = found.within(CHAIN, signed(1))
    device = on(None, reported_bundle_id=uid(101))
    assert simulate(device, CHAIN, after, at=AT) == Step(uid(1), uid(3), None, None)


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        ({"quarantined": True}, Reason.QUARANTINED),
        ({"product_archived": True}, Reason.PRODUCT_ARCHIVED),
        ({"pinned_release_id": uid(77)}, Reason.PINNED),
    ],
)
def test_a_device_that_is_held_back_is_blocked(held: dict[str, object], reason: Reason) -> None:
    after = intended(CHAIN).within(CHAIN, signed(9))
    assert simulate(on(3, **held), CHAIN, after, at=AT) == Step(uid(3), None, None, reason)


def test_devices_are_alike_if_they_are_so_before_and_after() -> None:
    tagged = intended(CHAIN, phase=NewPhase(tags=["beta"])).within(CHAIN, signed(9))
    plain, beta = on(1), on(1, tags=frozenset({"beta"}))
    assert both_keys(plain, CHAIN, CHAIN) == both_keys(beta, CHAIN, CHAIN)
    assert both_keys(plain, CHAIN, tagged) != both_keys(beta, CHAIN, tagged)
    assert both_keys(plain, tagged, CHAIN) != both_keys(beta, tagged, CHAIN)


# How far a release has come.


DEVICES = [
    (on(None), 1),
    (on(1), 2),
    (on(2), 4),
    (on(3), 8),
    (on(1, quarantined=True), 16),
    (on(None, reported_version="9.9.9"), 32),
]


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (1, Adoption(on=18, claimed=0, before=1, behind=12)),
        (2, Adoption(on=4, claimed=0, before=3, behind=8)),
        (3, Adoption(on=8, claimed=0, before=7, behind=0)),
    ],
)
def test_adoption_counts_devices_on_before_and_behind(number: int, told: Adoption) -> None:
    assert adoption(uid(number), DEVICES, CHAIN, claimers=[]) == told


def test_a_claim_counts_until_its_device_is_on_the_release_or_past_it() -> None:
    claims = frozenset({uid(2)})
    claimers = [
        (on(None, claims=claims), 1),
        (on(1, claims=claims), 2),
        (on(2, claims=claims), 4),
        (on(None, reported_bundle_id=uid(102), claims=claims), 8),
        (on(3, claims=claims), 16),
    ]
    told = adoption(uid(2), claimers, CHAIN, claimers=claimers)
    assert told == Adoption(on=12, claimed=3, before=3, behind=16)


def test_a_device_on_another_branch_is_neither_before_nor_behind() -> None:
    facts = cohort(release(1, 3), release(2, 3), release(3, None))
    assert adoption(uid(1), [(on(2), 5)], facts, claimers=[]) == Adoption(0, 0, 0, 0)
