"""An independent resolver, written naively from the text of the domain, and worlds to try it on.

It shares no code with the rules but their facts: no index, no cache, no verdicts. Each device is
judged with a plain walk over plain lists, so that a mistake is unlikely to be made twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import TypeVar
from uuid import UUID

from semver import Version

from app.rules.binary import ContentHealth, State
from app.rules.cohort import CohortFacts, DeviceFacts
from app.rules.release import CohortGraph, ReleaseFacts
from app.rules.version import BinaryFacts, VersionFacts

DEFAULT_EXAMPLES = 1000
EXAMPLES = int(os.environ.get("BINDERY_EXAMPLES", DEFAULT_EXAMPLES))
DEVICES = 20
TAPE = 560
AT = datetime(2030, 1, 1, tzinfo=UTC)
COHORT = UUID(int=0xC0)
ARM, X86 = "arm-linux-gnueabihf", "x86_64-unknown-linux-gnu"

_VERSIONS = ("1.0.0", "1.1.0", "2.0.0-rc.1", "2.0.0", "2.0.0+nightly", "2.1.0", "3.0.0", "10.0.0")
_REQUIREMENTS = (">=1.0.0", "<2.0.0", ">=1.1.0, <3.0.0", "1.0.0", "!=2.0.0", "> 2.0.0-rc.1")
_REPORTED = (*_VERSIONS, "0.9.0", "1.0.5", "2.0.0+other", "99.0.0", "1.0", "v1.0.0", "")
_TAGS = ("beta", "lab", "field")

T = TypeVar("T")

Trace = list[tuple[UUID | None, str]]


@dataclass
class Answer:
    """What the oracle says, with the path that it walked."""

    status: str
    release_id: UUID | None = None
    bundle_id: UUID | None = None
    manifest: list[tuple[UUID, UUID]] = field(default_factory=list)
    trace: Trace = field(default_factory=list)
    path: list[ReleaseFacts] = field(default_factory=list)


@dataclass
class World:
    """A cohort and some devices."""

    releases: list[ReleaseFacts]
    bundles: dict[UUID, tuple[VersionFacts, ...]]
    claims: dict[UUID, int]
    failures: dict[UUID, int]
    size: int
    devices: list[DeviceFacts]

    def cohort(self) -> CohortFacts:
        """The same facts, as the rules want them."""
        return CohortFacts(
            graph=CohortGraph(self.releases),
            devices=self.size,
            bundles=self.bundles,
            claims=self.claims,
            failures=self.failures,
        )


def resolve(world: World, device: DeviceFacts) -> Answer:
    """Section 8, step by step."""
    if device.quarantined:
        return Answer("DEVICE_QUARANTINE", trace=[(None, "QUARANTINED")])
    if device.product_archived:
        return Answer("NO_UPDATE", trace=[(None, "PRODUCT_ARCHIVED")])
    if device.cohort_id is None:
        return Answer("NO_UPDATE", trace=[(None, "NO_COHORT")])
    current, by_bundle = current_release(world, device)
    version = _text(device)
    if current is not None and current.version is not None:
        version = current.version
    if device.pinned_release_id is not None:
        return _pinned(world, device, current, by_bundle, version)
    path = path_of(world, device)
    if path is None:
        return Answer("NO_UPDATE", trace=[(None, "NO_MATCHING_VERSION")])
    rest = [release for release in path if not release.archived]
    if not rest:
        trace: Trace = [(release.id, "ARCHIVED") for release in path]
        return Answer("NO_UPDATE", trace=[*trace, (None, "UP_TO_DATE")], path=path)
    reach = rest[: 1 + [*(release.required for release in rest), True].index(True)]
    judged: Trace = []
    chosen: ReleaseFacts | None = None
    while reach and chosen is None:
        release = reach.pop()
        reason = refusal(world, device, release, version)
        judged.append((release.id, reason or "SELECTED"))
        chosen = None if reason else release
    seen = [id for id, _ in judged]
    before = {release.id for release in reach}
    trace = [
        (r.id, "ARCHIVED" if r.archived else "SKIPPED" if r.id in before else "REQUIRED")
        for r in path
        if r.id not in seen
    ]
    if chosen is None:
        return Answer("NO_UPDATE", trace=trace + judged, path=path)
    return _served(world, device, chosen, trace + judged, path)


def current_release(world: World, device: DeviceFacts) -> tuple[ReleaseFacts | None, bool]:
    """Rules (a), (b) and the first half of (c) of step 2, and whether (b) it was."""
    for release in world.releases:
        if release.id == device.reported_release_id:
            return release, False
    holding = [r for r in world.releases if r.bundle_id == device.reported_bundle_id]
    if holding:
        nearest = min(len(_onwards(world, release)) for release in holding)
        holding = [release for release in holding if len(_onwards(world, release)) == nearest]
        return max(holding, key=lambda release: release.id), True
    text = _text(device)
    if text is None:
        return None, False
    same = [r for r in world.releases if r.version and Version.parse(r.version).match(f"=={text}")]
    exact = [release for release in same if release.version == text]
    return max(exact or same, key=lambda release: release.id, default=None), False


def path_of(world: World, device: DeviceFacts) -> list[ReleaseFacts] | None:
    """Step 2: None is no matching version."""
    current, _ = current_release(world, device)
    if current is not None:
        return _onwards(world, current)[1:]
    live = [release for release in world.releases if not release.archived]
    text = _text(device)
    if text is not None:
        above = [
            release
            for release in live
            if release.version
            and Version.parse(release.version).match(f">{text}")
            and satisfies(text, release.version_requirement)
        ]
        if not above:
            return None
        lowest = min(Version.parse(release.version or "") for release in above)
        lows = [r for r in above if Version.parse(r.version or "") == lowest]
        return _onwards(world, max(lows, key=lambda release: release.id))
    starts = [r for r in live if not any(r in _onwards(world, o)[1:] for o in live)]
    return _onwards(world, min(starts, key=lambda release: release.id)) if starts else []


def refusal(
    world: World, device: DeviceFacts, release: ReleaseFacts, version: str | None
) -> str | None:
    """Step 4: why this release is not servable to this device."""
    versions = world.bundles[release.bundle_id]
    if release.archived:
        return "ARCHIVED"
    if release.disabled:
        return "DISABLED"
    if affected(versions):
        return "AFFECTED"
    if release.scheduled_at is not None and release.scheduled_at > AT:
        return "SCHEDULED"
    if release.id not in device.claims:
        if release.phase_tags and not any(tag in release.phase_tags for tag in device.tags):
            return "TAG_MISMATCH"
        if release.phase_value is not None and world.claims.get(release.id, 0) >= places(
            release.phase_value, world.size
        ):
            return "PHASE_FULL"
    if release.halt_after and world.failures.get(release.id, 0) >= release.halt_after:
        return "PHASE_HALTED"
    if version is not None and not satisfies(version, release.version_requirement):
        return "VERSION_REQUIREMENT"
    for facts in versions:
        found = binary_for(device.target, facts)
        if isinstance(found, str):
            return "CONTENT_CORRUPT" if found == "CONTENT_CORRUPT" else "NO_COMPATIBLE_BINARY"
    return None


def affected(versions: Sequence[VersionFacts]) -> bool:
    """Section 6, first sentence."""
    for facts in versions:
        for binary in facts.binaries:
            if binary.state == "DESTROYED":
                same = [other for other in facts.binaries if other.target == binary.target]
                if not any(other.state == "SIGNED" for other in same):
                    return True
    return False


def binary_for(target: str, facts: VersionFacts) -> UUID | str:
    """Section 2: the id, or the reason for none."""
    for wanted in (target, "portable"):
        for binary in facts.binaries:
            if binary.target == wanted and binary.state == "SIGNED":
                bad = binary.content_health in ("CORRUPT", "MISSING")
                return "CONTENT_CORRUPT" if bad else binary.id
    return "NONE"


def places(value: Decimal, devices: int) -> float:
    """Section 7: how many devices a phase takes."""
    if value == 1:
        return float("inf")
    if value >= 2:
        return int(value)
    share = (value * devices).to_integral_value(rounding=ROUND_FLOOR)
    return max(1, int(share)) if value > 0 else 0


def satisfies(version: str, requirement: str | None) -> bool:
    """Each comparator by itself, as the library reads it."""
    parts = (requirement or "").replace(" ", "").split(",")
    return all(Version.parse(version).match(part) for part in parts if part)


def destroy(world: World, ids: set[UUID]) -> World:
    """The same world without the content of these binaries."""
    bundles = {}
    for bundle_id, versions in world.bundles.items():
        changed = []
        for facts in versions:
            binaries = []
            for b in facts.binaries:
                state = State.DESTROYED if b.id in ids else b.state
                binaries.append(BinaryFacts(b.id, b.target, state, b.content_health))
            changed.append(VersionFacts(facts.artifact_version_id, tuple(binaries)))
        bundles[bundle_id] = tuple(changed)
    return World(world.releases, bundles, world.claims, world.failures, world.size, world.devices)


def _pinned(
    world: World,
    device: DeviceFacts,
    current: ReleaseFacts | None,
    by_bundle: bool,
    version: str | None,
) -> Answer:
    pinned = [release for release in world.releases if release.id == device.pinned_release_id]
    if not pinned:
        return Answer("NO_UPDATE", trace=[(None, "PINNED")])
    installed = [current.id] if current else []
    if by_bundle:
        installed = [r.id for r in world.releases if r.bundle_id == device.reported_bundle_id]
    if pinned[0].id in installed:
        return Answer("NO_UPDATE", trace=[(None, "UP_TO_DATE")])
    reason = refusal(world, device, pinned[0], version)
    if reason:
        return Answer("NO_UPDATE", trace=[(pinned[0].id, reason)])
    return _served(world, device, pinned[0], [(pinned[0].id, "PINNED")], [])


def _served(
    world: World,
    device: DeviceFacts,
    release: ReleaseFacts,
    trace: Trace,
    path: list[ReleaseFacts],
) -> Answer:
    manifest = []
    for facts in world.bundles[release.bundle_id]:
        found = binary_for(device.target, facts)
        assert isinstance(found, UUID)
        manifest.append((facts.artifact_version_id, found))
    return Answer("UPDATE", release.id, release.bundle_id, manifest, trace, path)


def _onwards(world: World, release: ReleaseFacts) -> list[ReleaseFacts]:
    walk = [release]
    while walk[-1].next_id is not None:
        walk.append(next(other for other in world.releases if other.id == walk[-1].next_id))
    return walk


def _text(device: DeviceFacts) -> str | None:
    text = device.reported_version
    return text if text is not None and Version.is_valid(text) else None


class Tape:
    """Choices read off bytes, so that one drawn value makes a world and shrinks with it.

    Zero is the plain choice everywhere, and so is all that comes after the end.
    """

    def __init__(self, data: bytes) -> None:
        self._bytes = iter(data)

    def below(self, limit: int) -> int:
        """A whole number from 0 to `limit` - 1."""
        return next(self._bytes, 0) % limit

    def chance(self, percent: int) -> bool:
        """True about so often."""
        return next(self._bytes, 0) * 100 >= 256 * (100 - percent)

    def pick(self, options: Sequence[T]) -> T:
        """One of these."""
        return options[self.below(len(options))]


def world(data: bytes) -> World:
    """A cohort of 0 to 8 releases over 1 to 3 bundles, and `DEVICES` devices."""
    tape = Tape(data)
    bundles = {UUID(int=0xB00 + n): _bundle(tape, n) for n in range(1 + tape.below(3))}
    size = tape.below(12)
    spare = list(range(1, 9))
    ids = [UUID(int=0xA00 + spare.pop(tape.below(len(spare)))) for _ in range(tape.below(9))]
    texts: list[str | None] = [*_VERSIONS]
    releases = [
        _release(tape, ids, place, [*bundles], texts.pop(tape.below(len(texts))))
        for place in range(len(ids))
    ]
    claims = {id: tape.below(4) for id in ids}
    failures = {id: tape.below(3) for id in ids}
    devices = [_device(tape, number, ids, [*bundles]) for number in range(DEVICES)]
    return World(releases, bundles, claims, failures, size, devices)


def _bundle(tape: Tape, number: int) -> tuple[VersionFacts, ...]:
    return tuple(
        VersionFacts(
            UUID(int=0xD000 + 16 * number + place),
            tuple(_binaries(tape, 0xE0000 + 4096 * number + 64 * place)),
        )
        for place in range(1 + tape.below(2))
    )


def _binaries(tape: Tape, first: int) -> Iterator[BinaryFacts]:
    """Of each target at most one that is not destroyed, as the database has it."""
    for place, target in enumerate((ARM, "portable", X86)):
        id = UUID(int=first + 2 * place)
        if tape.chance(8):
            yield BinaryFacts(UUID(int=id.int + 1), target, State.DESTROYED)
        if tape.chance(20 * place):
            continue
        state = State.SIGNABLE if tape.chance(6) else State.SIGNED
        health = tape.pick((*ContentHealth, None)) if tape.chance(10) else None
        yield BinaryFacts(id, target, state, health)


def _release(
    tape: Tape, ids: list[UUID], place: int, bundles: list[UUID], version: str | None
) -> ReleaseFacts:
    """The release of this place; it points to one of those after it, mostly the next."""
    after = ids[place + 1 :]
    days = tape.pick((-1, 0, 1))
    phase = tape.below(4) if tape.chance(35) else -1
    values = ("0", "0.1", "0.25", "0.5", "1", "2", "3")
    return ReleaseFacts(
        id=ids[place],
        next_id=tape.pick(after) if after and tape.chance(30) else (after[0] if after else None),
        bundle_id=tape.pick(bundles),
        required=tape.chance(15),
        disabled=tape.chance(10),
        archived=tape.chance(15),
        scheduled_at=AT + timedelta(days=days) if tape.chance(20) else None,
        phase_value=Decimal(tape.pick(values)) if phase > 0 else None,
        phase_tags=frozenset({tape.pick(_TAGS)}) if phase == 0 else frozenset(),
        version=version if tape.chance(60) else None,
        version_requirement=tape.pick(_REQUIREMENTS) if tape.chance(25) else None,
        halt_after=1 + tape.below(3) if tape.chance(20) else None,
    )


def _device(tape: Tape, number: int, ids: list[UUID], bundles: list[UUID]) -> DeviceFacts:
    releases, foreign = [*ids, UUID(int=0xFFF)], UUID(int=0xFFE)
    return DeviceFacts(
        id=UUID(int=0xF000 + number),
        target=ARM if tape.chance(80) else X86,
        cohort_id=None if tape.chance(3) else COHORT,
        tags=frozenset({tape.pick(_TAGS)}) if tape.chance(50) else frozenset(),
        quarantined=tape.chance(3),
        product_archived=tape.chance(3),
        pinned_release_id=tape.pick(releases) if tape.chance(12) else None,
        reported_release_id=tape.pick(releases) if tape.chance(35) else None,
        reported_bundle_id=tape.pick([*bundles, foreign]) if tape.chance(25) else None,
        reported_version=tape.pick(_REPORTED) if tape.chance(45) else None,
        claims=frozenset(id for id in ids[:4] if tape.chance(12)),
    )
