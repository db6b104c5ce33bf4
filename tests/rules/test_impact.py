from collections import Counter, defaultdict
from collections.abc import Hashable
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rules.binary import ContentHealth, State
from app.rules.cohort import CohortFacts, DeviceFacts
from app.rules.impact import (
    Counts,
    Difference,
    Effect,
    ReleaseFlags,
    after_destroying,
    before_losing,
    compare,
    count,
    effects,
    group_key,
    is_affected,
    newly_affected,
    to_accept,
)
from app.rules.release import CohortGraph, ReleaseFacts
from app.rules.resolution import UpdateAnswer, resolve_update
from app.rules.version import BinaryFacts, VersionFacts
from tests.rules import oracle
from tests.rules.oracle import ARM, AT, COHORT, X86


def uid(number: int) -> UUID:
    return UUID(int=number)


def release(number: int, next_number: int | None, **more: object) -> ReleaseFacts:
    next_id = None if next_number is None else uid(next_number)
    return replace(ReleaseFacts(uid(number), next_id, uid(100 + number)), **more)  # type: ignore[arg-type]


def bundle(number: int, *more: BinaryFacts) -> tuple[VersionFacts, ...]:
    signed = BinaryFacts(uid(400 + number), ARM, State.SIGNED)
    return (VersionFacts(uid(300 + number), (signed, *more)),)


def cohort(*releases: ReleaseFacts) -> CohortFacts:
    """Release n has bundle 100 + n, with the one binary 400 + n, signed, for ARM."""
    bundles = {r.bundle_id: bundle(r.id.int) for r in releases}
    return CohortFacts(CohortGraph(releases), 10, bundles)


def on(number: int | None, **more: object) -> DeviceFacts:
    reported = None if number is None else uid(number)
    facts = DeviceFacts(uid(1), ARM, COHORT, reported_release_id=reported)
    return replace(facts, **more)  # type: ignore[arg-type]


CHAIN = cohort(release(1, 2), release(2, 3), release(3, None))
GATED = cohort(release(1, 2), release(2, 3, required=True), release(3, None))


# What is affected.


def test_a_bundle_is_affected_by_a_destroyed_binary_without_replacement() -> None:
    lost = BinaryFacts(uid(1), X86, State.DESTROYED)
    assert is_affected(()) is False
    assert is_affected(bundle(1)) is False
    assert is_affected(bundle(1, lost)) is True
    assert is_affected((*bundle(1), *bundle(2, lost))) is True
    assert is_affected(bundle(1, lost, BinaryFacts(uid(2), X86, State.SIGNED))) is False


@pytest.mark.parametrize("health", [ContentHealth.CORRUPT, ContentHealth.MISSING])
def test_a_loss_is_counted_as_if_the_content_were_whole_before(health: ContentHealth) -> None:
    """A device that damage keeps from its update loses none by the destruction, but by the loss."""
    versions = CHAIN.bundles[uid(103)]
    damaged = replace(versions[0].binaries[0], content_health=health)
    bundles = {**CHAIN.bundles, uid(103): (replace(versions[0], binaries=(damaged,)),)}
    now = replace(CHAIN, bundles=bundles)
    whole = before_losing(now, [uid(403), uid(999)])
    after = after_destroying(now, [uid(403)])
    devices = [(on(2), 7)]
    assert count(devices, now, after, at=AT) == Counts(0, 0)
    assert count(devices, whole, after, at=AT) == Counts(7, 0)
    assert before_losing(now, [uid(402)]).bundles[uid(103)] == now.bundles[uid(103)]
    assert effects(whole, after, [uid(403)]) == effects(now, after, [uid(403)])


def test_after_destroying_these_binaries_and_no_others_are_destroyed() -> None:
    after = after_destroying(CHAIN, [uid(402), uid(999)])
    states = {
        binary.id.int: binary.state
        for versions in after.bundles.values()
        for version in versions
        for binary in version.binaries
    }
    assert states == {401: State.SIGNED, 402: State.DESTROYED, 403: State.SIGNED}
    assert newly_affected(CHAIN, after) == {uid(2)}
    assert newly_affected(after, after) == frozenset()
    # The facts asked before are as they were.
    assert newly_affected(CHAIN, CHAIN) == frozenset()


def test_effects_tell_what_is_newly_affected_and_what_was_already() -> None:
    shared = replace(release(3, None), bundle_id=uid(102))
    facts = cohort(release(1, 2), release(2, 3), shared)
    lost = BinaryFacts(uid(9), X86, State.DESTROYED)
    facts = replace(facts, bundles={uid(101): bundle(1, lost), uid(102): bundle(2)})
    assert effects(facts, after_destroying(facts, [uid(401), uid(402)]), [uid(401), uid(402)]) == {
        uid(1): Effect.ALREADY_AFFECTED,
        uid(2): Effect.NEWLY_AFFECTED,
        uid(3): Effect.NEWLY_AFFECTED,
    }
    assert effects(facts, after_destroying(facts, [uid(401)]), [uid(401)]) == {
        uid(1): Effect.ALREADY_AFFECTED
    }
    assert effects(facts, after_destroying(facts, []), []) == {}


