"""Versions: the semantic versions of releases, and which binary of an artifact version serves.

Precedence of semantic versions is that of the `semver` library: a prerelease comes before its
release, and build metadata decides nothing. Source of the rules: the domain, sections 2 and 6 for
artifact versions, 7 and 8 for releases.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from semver import Version

from app.rules.binary import ContentHealth, State
from app.rules.errors import BadUserInput
from app.rules.target import PORTABLE, is_portable
from app.rules.text import label

MAX_VERSION: Final = 128
MAX_REQUIREMENT: Final = 256

_VERSION_FORM: Final = (
    "a semantic version, MAJOR.MINOR.PATCH with an optional -PRERELEASE and +BUILD, "
    f"at most {MAX_VERSION} characters, such as '1.4.0' or '2.0.0-rc.1'"
)
_REQUIREMENT_FORM: Final = (
    "versions, each after one of >=, <=, >, <, ==, != or alone for exactly that one, "
    f"joined by commas, at most {MAX_REQUIREMENT} characters, such as '>=1.2.0, <2.0.0'"
)

# Two characters come before one, so that `>=1.0.0` is not read as `>` and `=1.0.0`.
_COMPARISONS: Final[dict[str, Callable[[Version, Version], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Comparator:
    """One comparison of a requirement, such as `>=1.2.0`."""

    symbol: str
    version: Version

    def allows(self, version: Version) -> bool:
        """Whether `version` passes this comparison, by precedence."""
        return _COMPARISONS[self.symbol](version, self.version)

    def __str__(self) -> str:
        return f"{self.symbol}{self.version}"


@dataclass(frozen=True, slots=True)
class Requirement:
    """Comparisons that a version must pass, every one. Its text is the canonical form."""

    comparators: tuple[Comparator, ...]

    def allows(self, version: Version) -> bool:
        """Whether `version` satisfies the requirement.

        A prerelease is judged by precedence like any other: 2.0.0-rc.1 satisfies `<2.0.0`.
        """
        return all(comparator.allows(version) for comparator in self.comparators)

    def __str__(self) -> str:
        return ", ".join(str(comparator) for comparator in self.comparators)


class Versioned(Protocol):
    """What `VersionIndex` reads of a release."""

    @property
    def id(self) -> UUID: ...
    @property
    def archived(self) -> bool: ...
    @property
    def version(self) -> str | None: ...
    @property
    def version_requirement(self) -> str | None: ...


class VersionIndex:
    """The versions and requirements of one cohort's releases, by the id of the release.

    Raises BadUserInput if a stored version or requirement is malformed.
    """

    def __init__(self, releases: Iterable[Versioned]) -> None:
        ordered = sorted(releases, key=lambda release: release.id, reverse=True)
        self.by_id = {r.id: parse_version(r.version) for r in ordered if r.version is not None}
        self.requirements = {
            r.id: parse_requirement(r.version_requirement)
            for r in ordered
            if r.version_requirement is not None
        }
        # Equal precedence is one key, since the library's equality and hash ignore build metadata.
        self._ids: dict[Version, list[UUID]] = {}
        for release_id, version in self.by_id.items():
            self._ids.setdefault(version, []).append(release_id)
        self._ascending = sorted(self._ids)
        self._archived = {release.id for release in ordered if release.archived}
        self._above: dict[str, UUID | None] = {}

    def equal(self, version: Version) -> UUID | None:
        """The release of this version, archived or not; None if there is none.

        Of versions that differ in build metadata alone, and so are equal, the one of the very
        same text counts, else the highest id.
        """
        same = self._ids.get(version, [])
        if len(same) < 2:
            return same[0] if same else None
        exact = (id for id in same if str(self.by_id[id]) == str(version))
        return next(exact, same[0])

    def above(self, version: Version) -> UUID | None:
        """The unarchived release of the lowest version above this one that takes it.

        None if there is none. Of equal versions the highest id counts.
        """
        text = str(version)
        if text not in self._above:
            ids = (id for above in self._ascending if above > version for id in self._ids[above])
            open_ids = (id for id in ids if id not in self._archived and self.takes(id, version))
            self._above[text] = next(open_ids, None)
        return self._above[text]

    def takes(self, release_id: UUID, version: Version | None) -> bool:
        """Whether a device of this version satisfies the release's requirement.

        So it does if there is no requirement, or the version is unknown (section 8, step 4).
        """
        requirement = self.requirements.get(release_id)
        return requirement is None or version is None or requirement.allows(version)


def parse_version(text: str, *, path: Sequence[str] = ("input", "version")) -> Version:
    """The semantic version that `text` spells, with nothing around it. Raises BadUserInput."""
    version = _version(text)
    if version is None:
        raise BadUserInput(f"{label(path)} must be {_VERSION_FORM}.", path=path)
    return version


@lru_cache(maxsize=4096)
def reported_version(text: str | None) -> Version | None:
    """What a device reported, or None: a malformed version counts as not reported (section 8)."""
    return None if text is None else _version(text)


def parse_requirement(
    text: str, *, path: Sequence[str] = ("input", "versionRequirement")
) -> Requirement:
    """The requirement that `text` spells; spaces around versions and operators are ignored.

    Raises BadUserInput: too long, or a part that is no comparison with a semantic version.
    """
    comparators = (
        [_comparator(part.strip()) for part in text.split(",")]
        if len(text) <= MAX_REQUIREMENT
        else [None]
    )
    known = tuple(comparator for comparator in comparators if comparator is not None)
    if len(known) < len(comparators):
        raise BadUserInput(f"{label(path)} must be {_REQUIREMENT_FORM}.", path=path)
    return Requirement(known)


def _comparator(text: str) -> Comparator | None:
    symbol = next((symbol for symbol in _COMPARISONS if text.startswith(symbol)), "")
    version = _version(text.removeprefix(symbol).strip())
    return None if version is None else Comparator(symbol or "==", version)


def _version(text: str) -> Version | None:
    if len(text) > MAX_VERSION:
        return None
    try:
        return Version.parse(text)
    except ValueError:
        return None


class Match(StrEnum):
    """By which rule a binary was found."""

    TARGET_SPECIFIC = "TARGET_SPECIFIC"
    PORTABLE = "PORTABLE"
    NONE = "NONE"


class BinaryReason(StrEnum):
    """Why a target gets this binary, or none."""

    TARGET_MATCHED = "TARGET_MATCHED"
    PORTABLE_MATCHED = "PORTABLE_MATCHED"
    NO_BINARY_FOR_TARGET = "NO_BINARY_FOR_TARGET"
    NOT_SIGNED = "NOT_SIGNED"
    CONTENT_CORRUPT = "CONTENT_CORRUPT"


@dataclass(frozen=True, slots=True)
class BinaryFacts:
    """One binary; without a content health its content was never looked at."""

    id: UUID
    target: str
    state: State
    content_health: ContentHealth | None = None


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """One artifact version of a bundle with all its binaries, destroyed ones too."""

    artifact_version_id: UUID
    binaries: tuple[BinaryFacts, ...]


class AffectedTarget(NamedTuple):
    """A target of an artifact version that lost its binaries to destruction, and has no other."""

    artifact_version_id: UUID
    target: str
    binary_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class BinaryAnswer:
    """The binary for a target, and why; `candidates` are those considered, the decisive one first.

    `state` is that of the decisive candidate, None if there is no candidate.
    """

    binary_id: UUID | None
    match: Match
    reason: BinaryReason
    state: State | None
    candidates: tuple[BinaryFacts, ...]


def affected_targets(version: VersionFacts) -> tuple[AffectedTarget, ...]:
    """The targets with a destroyed binary and no signed one of that same target (section 6)."""
    signed = {binary.target for binary in version.binaries if binary.state == State.SIGNED}
    lost: dict[str, list[UUID]] = {}
    for binary in version.binaries:
        if binary.state == State.DESTROYED and binary.target not in signed:
            lost.setdefault(binary.target, []).append(binary.id)
    return tuple(
        AffectedTarget(version.artifact_version_id, target, tuple(sorted(lost[target])))
        for target in sorted(lost)
    )


def affected_by(bundle: Iterable[VersionFacts]) -> tuple[AffectedTarget, ...]:
    """What makes a bundle affected, in its order; nothing if it is not."""
    return tuple(target for version in bundle for target in affected_targets(version))


def resolve_binary(target: str, binaries: Iterable[BinaryFacts]) -> BinaryAnswer:
    """The binary of an artifact version that serves a device of this target (section 2).

    Among the signed ones that of the target, else the portable one. One whose content is corrupt
    or missing is not replaced by the portable one: the answer is none. Of several that are not
    signed, the reason tells the state of one that is not destroyed, of the target first.
    """

    def preference(binary: BinaryFacts) -> tuple[bool, bool, bool, UUID]:
        state = binary.state
        portable = is_portable(binary.target)
        return state != State.SIGNED, state == State.DESTROYED, portable, binary.id

    fitting = (binary for binary in binaries if binary.target in (target, PORTABLE))
    candidates = tuple(sorted(fitting, key=preference))
    if not candidates:
        return BinaryAnswer(None, Match.NONE, BinaryReason.NO_BINARY_FOR_TARGET, None, ())
    best = candidates[0]
    if best.state != State.SIGNED:
        return BinaryAnswer(None, Match.NONE, BinaryReason.NOT_SIGNED, best.state, candidates)
    if best.content_health in (ContentHealth.CORRUPT, ContentHealth.MISSING):
        return BinaryAnswer(None, Match.NONE, BinaryReason.CONTENT_CORRUPT, best.state, candidates)
    if is_portable(best.target):
        match, reason = Match.PORTABLE, BinaryReason.PORTABLE_MATCHED
    else:
        match, reason = Match.TARGET_SPECIFIC, BinaryReason.TARGET_MATCHED
    return BinaryAnswer(best.id, match, reason, best.state, candidates)
