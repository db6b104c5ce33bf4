from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rules.binary import ContentHealth, State
from app.rules.cohort import CohortFacts, DeviceFacts
from app.rules.counts import rests_on_counts
from app.rules.release import CohortGraph, ReleaseFacts
from app.rules.resolution import (
    FoundBy,
    ManifestEntry,
    Status,
    UpdateAnswer,
    path_of,
    resolve_update,
)
from app.rules.trace import Reason, TraceStep
from app.rules.version import BinaryFacts, VersionFacts
from tests.rules import oracle
from tests.rules.oracle import ARM, AT, X86

COHORT, TAGS = UUID(int=0xC0), frozenset({"beta"})


def uid(number: int) -> UUID:
    return UUID(int=number)


def bundle(number: int, *binaries: BinaryFacts) -> tuple[VersionFacts, ...]:
    """One artifact version, with a signed binary for ARM if none are given."""
    signed = BinaryFacts(uid(4000 + number), ARM, State.SIGNED)
    return (VersionFacts(uid(3000 + number), binaries or (signed,)),)


def cohort(
    latest: Mapping[str, object] = {},
    *,
    r1: Mapping[str, object] = {},
    r2: Mapping[str, object] = {},
    versions: Sequence[str | None] = (None, None, None),
    claims: int = 0,
    failures: int = 0,
) -> CohortFacts:
    """Releases 1 → 2 → 3 of bundles 101, 102, 103 in a cohort of ten devices.

    `r1`, `r2` and `latest` are facts of the three; claims and failures are those of the latest.
    """
    releases = [
        replace(
            ReleaseFacts(uid(number), uid(number + 1) if number < 3 else None, uid(100 + number)),
            version=versions[number - 1],
            **facts,  # type: ignore[arg-type]
        )
        for number, facts in enumerate((r1, r2, latest), start=1)
    ]
    return CohortFacts(
        graph=CohortGraph(releases),
        devices=10,
        bundles={uid(100 + number): bundle(number) for number in (1, 2, 3)},
        claims={uid(3): claims},
        failures={uid(3): failures},
    )


def device(**facts: object) -> DeviceFacts:
    return replace(DeviceFacts(uid(1), ARM, COHORT), **facts)  # type: ignore[arg-type]


ON_1 = device(reported_release_id=uid(1))


def steps(answer: UpdateAnswer) -> list[tuple[int | None, str]]:
    """The trace as numbers of releases and reasons."""
    return [(s.release_id.int if s.release_id else None, s.reason) for s in answer.trace]


def resolve(device: DeviceFacts, facts: CohortFacts | None) -> UpdateAnswer:
    return resolve_update(device, facts, at=AT)


# Step 1.


@pytest.mark.parametrize(
    ("facts", "status", "reason"),
    [
        ({"quarantined": True}, Status.DEVICE_QUARANTINE, Reason.QUARANTINED),
        ({"product_archived": True}, Status.NO_UPDATE, Reason.PRODUCT_ARCHIVED),
        ({"cohort_id": None}, Status.NO_UPDATE, Reason.NO_COHORT),
        (
            {"quarantined": True, "product_archived": True, "cohort_id": None},
            Status.DEVICE_QUARANTINE,
            Reason.QUARANTINED,
        ),
        (
            {"product_archived": True, "cohort_id": None},
            Status.NO_UPDATE,
            Reason.PRODUCT_ARCHIVED,
        ),
        (
            {"quarantined": True, "pinned_release_id": uid(2)},
            Status.DEVICE_QUARANTINE,
            Reason.QUARANTINED,
        ),
    ],
)
def test_what_stops_a_device_before_its_path(
    facts: dict[str, object], status: Status, reason: Reason
) -> None:
    expected = UpdateAnswer(status, (TraceStep(None, reason),))
    assert resolve(device(**facts), cohort()) == expected
    assert path_of(device(**facts), cohort()) == ()


def test_without_the_facts_of_a_cohort_there_is_none() -> None:
    assert steps(resolve(device(), None)) == [(None, "NO_COHORT")]
    assert path_of(device(), None) == ()