# Plan tokens.


def test_a_token_carries_the_newly_affected_releases_that_are_not_archived() -> None:
    facts = cohort(
        release(1, 2, required=True), release(2, 3, archived=True), release(3, 4), release(4, None)
    )
    after = after_destroying(facts, [uid(401), uid(402), uid(404)])
    assert to_accept(facts, after) == {
        uid(1): ReleaseFlags(required=True, latest=False),
        uid(4): ReleaseFlags(required=False, latest=True),
    }
    assert to_accept(after, after) == {}


A, B, C = uid(1), uid(2), uid(3)


@pytest.mark.parametrize(
    ("now", "accepted", "added", "removed"),
    [
        ({A: (True, False), B: (False, True)}, True, (), ()),
        ({A: (True, False)}, True, (), (B,)),
        ({}, True, (), (A, B)),
        ({A: (True, False), B: (False, True), C: (False, False)}, False, (C,), ()),
        ({A: (False, False), B: (False, True)}, False, (A,), ()),
        ({A: (True, True), B: (False, False)}, False, (A, B), ()),
        ({C: (False, False)}, False, (C,), (A, B)),
    ],
)
def test_equal_or_less_than_what_was_accepted_is_accepted(
    now: dict[UUID, tuple[bool, bool]],
    accepted: bool,
    added: tuple[UUID, ...],
    removed: tuple[UUID, ...],
) -> None:
    token = {B: ReleaseFlags(False, True), A: ReleaseFlags(True, False)}
    difference = compare(token, now)
    assert difference == Difference(added=added, removed=removed)
    assert difference.is_accepted is accepted


# Losing and stuck.


def counted(facts: CohortFacts, lost: list[int], *devices: DeviceFacts) -> Counts:
    after = after_destroying(facts, [uid(number) for number in lost])
    return count([(device, 1) for device in devices], facts, after, at=AT)


@pytest.mark.parametrize(
    ("facts", "lost", "device", "losing", "stuck"),
    [
        # The answer was release 3 and is release 2.
        (CHAIN, [403], on(1), 1, 0),
        (CHAIN, [402, 403], on(1), 1, 0),
        # The answer stays release 3.
        (CHAIN, [401, 402], on(1), 0, 0),
        (CHAIN, [403], on(3), 0, 0),
        # The required release was the answer, and is nobody's way any longer.
        (GATED, [402], on(1), 1, 1),
        (GATED, [402], on(2), 0, 0),
        # It steps back to release 1: it loses its update and is not stuck.
        (GATED, [402], on(None), 1, 0),
        (GATED, [401, 402], on(None), 1, 1),
        (GATED, [403], on(1), 0, 0),
        # Judged alone: these are no NO_UPDATE, or have no path.
        (GATED, [402], on(1, quarantined=True), 0, 0),
        (GATED, [402], on(1, product_archived=True), 0, 0),
        (GATED, [402], on(1, cohort_id=None), 0, 0),
        (GATED, [402], on(1, pinned_release_id=uid(2)), 1, 0),
        (GATED, [402], on(1, reported_release_id=None, reported_version="9.0.0"), 0, 0),
    ],
)
def test_which_device_loses_its_update_and_which_is_stuck(
    facts: CohortFacts, lost: list[int], device: DeviceFacts, losing: int, stuck: int
) -> None:
    assert counted(facts, lost, device) == Counts(losing, stuck)


def test_stuck_needs_a_required_unarchived_release_that_is_newly_affected() -> None:
    archived = cohort(release(1, 2), release(2, 3, required=True, archived=True), release(3, None))
    assert counted(archived, [402, 403], on(1)) == Counts(losing=1, stuck=0)
    already = after_destroying(GATED, [uid(402)])
    assert counted(already, [402, 403], on(1)) == Counts(losing=0, stuck=0)
    # A device that had no update before is stuck all the same, also by what is behind a gate.
    disabled = cohort(release(1, 2), release(2, 3, required=True, disabled=True), release(3, None))
    assert counted(disabled, [402], on(1)) == Counts(losing=0, stuck=1)
    two = cohort(
        release(1, 2), release(2, 3, required=True, disabled=True), release(3, None, required=True)
    )
    assert counted(two, [403], on(1)) == Counts(losing=0, stuck=1)


