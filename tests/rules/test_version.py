from uuid import UUID

import pytest
from semver import Version

from app.rules.binary import ContentHealth, State
from app.rules.errors import BadUserInput
from app.rules.release import ReleaseFacts
from app.rules.version import (
    AffectedTarget,
    BinaryAnswer,
    BinaryFacts,
    BinaryReason,
    Match,
    VersionFacts,
    VersionIndex,
    affected_by,
    affected_targets,
    parse_requirement,
    parse_version,
    reported_version,
    resolve_binary,
)

ARM, X86, PORTABLE = "arm-linux-androidabi", "x86_64-pc-windows-msvc", "portable"


def uid(number: int) -> UUID:
    return UUID(int=number)


def binary(
    number: int,
    target: str,
    state: State = State.SIGNED,
    health: ContentHealth | None = None,
) -> BinaryFacts:
    return BinaryFacts(uid(number), target, state, health)


def release(number: int, version: str | None = None, **more: object) -> ReleaseFacts:
    requirement = more.get("requirement")
    return ReleaseFacts(
        id=uid(number),
        next_id=None,
        bundle_id=uid(100),
        version=version,
        version_requirement=requirement if isinstance(requirement, str) else None,
        archived=bool(more.get("archived")),
    )


# Semantic versions.


@pytest.mark.parametrize("text", ["0.0.0", "1.4.0", "2.0.0-rc.1", "1.0.0-a.1+build.5", "10.20.30"])
def test_a_semantic_version_is_taken_as_it_is(text: str) -> None:
    assert str(parse_version(text)) == text
    assert reported_version(text) == Version.parse(text)


MALFORMED = [
    *("", "1", "1.4", "v1.4.0", "1.4.0 ", " 1.4.0", "1.4.0\n", "01.4.0", "1.4.x", "\u0661.0.0"),
    *("1.0.0-", "1.0.0+", "1.0.0-ä", "latest", "1.0.0" + "-a" * 80, "9" * 5000 + ".0.0"),
]


@pytest.mark.parametrize("text", MALFORMED)
def test_anything_else_is_refused_with_the_form_and_an_example(text: str) -> None:
    with pytest.raises(BadUserInput) as refused:
        parse_version(text)
    assert refused.value.message == (
        "input.version must be a semantic version, MAJOR.MINOR.PATCH with an optional -PRERELEASE "
        "and +BUILD, at most 128 characters, such as '1.4.0' or '2.0.0-rc.1'."
    )
    assert refused.value.path == ("input", "version")


@pytest.mark.parametrize("text", [*MALFORMED, None])
def test_a_malformed_reported_version_counts_as_not_reported(text: str | None) -> None:
    assert reported_version(text) is None


def test_a_version_has_at_most_128_characters() -> None:
    longest = "1.0.0-" + "a" * 122
    assert str(parse_version(longest)) == longest
    with pytest.raises(BadUserInput):
        parse_version(longest + "a")


# Requirements.


@pytest.mark.parametrize(
    ("requirement", "allowed", "refused"),
    [
        (">=1.2.0", ["1.2.0", "1.2.1", "2.0.0-rc.1"], ["1.1.9", "1.2.0-rc.1"]),
        (">1.2.0", ["1.2.1"], ["1.2.0", "1.2.0+build"]),
        ("<=1.2.0", ["1.2.0", "1.2.0+build", "1.2.0-rc.1"], ["1.2.1"]),
        ("<2.0.0", ["1.9.9", "2.0.0-rc.1"], ["2.0.0"]),
        ("!=1.2.0", ["1.2.1", "1.2.0-rc.1"], ["1.2.0", "1.2.0+build"]),
        ("==1.2.0", ["1.2.0", "1.2.0+build"], ["1.2.1"]),
        ("1.2.0", ["1.2.0", "1.2.0+build"], ["1.2.0-rc.1", "1.2.1"]),
        (">=1.2.0, <2.0.0", ["1.2.0", "1.99.0"], ["1.1.0", "2.0.0", "10.0.0"]),
        (" >= 1.2.0 ,<2.0.0,!=1.3.0 ", ["1.2.0", "1.4.0"], ["1.3.0", "2.0.0"]),
    ],
)
def test_a_requirement_allows_what_every_comparison_allows(
    requirement: str, allowed: list[str], refused: list[str]
) -> None:
    parsed = parse_requirement(requirement)
    assert [text for text in allowed if not parsed.allows(Version.parse(text))] == []
    assert [text for text in refused if parsed.allows(Version.parse(text))] == []