@pytest.mark.parametrize(
    ("facts", "reported", "status", "trace"),
    [
        ({}, {}, Status.UPDATE, [(2, "PINNED")]),
        # Back to an older one, and past a required one: nothing else counts.
        ({"r1": {"required": True}}, {}, Status.UPDATE, [(2, "PINNED")]),
        ({}, {"reported_release_id": uid(3)}, Status.UPDATE, [(2, "PINNED")]),
        ({}, {"reported_release_id": uid(2)}, Status.NO_UPDATE, [(None, "UP_TO_DATE")]),
        ({}, {"reported_bundle_id": uid(102)}, Status.NO_UPDATE, [(None, "UP_TO_DATE")]),
        ({"r2": {"disabled": True}}, {}, Status.NO_UPDATE, [(2, "DISABLED")]),
        ({"r2": {"archived": True}}, {}, Status.NO_UPDATE, [(2, "ARCHIVED")]),
        ({"r2": {"phase_value": Decimal(0)}}, {}, Status.NO_UPDATE, [(2, "PHASE_FULL")]),
        # A version that matches nothing does not matter to a pinned device.
        ({}, {"reported_version": "9.0.0"}, Status.UPDATE, [(2, "PINNED")]),
    ],
)
def test_a_pinned_device_gets_its_pinned_release_or_nothing(
    facts: dict[str, dict[str, object]],
    reported: dict[str, object],
    status: Status,
    trace: list[tuple[int | None, str]],
) -> None:
    pinned = device(pinned_release_id=uid(2), **reported)
    answer = resolve(pinned, cohort(**facts))  # type: ignore[arg-type]
    assert (answer.status, steps(answer)) == (status, trace)
    assert answer.release_id == (uid(2) if status is Status.UPDATE else None)
    assert path_of(pinned, cohort()) == ()


def test_a_bundle_of_several_releases_is_not_installed_again_because_of_a_pin() -> None:
    facts = cohort({"bundle_id": uid(102)}, r1={"bundle_id": uid(102)})
    pinned = device(pinned_release_id=uid(1), reported_bundle_id=uid(102))
    assert steps(resolve(pinned, facts)) == [(None, "UP_TO_DATE")]
    # A device that reports the release itself is told apart.
    on_3 = replace(pinned, reported_release_id=uid(3))
    assert steps(resolve(on_3, facts)) == [(1, "PINNED")]


def test_a_pin_on_a_release_of_another_cohort_holds_the_device_back() -> None:
    answer = resolve(device(pinned_release_id=uid(99)), cohort())
    assert answer.status is Status.NO_UPDATE
    assert answer.trace == (TraceStep(None, Reason.PINNED, {"pinned_release_id": uid(99)}),)


# Step 2.

VERSIONS = ("1.0.0", "2.0.0", "3.0.0")


@pytest.mark.parametrize(
    ("reported", "found_by", "current", "path"),
    [
        ({"reported_release_id": uid(1)}, FoundBy.RELEASE, 1, [2, 3]),
        ({"reported_release_id": uid(3)}, FoundBy.RELEASE, 3, []),
        (
            {"reported_release_id": uid(2), "reported_bundle_id": uid(101)},
            FoundBy.RELEASE,
            2,
            [3],
        ),
        ({"reported_bundle_id": uid(102)}, FoundBy.BUNDLE, 2, [3]),
        (
            {"reported_release_id": uid(99), "reported_bundle_id": uid(101)},
            FoundBy.BUNDLE,
            1,
            [2, 3],
        ),
        (
            {"reported_bundle_id": uid(101), "reported_version": "3.0.0"},
            FoundBy.BUNDLE,
            1,
            [2, 3],
        ),
        ({"reported_version": "2.0.0"}, FoundBy.VERSION, 2, [3]),
        (
            {"reported_bundle_id": uid(99), "reported_version": "1.0.0"},
            FoundBy.VERSION,
            1,
            [2, 3],
        ),
        ({"reported_version": "0.5.0"}, FoundBy.VERSION_ABOVE, None, [1, 2, 3]),
        ({"reported_version": "1.5.0"}, FoundBy.VERSION_ABOVE, None, [2, 3]),
        ({"reported_version": "3.0.1"}, FoundBy.NO_MATCHING_VERSION, None, []),
        ({}, FoundBy.NOTHING_REPORTED, None, [1, 2, 3]),
        ({"reported_version": "newest"}, FoundBy.NOTHING_REPORTED, None, [1, 2, 3]),
        (
            {"reported_release_id": uid(99), "reported_bundle_id": uid(99)},
            FoundBy.NOTHING_REPORTED,
            None,
            [1, 2, 3],
        ),
    ],
)
def test_the_first_rule_that_applies_finds_the_path(
    reported: dict[str, object], found_by: FoundBy, current: int | None, path: list[int]
) -> None:
    facts = cohort(versions=VERSIONS)
    answer = resolve(device(**reported), facts)
    assert answer.place is not None
    assert answer.place.found_by is found_by
    assert answer.place.current == (None if current is None else facts.graph.get(uid(current)))
    assert [release.id.int for release in path_of(device(**reported), facts)] == path
    assert answer.release_id == (uid(3) if path else None)