def test_a_device_counts_for_as_many_as_it_stands_for() -> None:
    after = after_destroying(GATED, [uid(402)])
    devices = [(on(1), 7), (on(2), 5), (on(None), 3)]
    assert count(devices, GATED, after, at=AT) == Counts(losing=10, stuck=7)


# Groups.


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        (on(1), on(1, id=uid(2)), True),
        (on(1), on(1, tags=frozenset({"any"}), claims=frozenset({uid(3)})), True),
        (on(1), on(1, reported_version="9.0.0", reported_bundle_id=uid(7)), True),
        (on(1, quarantined=True), on(2, quarantined=True, target=X86), True),
        (on(1, product_archived=True), on(2, product_archived=True), True),
        (on(1, cohort_id=None), on(2, cohort_id=None), True),
        (on(1, cohort_id=None), on(1, product_archived=True), False),
        (on(1, quarantined=True), on(1, product_archived=True), False),
        (on(1), on(2), False),
        (on(None), on(3), False),
        (on(1), on(1, target=X86), False),
        (on(1), on(1, pinned_release_id=uid(2)), False),
        (on(1), on(1, quarantined=True), False),
    ],
)
def test_devices_fall_together_that_the_resolver_can_not_tell_apart(
    one: DeviceFacts, other: DeviceFacts, together: bool
) -> None:
    assert (group_key(one, CHAIN) == group_key(other, CHAIN)) is together


def test_without_the_facts_of_a_cohort_devices_fall_together() -> None:
    assert group_key(on(1), None) == group_key(on(2), None)


def test_the_impact_of_generated_fleets_is_what_happens_when_the_binaries_are_destroyed() -> None:
    grouped: Counter[str] = Counter()

    @settings(max_examples=max(1, oracle.EXAMPLES // 3), deadline=None, database=None)
    @given(
        st.binary(min_size=oracle.TAPE, max_size=oracle.TAPE),
        st.integers(min_value=0, max_value=2**24 - 1),
    )
    def judge(data: bytes, chosen: int) -> None:
        world = oracle.world(data)
        signed = [
            binary.id
            for versions in world.bundles.values()
            for version in versions
            for binary in version.binaries
            if binary.state is State.SIGNED
        ]
        ids = {id for place, id in enumerate(signed) if chosen >> place & 1}
        before, after = world.cohort(), after_destroying(world.cohort(), ids)
        groups: dict[Hashable, list[DeviceFacts]] = defaultdict(list)
        for device in world.devices:
            groups[group_key(device, before)].append(device)
        counts = count([(g[0], len(g)) for g in groups.values()], before, after, at=AT)
        assert counts == naive(world, ids)
        for facts in (before, after):
            for group in groups.values():
                answers = [resolve_update(device, facts, at=AT) for device in group]
                assert len({told(answer) for answer in answers}) == 1
        grouped["devices"] += len(world.devices)
        grouped["groups"] += len(groups)
        grouped["losing"] += counts.losing
        grouped["stuck"] += counts.stuck

    judge()
    assert grouped["devices"] >= oracle.EXAMPLES // 3 * oracle.DEVICES
    assert oracle.EXAMPLES < 200 or min(grouped["losing"], grouped["stuck"]) > 0
    assert oracle.EXAMPLES < 200 or grouped["groups"] < grouped["devices"]


def told(answer: UpdateAnswer) -> Hashable:
    """What devices of one group have in common: all but the facts of the trace."""
    reasons = tuple((step.release_id, step.reason) for step in answer.trace)
    current = answer.place.current if answer.place else None
    return answer.status, answer.release_id, answer.bundle_id, answer.manifest, reasons, current


def naive(world: oracle.World, ids: set[UUID]) -> Counts:
    """Section 6, with the independent resolver: every device before and after."""
    after = oracle.destroy(world, ids)
    losing = stuck = 0
    for device in world.devices:
        now, then = oracle.resolve(world, device), oracle.resolve(after, device)
        losing += now.status == "UPDATE" and then.release_id != now.release_id
        stuck += then.status == "NO_UPDATE" and any(
            release.required
            and not release.archived
            and oracle.affected(after.bundles[release.bundle_id])
            and not oracle.affected(world.bundles[release.bundle_id])
            for release in now.path
        )
    return Counts(losing, stuck)


def test_a_binary_that_was_replaced_affects_nothing_any_more() -> None:
    destroyed = BinaryFacts(uid(401), "a-b", State.DESTROYED)
    replacement = BinaryFacts(uid(402), "a-b", State.SIGNED)
    versions = (VersionFacts(uid(301), (destroyed, replacement)),)
    release = ReleaseFacts(uid(1), None, uid(201))
    facts = CohortFacts(CohortGraph([release]), 0, {uid(201): versions})
    assert effects(facts, after_destroying(facts, [uid(401)]), [uid(401)]) == {}