def test_a_requirement_prints_in_its_canonical_form() -> None:
    assert str(parse_requirement(" >= 1.2.0 ,2.0.0-rc.1+x")) == ">=1.2.0, ==2.0.0-rc.1+x"


@pytest.mark.parametrize(
    "text",
    [
        *("", ",", ">=1.2", ">=1.2.0,", "~> 1.2", "^1.2.0", "=1.2.0", "=> 1.2.0", ">= <1.0.0"),
        *(">=1.2.0 <2.0.0", "1.*", ">=", ">=1.0.0," * 32 + ">=1.0.0"),
    ],
)
def test_a_malformed_requirement_is_refused_with_the_form_and_an_example(text: str) -> None:
    with pytest.raises(BadUserInput) as refused:
        parse_requirement(text)
    assert refused.value.message == (
        "input.versionRequirement must be versions, each after one of >=, <=, >, <, ==, != or "
        "alone for exactly that one, joined by commas, at most 256 characters, such as "
        "'>=1.2.0, <2.0.0'."
    )
    assert refused.value.path == ("input", "versionRequirement")


# The versions of a cohort.


def test_a_version_finds_its_release_archived_or_not() -> None:
    index = VersionIndex([release(1, "1.0.0", archived=True), release(2, "2.0.0"), release(3)])
    assert index.equal(Version.parse("1.0.0")) == uid(1)
    assert index.equal(Version.parse("2.0.0")) == uid(2)
    assert index.equal(Version.parse("1.0.0-rc.1")) is None
    assert index.by_id == {uid(1): Version.parse("1.0.0"), uid(2): Version.parse("2.0.0")}


def test_of_versions_that_differ_in_build_metadata_the_same_text_counts_then_the_highest_id() -> (
    None
):
    index = VersionIndex([release(1, "1.0.0+a"), release(3, "1.0.0+c"), release(2, "1.0.0")])
    assert index.equal(Version.parse("1.0.0+a")) == uid(1)
    assert index.equal(Version.parse("1.0.0")) == uid(2)
    assert index.equal(Version.parse("1.0.0+other")) == uid(3)


def test_above_is_the_lowest_unarchived_version_whose_requirement_the_device_satisfies() -> None:
    index = VersionIndex(
        [
            release(1, "10.0.0"),
            release(2, "1.1.0", archived=True),
            release(3, "1.2.0", requirement=">=1.1.0"),
            release(4, "1.3.0+a"),
            release(5, "1.3.0+b"),
        ]
    )
    assert index.above(Version.parse("1.0.0")) == uid(5)
    assert index.above(Version.parse("1.1.0")) == uid(3)
    assert index.above(Version.parse("9.0.0")) == uid(1)
    assert index.above(Version.parse("10.0.0")) is None
    assert index.above(Version.parse("10.0.0")) is None


def test_no_requirement_and_an_unknown_version_are_satisfied() -> None:
    index = VersionIndex([release(1), release(2, requirement=">=1.0.0")])
    assert index.takes(uid(1), Version.parse("0.1.0")) is True
    assert index.takes(uid(2), None) is True
    assert index.takes(uid(2), Version.parse("1.0.0")) is True
    assert index.takes(uid(2), Version.parse("0.1.0")) is False


# The binaries of an artifact version.