def test_an_archived_release_is_still_where_a_device_is() -> None:
    answer = resolve(ON_1, cohort(r1={"archived": True}))
    assert (answer.release_id, steps(answer)) == (uid(3), [(2, "SKIPPED"), (3, "SELECTED")])


def test_a_version_newer_than_all_is_no_downgrade() -> None:
    answer = resolve(device(reported_version="9.0.0"), cohort(versions=VERSIONS))
    assert answer.status is Status.NO_UPDATE
    assert answer.trace == (TraceStep(None, Reason.NO_MATCHING_VERSION, {"version": "9.0.0"}),)


# Step 3.


def test_the_target_is_the_last_release_of_the_path() -> None:
    answer = resolve(device(), cohort())
    assert steps(answer) == [(1, "SKIPPED"), (2, "SKIPPED"), (3, "SELECTED")]
    assert (answer.status, answer.release_id, answer.bundle_id) == ("UPDATE", uid(3), uid(103))
    assert answer.manifest == (ManifestEntry(uid(3003), uid(4003)),)


def test_the_first_required_release_is_the_target_and_what_is_behind_it_waits() -> None:
    answer = resolve(device(), cohort(r2={"required": True}))
    assert answer.release_id == uid(2)
    assert answer.trace == (
        TraceStep(uid(1), Reason.SKIPPED),
        TraceStep(uid(3), Reason.REQUIRED, {"required_release_id": uid(2)}),
        TraceStep(uid(2), Reason.SELECTED),
    )


def test_a_required_release_that_is_archived_is_as_if_it_were_not_there() -> None:
    answer = resolve(device(), cohort(r2={"required": True, "archived": True}))
    assert steps(answer) == [(1, "SKIPPED"), (2, "ARCHIVED"), (3, "SELECTED")]


def test_an_archived_latest_stays_the_end_and_the_one_before_is_served() -> None:
    facts = cohort({"archived": True, "phase_value": Decimal("0.1")})
    assert steps(resolve(device(), facts)) == [(1, "SKIPPED"), (3, "ARCHIVED"), (2, "SELECTED")]


@pytest.mark.parametrize(
    ("reported", "facts", "trace"),
    [
        ({"reported_release_id": uid(3)}, {}, [(None, "UP_TO_DATE")]),
        (
            {"reported_release_id": uid(2)},
            {"latest": {"archived": True}},
            [(3, "ARCHIVED"), (None, "UP_TO_DATE")],
        ),
    ],
)
def test_an_empty_path_is_up_to_date(
    reported: dict[str, object],
    facts: dict[str, dict[str, object]],
    trace: list[tuple[int | None, str]],
) -> None:
    on = device(**reported)
    answer = resolve(on, cohort(**facts))  # type: ignore[arg-type]
    assert (answer.status, steps(answer)) == (Status.NO_UPDATE, trace)
    assert answer.trace[-1].facts == {"current_release_id": on.reported_release_id}


def test_a_cohort_without_releases_has_nothing_for_a_device() -> None:
    answer = resolve(device(), CohortFacts(CohortGraph(), 1, {}))
    assert answer.trace == (TraceStep(None, Reason.UP_TO_DATE, {"current_release_id": None}),)


