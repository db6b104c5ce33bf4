"""What may be bound into a bundle (domain, section 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from app.rules.binary import State
from app.rules.errors import (
    BadUserInput,
    BundleAffected,
    BundleEmpty,
    DuplicateVersion,
    VersionAffected,
    VersionNotFound,
    VersionNotSigned,
)
from app.rules.prn import Kind, format_prn
from app.rules.version import VersionFacts, affected_by

MAX_VERSIONS: Final = 1_000
_FIELD: Final = ("input", "artifactVersionIds")


def check_list(ids: Sequence[UUID]) -> None:
    """Check the list by itself: 1 to 1,000 artifact versions, none twice.

    Raises BundleEmpty, DuplicateVersion with the index of the second, or BadUserInput.
    """
    if not ids:
        raise BundleEmpty("A bundle holds at least one artifact version.", path=_FIELD)
    if len(ids) > MAX_VERSIONS:
        raise BadUserInput(f"A bundle holds at most {MAX_VERSIONS} artifact versions.", path=_FIELD)
    seen: set[UUID] = set()
    for index, id in enumerate(ids):
        if id in seen:
            raise DuplicateVersion(
                f"The artifact version at index {index} is in the list already.",
                index=index,
                path=(*_FIELD, str(index)),
            )
        seen.add(id)


def check_versions(ids: Sequence[UUID], known: Mapping[UUID, VersionFacts]) -> None:
    """Check that each version exists, has a signed binary, and no target lost to destruction.

    Raises VersionNotFound, VersionNotSigned or VersionAffected for the first that does not.
    """
    for index, id in enumerate(ids):
        path = (*_FIELD, str(index))
        version = known.get(id)
        if version is None:
            raise VersionNotFound(
                "There is no artifact version with this id.", index=index, path=path
            )
        affected = affected_by([version])
        if affected:
            raise VersionAffected(
                f"The binary for target {affected[0].target} of the artifact version at index"
                f" {index} was destroyed; sign a replacement for that target first.",
                index=index,
                path=path,
            )
        if not any(binary.state is State.SIGNED for binary in version.binaries):
            raise VersionNotSigned(
                f"The artifact version at index {index} has no signed binary.",
                index=index,
                path=path,
            )


def check_releasable(versions: Sequence[VersionFacts], *, organization_id: UUID) -> None:
    """Check that a bundle may be released: none of its targets was lost. Raises BundleAffected."""
    affected = affected_by(versions)
    if affected:
        raise BundleAffected(
            f"The bundle is affected: its binary for target {affected[0].target} was destroyed"
            " and not replaced.",
            binary_ids=[
                format_prn(Kind.BINARY, organization_id, id)
                for target in affected
                for id in target.binary_ids
            ],
            path=("input", "bundleId"),
        )
