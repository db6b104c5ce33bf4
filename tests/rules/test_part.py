import pytest

from app.rules.digest import MAX_SIZE
from app.rules.errors import BadUserInput, PartsIncomplete
from app.rules.part import (
    MAX_PART_SIZE,
    MAX_PARTS,
    MIN_PART_SIZE,
    PartFacts,
    PartState,
    check_complete,
    check_minimum,
    check_part,
)

MIB = 1024**2
PATH = ("input", "parts", "0")


def valid(*sizes: int) -> list[PartFacts]:
    return [PartFacts(index, size, PartState.VALID) for index, size in enumerate(sizes, 1)]


def test_the_limits() -> None:
    assert (MAX_PARTS, MIN_PART_SIZE, MAX_PART_SIZE) == (10_000, 5_242_880, 5_368_709_120)
    assert MAX_PARTS * MAX_PART_SIZE == MAX_SIZE
    assert sorted(PartState) == ["INVALID_HASH", "INVALID_SIZE", "UPLOADABLE", "VALID"]


@pytest.mark.parametrize(("index", "size"), [(1, 1), (10_000, 5_368_709_120)])
def test_a_part_within_the_limits_passes(index: int, size: int) -> None:
    check_part(index, size, path=PATH)


@pytest.mark.parametrize("index", [0, -1, 10_001])
def test_an_index_out_of_range_is_refused(index: int) -> None:
    with pytest.raises(BadUserInput) as refused:
        check_part(index, 1, path=PATH)
    assert refused.value.message == f"input.parts.0.index is {index}, it must be 1 to 10000."
    assert refused.value.path == (*PATH, "index")


@pytest.mark.parametrize("size", [0, -1, 5_368_709_121])
def test_a_size_out_of_range_is_refused(size: int) -> None:
    with pytest.raises(BadUserInput) as refused:
        check_part(1, size, path=PATH)
    assert refused.value.message == (
        f"input.parts.0.size is {size}, a part holds 1 to 5368709120 bytes; "
        "an empty binary needs no part."
    )
    assert refused.value.path == (*PATH, "size")


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {1: 1},
        {7: 1},
        {1: 5 * MIB, 2: 1},
        {3: 1, 1: 5 * MIB},
        {1: 5 * MIB, 2: 5 * MIB},
    ],
)
def test_only_the_last_part_may_be_small(sizes: dict[int, int]) -> None:
    check_minimum(sizes, path=("input", "parts"))


@pytest.mark.parametrize(
    "sizes", [{2: 5 * MIB - 1, 3: 1}, {9: 1, 3: 1, 2: 5 * MIB - 1, 1: 5 * MIB}]
)
def test_the_first_small_part_before_the_last_is_named(sizes: dict[int, int]) -> None:
    with pytest.raises(BadUserInput) as refused:
        check_minimum(sizes, path=("input", "parts"))
    assert refused.value.message == (
        "input.parts: part 2 has 5242879 bytes, but every part before the last "
        f"(now {max(sizes)}) must have at least 5242880."
    )
    assert refused.value.path == ("input", "parts")


@pytest.mark.parametrize("sizes", [(), (1,), (5 * MIB, 1), (5 * MIB, 6 * MIB, 7)])
def test_a_whole_upload_is_complete(sizes: tuple[int, ...]) -> None:
    check_complete(valid(*sizes), declared_size=sum(sizes))
    check_complete(valid(*sizes)[::-1], declared_size=sum(sizes))


@pytest.mark.parametrize(
    ("parts", "declared", "missing", "stored"),
    [
        ([], 1, (1,), 0),
        (valid(1)[1:], 7, (1,), 0),
        ([PartFacts(2, 7, PartState.VALID)], 7, (1,), 7),
        ([PartFacts(1, 7, PartState.UPLOADABLE)], 7, (1,), 0),
        ([PartFacts(1, 7, PartState.INVALID_SIZE)], 7, (1,), 0),
        ([PartFacts(1, 7, PartState.INVALID_HASH)], 7, (1,), 0),
        ([PartFacts(1, 7, PartState.UPLOADABLE)], 0, (1,), 0),
        ([*valid(7), PartFacts(2, 1, PartState.UPLOADABLE)], 7, (2,), 7),
        ([*valid(7), PartFacts(4, 1, PartState.VALID)], 8, (2, 3), 8),
    ],
)
def test_missing_parts_are_told(
    parts: list[PartFacts], declared: int, missing: tuple[int, ...], stored: int
) -> None:
    with pytest.raises(PartsIncomplete) as refused:
        check_complete(parts, declared_size=declared, path=("input",))
    facts = {"missing": missing, "declared_size": declared, "stored_size": stored}
    assert refused.value.facts == facts
    assert refused.value.path == ("input",)
    last = max([part.index for part in parts], default=1)
    assert refused.value.message == (
        f"{len(missing)} of {last} parts lack valid content; {stored} of {declared} bytes are "
        "stored. Upload what is missing, or register the parts with the right sizes."
    )


@pytest.mark.parametrize("declared", [0, 5 * MIB, 5 * MIB + 2])
def test_sizes_that_do_not_add_up_are_told(declared: int) -> None:
    with pytest.raises(PartsIncomplete, match=r"^No gaps; 5242881 of \d+ bytes") as refused:
        check_complete(valid(5 * MIB, 1), declared_size=declared)
    facts = {"missing": (), "declared_size": declared, "stored_size": 5 * MIB + 1}
    assert refused.value.facts == facts


def test_at_most_100_missing_parts_are_listed() -> None:
    with pytest.raises(PartsIncomplete, match=r"^9999 of 10000 parts") as refused:
        check_complete([PartFacts(10_000, 1, PartState.VALID)], declared_size=1)
    assert refused.value.missing == tuple(range(1, 101))


def test_a_complete_upload_with_a_small_middle_part_is_refused() -> None:
    with pytest.raises(BadUserInput, match="part 2 has 1 bytes"):
        check_complete(valid(5 * MIB, 1, 1), declared_size=5 * MIB + 2, path=("input",))