# Step 4: why a release is not served, and the step back.

DAY = timedelta(days=1)
LOST = BinaryFacts(uid(9), ARM, State.DESTROYED)
PORTABLE = BinaryFacts(uid(8), "portable", State.SIGNED)


def refused(facts: CohortFacts, on: DeviceFacts = ON_1) -> TraceStep:
    """Why release 3 is not served: the device gets release 2 instead."""
    answer = resolve(on, facts)
    assert steps(answer)[1:] == [(2, "SELECTED")]
    assert answer.release_id == uid(2)
    assert answer.trace[0].release_id == uid(3)
    return answer.trace[0]


def test_disabled() -> None:
    step = refused(cohort({"disabled": True}))
    assert (step.reason, step.facts) == (Reason.DISABLED, {"required": False})


def test_affected_even_where_a_portable_binary_would_do_and_for_every_target() -> None:
    facts = cohort()
    lost = replace(facts, bundles={**facts.bundles, uid(103): bundle(3, LOST, PORTABLE)})
    step = refused(lost)
    assert step.reason is Reason.AFFECTED
    assert step.facts == {
        "artifact_version_id": uid(3003),
        "target": ARM,
        "binary_ids": (uid(9),),
    }
    both = (BinaryFacts(uid(7), X86, State.SIGNED), PORTABLE)
    for_all = replace(lost, bundles={**lost.bundles, uid(102): bundle(2, *both)})
    assert refused(for_all, replace(ON_1, target=X86)).reason is Reason.AFFECTED


def test_scheduled_until_its_date() -> None:
    step = refused(cohort({"scheduled_at": AT + DAY}))
    assert (step.reason, step.facts) == (Reason.SCHEDULED, {"scheduled_at": AT + DAY})
    assert resolve(ON_1, cohort({"scheduled_at": AT})).release_id == uid(3)
    assert resolve(ON_1, cohort({"scheduled_at": AT - DAY})).release_id == uid(3)


def test_a_phase_is_full_at_its_limit_but_not_for_a_claimer() -> None:
    half: dict[str, object] = {"phase_value": Decimal("0.5")}
    step = refused(cohort(half, claims=5))
    assert step.reason is Reason.PHASE_FULL
    assert step.facts == {"limit": 5, "claims": 5, "devices": 10}
    claimer = replace(ON_1, claims=frozenset({uid(3)}))
    full = cohort(half, claims=7)
    assert resolve(claimer, full).release_id == uid(3)
    room = cohort(half, claims=4)
    assert resolve(ON_1, room).release_id == uid(3)


def test_a_phase_of_1_is_never_full() -> None:
    facts = cohort({"phase_value": Decimal(1)}, claims=10)
    assert resolve(ON_1, facts).release_id == uid(3)


def test_the_loser_of_the_last_place_resolves_again_without_that_release() -> None:
    facts = cohort({"phase_value": Decimal(2)})
    answer = resolve_update(ON_1, facts, at=AT, lost=frozenset({uid(3)}))
    assert steps(answer) == [(3, "PHASE_FULL"), (2, "SELECTED")]
    claimer = replace(ON_1, claims=frozenset({uid(3)}))
    again = resolve_update(claimer, facts, at=AT, lost=frozenset({uid(3)}))
    assert again.release_id == uid(3)


def test_a_phase_of_tags_is_open_to_a_device_with_one_of_them_or_a_claim() -> None:
    facts = cohort({"phase_tags": frozenset({"lab", "beta"})})
    step = refused(facts)
    assert (step.reason, step.facts) == (Reason.TAG_MISMATCH, {"tags": ("beta", "lab")})
    tagged, claimer = replace(ON_1, tags=TAGS), replace(ON_1, claims=frozenset({uid(3)}))
    assert resolve(tagged, facts).release_id == uid(3)
    assert resolve(claimer, facts).release_id == uid(3)