@pytest.mark.parametrize(
    ("binaries", "found", "match", "reason", "state"),
    [
        ([], None, "NONE", "NO_BINARY_FOR_TARGET", None),
        ([binary(1, X86)], None, "NONE", "NO_BINARY_FOR_TARGET", None),
        ([binary(1, ARM)], 1, "TARGET_SPECIFIC", "TARGET_MATCHED", State.SIGNED),
        (
            [binary(1, PORTABLE), binary(2, ARM, health=ContentHealth.OK)],
            2,
            "TARGET_SPECIFIC",
            "TARGET_MATCHED",
            State.SIGNED,
        ),
        ([binary(1, PORTABLE)], 1, "PORTABLE", "PORTABLE_MATCHED", State.SIGNED),
        (
            [binary(1, ARM, State.HASHING), binary(2, PORTABLE)],
            2,
            "PORTABLE",
            "PORTABLE_MATCHED",
            State.SIGNED,
        ),
        (
            [binary(1, ARM, State.DESTROYED), binary(2, PORTABLE)],
            2,
            "PORTABLE",
            "PORTABLE_MATCHED",
            State.SIGNED,
        ),
        (
            [binary(1, ARM, State.DESTROYED), binary(2, ARM)],
            2,
            "TARGET_SPECIFIC",
            "TARGET_MATCHED",
            State.SIGNED,
        ),
        ([binary(1, ARM, State.HASHABLE)], None, "NONE", "NOT_SIGNED", State.HASHABLE),
        ([binary(1, ARM, State.DESTROYED)], None, "NONE", "NOT_SIGNED", State.DESTROYED),
        (
            [binary(1, ARM, State.DESTROYED), binary(2, PORTABLE, State.SIGNABLE)],
            None,
            "NONE",
            "NOT_SIGNED",
            State.SIGNABLE,
        ),
        (
            [binary(1, PORTABLE, State.HASHING), binary(2, ARM, State.UPLOADABLE)],
            None,
            "NONE",
            "NOT_SIGNED",
            State.UPLOADABLE,
        ),
        (
            [binary(1, ARM, health=ContentHealth.CORRUPT), binary(2, PORTABLE)],
            None,
            "NONE",
            "CONTENT_CORRUPT",
            State.SIGNED,
        ),
        (
            [binary(1, ARM, health=ContentHealth.MISSING)],
            None,
            "NONE",
            "CONTENT_CORRUPT",
            State.SIGNED,
        ),
        (
            [binary(1, ARM), binary(2, PORTABLE, health=ContentHealth.CORRUPT)],
            1,
            "TARGET_SPECIFIC",
            "TARGET_MATCHED",
            State.SIGNED,
        ),
    ],
)
def test_which_binary_serves_a_target(
    binaries: list[BinaryFacts], found: int | None, match: str, reason: str, state: State | None
) -> None:
    answer = resolve_binary(ARM, binaries)
    assert answer.binary_id == (None if found is None else uid(found))
    assert (answer.match, answer.reason, answer.state) == (match, reason, state)


def test_an_answer_holds_the_candidates_with_the_decisive_one_first() -> None:
    destroyed, portable, other = (
        binary(1, ARM, State.DESTROYED),
        binary(2, PORTABLE),
        binary(3, X86),
    )
    assert resolve_binary(ARM, [destroyed, portable, other]) == BinaryAnswer(
        binary_id=uid(2),
        match=Match.PORTABLE,
        reason=BinaryReason.PORTABLE_MATCHED,
        state=State.SIGNED,
        candidates=(portable, destroyed),
    )


def test_asked_for_portable_itself_the_portable_binary_is_the_answer() -> None:
    answer = resolve_binary(PORTABLE, [binary(1, ARM), binary(2, PORTABLE)])
    assert (answer.binary_id, answer.match) == (uid(2), Match.PORTABLE)


@pytest.mark.parametrize(
    ("binaries", "lost"),
    [
        ([], []),
        ([binary(1, ARM)], []),
        ([binary(1, ARM, State.SIGNABLE)], []),
        ([binary(1, ARM, State.DESTROYED)], [(ARM, [1])]),
        ([binary(1, ARM, State.DESTROYED), binary(2, ARM)], []),
        ([binary(1, ARM, State.DESTROYED), binary(2, ARM, State.SIGNABLE)], [(ARM, [1])]),
        ([binary(1, ARM, State.DESTROYED), binary(2, PORTABLE)], [(ARM, [1])]),
        ([binary(1, PORTABLE, State.DESTROYED), binary(2, ARM)], [(PORTABLE, [1])]),
        (
            [
                binary(4, X86, State.DESTROYED),
                binary(3, X86, State.DESTROYED),
                binary(1, ARM, State.DESTROYED),
            ],
            [(ARM, [1]), (X86, [3, 4])],
        ),
    ],
)
def test_a_target_is_affected_until_a_signed_binary_of_that_target_replaces_the_destroyed_one(
    binaries: list[BinaryFacts], lost: list[tuple[str, list[int]]]
) -> None:
    expected = tuple(AffectedTarget(uid(9), t, tuple(uid(n) for n in ids)) for t, ids in lost)
    version = VersionFacts(uid(9), tuple(binaries))
    assert affected_targets(version) == expected
    assert affected_by([VersionFacts(uid(8), ()), version]) == expected
