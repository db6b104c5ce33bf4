from decimal import Decimal

import pytest

from app.rules.errors import BadUserInput
from app.rules.phase import Phase, check_halt_after, parse_phase, phase_limit


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        (0, "0"),
        (0.0, "0"),
        (0.1, "0.1"),
        (0.25, "0.25"),
        (1e-7, "0.0000001"),
        (1.0, "1"),
        (1, "1"),
        (2, "2"),
        (50.0, "50"),
        (1_000_000_000, "1000000000"),
        (Decimal("0.3"), "0.3"),
    ],
)
def test_a_phase_value_is_a_fraction_or_a_number_of_devices(
    value: float | Decimal, parsed: str
) -> None:
    assert parse_phase(value=value) == Phase(value=Decimal(parsed))


@pytest.mark.parametrize(
    "value",
    [1.5, -1, -0.1, 1.0000001, 2.5, 1_000_000_001, 1e300, float("nan"), float("inf"), Decimal(-2)],
)
def test_any_other_phase_value_is_refused(value: float | Decimal) -> None:
    with pytest.raises(BadUserInput) as refused:
        parse_phase(value=value)
    assert refused.value.path == ("input", "phase", "value")
    assert refused.value.message == (
        "input.phase.value must be a fraction from 0.0 to 1.0, such as 0.25, or a whole number of "
        "devices from 2 to 1000000000, such as 50."
    )


def test_tags_make_a_phase() -> None:
    assert parse_phase(with_tags=["lab", "beta", "lab"]) == Phase(tags=frozenset({"lab", "beta"}))
    assert parse_phase(with_tags=[str(number) for number in range(32)]).limits is True


@pytest.mark.parametrize("tags", [[], [""], ["beta", " "], [str(number) for number in range(33)]])
def test_one_to_32_tags_that_are_not_empty(tags: list[str]) -> None:
    with pytest.raises(BadUserInput) as refused:
        parse_phase(with_tags=tags)
    assert refused.value.path[:3] == ("input", "phase", "tags")


def test_a_phase_has_either_a_value_or_tags() -> None:
    with pytest.raises(BadUserInput) as refused:
        parse_phase(value=0.5, with_tags=["beta"])
    assert refused.value.message == "input.phase takes a value or tags, not both."
    with pytest.raises(BadUserInput) as refused:
        parse_phase()
    assert refused.value.path == ("input", "phase")


@pytest.mark.parametrize(
    ("phase", "limits"),
    [
        (Phase(), False),
        (Phase(Decimal(1)), False),
        (Phase(Decimal("1.0")), False),
        (Phase(Decimal(0)), True),
        (Phase(Decimal("0.99")), True),
        (Phase(Decimal(2)), True),
        (Phase(tags=frozenset({"beta"})), True),
    ],
)
def test_a_phase_of_1_is_everyone(phase: Phase, limits: bool) -> None:
    assert phase.limits is limits


@pytest.mark.parametrize(
    ("value", "devices", "limit"),
    [
        ("1", 7, None),
        ("1.0", 0, None),
        ("0", 100, 0),
        ("0.0", 0, 0),
        ("0.1", 100, 10),
        ("0.1", 99, 9),
        ("0.1", 9, 1),
        ("0.1", 0, 1),
        # In binary floating point these three would be one less.
        ("0.29", 100, 29),
        ("0.57", 100, 57),
        ("0.07", 100, 7),
        ("0.3333333333333333", 3, 1),
        ("0.9999999999999999999999999999999999", 10**9, 999_999_999),
        ("2", 1, 2),
        ("50", 10, 50),
    ],
)
def test_how_many_devices_a_phase_takes(value: str, devices: int, limit: int | None) -> None:
    assert phase_limit(Decimal(value), devices) == limit


def test_a_phase_halts_after_one_failure_or_more_or_never() -> None:
    check_halt_after(None)
    check_halt_after(1)
    for number in (0, -1):
        with pytest.raises(BadUserInput) as refused:
            check_halt_after(number)
        assert refused.value.path == ("input", "haltAfter")