def test_a_phase_halts_for_everyone_at_its_number_of_failures() -> None:
    latest: dict[str, object] = {"phase_value": Decimal("0.5"), "halt_after": 2}
    claimer = replace(ON_1, claims=frozenset({uid(3)}))
    halted = cohort(latest, failures=2)
    for on in (ON_1, claimer):
        step = refused(halted, on)
        assert (step.reason, step.facts) == (Reason.PHASE_HALTED, {"failures": 2, "halt_after": 2})
    going = cohort(latest, failures=1)
    assert resolve(ON_1, going).release_id == uid(3)
    never = cohort({"phase_value": Decimal("0.5")}, failures=99)
    assert resolve(ON_1, never).release_id == uid(3)


@pytest.mark.parametrize(
    ("versions", "reported", "served"),
    [
        # The version of the current release counts, before the reported one.
        (("1.0.0", "1.1.0", "3.0.0"), "2.5.0", 2),
        (("2.0.0", "2.1.0", "3.0.0"), "1.0.0", 3),
    ],
)
def test_a_version_requirement_is_about_the_current_release(
    versions: tuple[str, ...], reported: str, served: int
) -> None:
    facts = cohort({"version_requirement": ">=2.0.0"}, versions=versions)
    on = replace(ON_1, reported_version=reported)
    assert resolve(on, facts).release_id == uid(served)
    if served == 2:
        step = refused(facts, on)
        assert step.reason is Reason.VERSION_REQUIREMENT
        assert step.facts == {"requirement": ">=2.0.0", "version": "1.0.0"}


@pytest.mark.parametrize(("reported", "served"), [("1.0.0", 2), ("2.0.0", 3), (None, 3), ("x", 3)])
def test_without_a_version_the_reported_one_counts_and_an_unknown_one_satisfies(
    reported: str | None, served: int
) -> None:
    facts = cohort({"version_requirement": ">=2.0.0"})
    assert resolve(replace(ON_1, reported_version=reported), facts).release_id == uid(served)


@pytest.mark.parametrize(
    ("binaries", "reason", "binary_id", "state"),
    [
        ((BinaryFacts(uid(9), X86, State.SIGNED),), "NO_COMPATIBLE_BINARY", None, None),
        (
            (BinaryFacts(uid(9), ARM, State.SIGNABLE),),
            "NO_COMPATIBLE_BINARY",
            uid(9),
            State.SIGNABLE,
        ),
        (
            (BinaryFacts(uid(9), ARM, State.SIGNED, ContentHealth.CORRUPT), PORTABLE),
            "CONTENT_CORRUPT",
            uid(9),
            State.SIGNED,
        ),
        (
            (BinaryFacts(uid(9), ARM, State.SIGNED, ContentHealth.MISSING),),
            "CONTENT_CORRUPT",
            uid(9),
            State.SIGNED,
        ),
    ],
)
def test_every_artifact_version_needs_a_binary(
    binaries: tuple[BinaryFacts, ...], reason: str, binary_id: UUID | None, state: State | None
) -> None:
    facts = cohort()
    versions = (*bundle(3), VersionFacts(uid(3333), binaries))
    step = refused(replace(facts, bundles={**facts.bundles, uid(103): versions}))
    assert step.reason == reason
    assert step.facts == {
        "artifact_version_id": uid(3333),
        "target": ARM,
        "binary_id": binary_id,
        "state": state,
    }


def test_a_manifest_holds_each_artifact_version_in_the_order_of_the_bundle() -> None:
    facts = cohort()
    versions = (VersionFacts(uid(3333), (PORTABLE,)), *bundle(3))
    answer = resolve(device(), replace(facts, bundles={**facts.bundles, uid(103): versions}))
    assert answer.manifest == (
        ManifestEntry(uid(3333), uid(8)),
        ManifestEntry(uid(3003), uid(4003)),
    )


def test_a_required_release_that_is_not_servable_lets_no_device_past() -> None:
    facts = cohort(r2={"required": True, "disabled": True})
    assert steps(resolve(device(), facts)) == [
        (3, "REQUIRED"),
        (2, "DISABLED"),
        (1, "SELECTED"),
    ]
    stuck = resolve(ON_1, facts)
    assert (stuck.status, stuck.release_id, stuck.bundle_id) == (Status.NO_UPDATE, None, None)
    assert (stuck.manifest, steps(stuck)) == ((), [(3, "REQUIRED"), (2, "DISABLED")])


