from uuid import UUID

import pytest

from app.rules.binary import State
from app.rules.bundle import MAX_VERSIONS, check_list, check_releasable, check_versions
from app.rules.errors import (
    BadUserInput,
    BundleAffected,
    BundleEmpty,
    DuplicateVersion,
    VersionAffected,
    VersionNotFound,
    VersionNotSigned,
)
from app.rules.version import BinaryFacts, VersionFacts

ORGANIZATION = UUID(int=0xACE)
ARM, X86, PORTABLE = "arm-linux-gnueabihf", "x86_64-unknown-linux-gnu", "portable"
FIELD = ("input", "artifactVersionIds")
LOST_AT_1 = (
    f"The binary for target {ARM} of the artifact version at index 1 was destroyed; sign a"
    " replacement for that target first."
)


def uid(number: int) -> UUID:
    return UUID(int=number)


def version(number: int, **binaries: State) -> VersionFacts:
    """An artifact version with a binary for each target named; binary n of version v is 10v + n."""
    targets = {"arm": ARM, "arm_again": ARM, "x86": X86, "portable": PORTABLE}
    facts = (
        BinaryFacts(uid(10 * number + place), targets[name], state)
        for place, (name, state) in enumerate(binaries.items(), start=1)
    )
    return VersionFacts(uid(number), tuple(facts))


SIGNED = version(1, arm=State.SIGNED)
REPLACED = version(2, arm=State.DESTROYED, arm_again=State.SIGNED)
LOST = version(3, arm=State.DESTROYED, portable=State.SIGNED)
BEING_REPLACED = version(4, arm=State.DESTROYED, arm_again=State.SIGNABLE)
UNSIGNED = version(5, arm=State.SIGNABLE, portable=State.HASHING)
EMPTY = version(6)
LOST_TWICE = version(7, arm=State.DESTROYED, arm_again=State.DESTROYED, x86=State.DESTROYED)
KNOWN = {
    one.artifact_version_id: one
    for one in (SIGNED, REPLACED, LOST, BEING_REPLACED, UNSIGNED, EMPTY, LOST_TWICE)
}


# The list by itself.


def test_a_list_of_1_to_1000_versions_is_fine() -> None:
    check_list([uid(1)])
    check_list([uid(number) for number in range(MAX_VERSIONS)])


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(BundleEmpty) as refused:
        check_list([])
    assert (refused.value.code, refused.value.path) == ("BUNDLE_EMPTY", FIELD)


def test_a_list_of_1001_versions_is_refused() -> None:
    with pytest.raises(BadUserInput, match="at most 1000") as refused:
        check_list([uid(number) for number in range(MAX_VERSIONS + 1)])
    assert refused.value.path == FIELD


def test_a_version_that_is_in_the_list_twice_is_refused_at_its_second_place() -> None:
    with pytest.raises(DuplicateVersion) as refused:
        check_list([uid(1), uid(2), uid(1), uid(2)])
    assert (refused.value.index, refused.value.path) == (2, (*FIELD, "2"))


# The versions.


def test_signed_and_replaced_versions_may_be_bound() -> None:
    check_versions([uid(2), uid(1)], KNOWN)
    check_versions([], KNOWN)


@pytest.mark.parametrize(
    ("number", "refusal", "message"),
    [
        (99, VersionNotFound, "There is no artifact version with this id."),
        (3, VersionAffected, LOST_AT_1),
        (4, VersionAffected, LOST_AT_1),
        (5, VersionNotSigned, "The artifact version at index 1 has no signed binary."),
        (6, VersionNotSigned, "The artifact version at index 1 has no signed binary."),
        (7, VersionAffected, LOST_AT_1),
    ],
)
def test_a_version_that_can_not_be_bound_is_refused_with_its_index(
    number: int, refusal: type[Exception], message: str
) -> None:
    with pytest.raises(refusal) as refused:
        check_versions([uid(1), uid(number), uid(98)], KNOWN)
    found = refused.value
    assert isinstance(found, VersionNotFound | VersionAffected | VersionNotSigned)
    assert (found.message, found.index, found.path) == (message, 1, (*FIELD, "1"))


# The release of a bundle.


def test_a_bundle_without_a_lost_target_may_be_released() -> None:
    check_releasable([SIGNED, REPLACED], organization_id=ORGANIZATION)


def test_an_affected_bundle_is_refused_with_every_destroyed_binary() -> None:
    with pytest.raises(BundleAffected) as refused:
        check_releasable([SIGNED, LOST_TWICE, LOST], organization_id=ORGANIZATION)
    assert (refused.value.code, refused.value.path) == ("BUNDLE_AFFECTED", ("input", "bundleId"))
    assert refused.value.binary_ids == [
        f"prn:1:{ORGANIZATION}:binary:{uid(number)}" for number in (71, 72, 73, 31)
    ]
    assert refused.value.message == (
        f"The bundle is affected: its binary for target {ARM} was destroyed and not replaced."
    )