def test_where_nothing_is_servable_each_release_says_why() -> None:
    facts = cohort({"scheduled_at": AT + DAY}, r2={"disabled": True})
    answer = resolve(ON_1, facts)
    assert answer.status is Status.NO_UPDATE
    assert steps(answer) == [(3, "SCHEDULED"), (2, "DISABLED")]


# Every generated device.


def test_the_resolver_agrees_with_an_independent_one_and_keeps_every_promise() -> None:
    pairs = 0
    reasons: Counter[str] = Counter()

    @settings(max_examples=oracle.EXAMPLES, deadline=None, database=None)
    @given(st.binary(min_size=oracle.TAPE, max_size=oracle.TAPE))
    def judge(data: bytes) -> None:
        nonlocal pairs
        world = oracle.world(data)
        facts = world.cohort()
        for device in world.devices:
            answer = resolve_update(device, facts, at=AT)
            assert_agrees(answer, oracle.resolve(world, device))
            if answer.release_id is not None:
                assert_promised(world, device, answer)
            if not rests_on_counts(device, facts):
                uncounted = facts.counted(devices=0, claims={}, failures={})
                assert resolve_update(device, uncounted, at=AT) == answer
            reasons.update(step.reason for step in answer.trace)
            pairs += 1

    judge()
    assert pairs >= oracle.EXAMPLES * oracle.DEVICES
    # Worlds in which a reason never comes up would prove nothing about it.
    assert oracle.EXAMPLES < 200 or set(reasons) == set(Reason)


def test_by_default_at_least_20000_pairs_are_tried() -> None:
    assert oracle.DEFAULT_EXAMPLES * oracle.DEVICES >= 20_000


def assert_agrees(answer: UpdateAnswer, expected: oracle.Answer) -> None:
    assert answer.status == expected.status
    assert (answer.release_id, answer.bundle_id) == (expected.release_id, expected.bundle_id)
    assert list(answer.manifest) == expected.manifest
    assert [(step.release_id, step.reason) for step in answer.trace] == expected.trace
    # The trace is complete: every release of the path is in it once, and the answer ends it.
    looked_at = [step.release_id for step in answer.trace if step.release_id is not None]
    if expected.path:
        assert sorted(looked_at) == sorted(release.id for release in expected.path)
    chosen = [s for s in answer.trace if s.release_id and s.reason in ("SELECTED", "PINNED")]
    assert len(chosen) == (answer.status is Status.UPDATE)
    assert not chosen or (chosen[0] is answer.trace[-1])
    assert not chosen or chosen[0].release_id == answer.release_id


def assert_promised(world: oracle.World, device: DeviceFacts, answer: UpdateAnswer) -> None:
    """What no answer may ever be, told without the order of the rules."""
    served = next(release for release in world.releases if release.id == answer.release_id)
    assert not served.disabled
    assert not served.archived
    assert served.scheduled_at is None or served.scheduled_at <= AT
    assert not oracle.affected(world.bundles[served.bundle_id])
    assert len(answer.manifest) == len(world.bundles[served.bundle_id])
    if device.pinned_release_id is None:
        path = oracle.path_of(world, device)
        assert path is not None
        before = path[: path.index(served)]
        assert not any(release.required and not release.archived for release in before)
    else:
        assert served.id == device.pinned_release_id


@pytest.mark.parametrize("claims", [4, 5])
def test_other_counts_of_the_same_graph_give_the_answer_that_they_would_give_anyway(
    claims: int,
) -> None:
    phased = {"phase_value": Decimal("0.5"), "halt_after": 2}
    for failures in (1, 2):
        before = cohort(phased, claims=5, failures=0)
        resolve(ON_1, before)
        after = before.counted(devices=10, claims={uid(3): claims}, failures={uid(3): failures})
        fresh = cohort(phased, claims=claims, failures=failures)
        assert (after, resolve(ON_1, after)) == (
            replace(fresh, graph=before.graph),
            resolve(ON_1, fresh),
        )


def test_what_was_worked_out_of_a_graph_is_shared_by_other_counts() -> None:
    before = cohort()
    held = before.binaries(uid(101), ARM)
    assert before.counted(devices=1, claims={}, failures={}).binaries(uid(101), ARM) is held
