"""Ratios, targets, and the table of both."""

from __future__ import annotations

import pytest

from bench.figures import Figure, Run, compared, figure, ratios, short, table, verdict


def run_of(rate: float, *, server: float = 1.0, database: float = 0.0) -> Run:
    return Run(rate=rate, p50=8.0, p99=20.0, server_cpu=server, database_cpu=database)


def test_a_ratio_is_of_two_runs_of_the_same_round() -> None:
    mine, other = [run_of(100), run_of(50)], [run_of(50), run_of(25)]
    assert ratios(mine, other) == [2.0, 2.0]
    with pytest.raises(ValueError, match="shorter"):
        ratios(mine, other[:1])


def test_cpu_counts_server_and_database() -> None:
    mine = [run_of(100, server=1.0, database=2.0)]
    found = compared("Q1", {"product": mine, "raw": [run_of(100, server=0.5, database=1.5)]})
    assert [one.value for one in found if one.what == "CPU ÷ raw"] == [1.5]
    assert [one.missed for one in found if one.what == "CPU ÷ raw"] == [True]


def test_a_figure_is_the_median_with_its_spread() -> None:
    found = figure("Q1", "× raw", [0.9, 1.5, 1.2], target=1.0)
    assert (found.low, found.value, found.high) == (0.9, 1.2, 1.5)
    assert str(found) == "1.20 (0.90–1.50), ≥ 1"


@pytest.mark.parametrize(
    ("value", "target", "at_most", "missed"),
    [
        (1.0, 1.0, False, False),
        (0.99, 1.0, False, True),
        (1.3, 1.3, True, False),
        (1.31, 1.3, True, True),
        (0.0, None, False, False),
    ],
)
def test_a_target_is_met_at_its_very_value(
    value: float, target: float | None, at_most: bool, missed: bool
) -> None:
    found = Figure("Q1", "× raw", value, value, value, target, at_most)
    assert found.missed is missed
    assert ("✗" in str(found)) is missed


def test_the_table_has_a_row_for_each_work_and_leaves_out_what_was_not_measured() -> None:
    figures = [*compared("Q1", {"product": [run_of(10)]}), figure("Q6", "median ms", [3.0])]
    lines = table(figures).splitlines()
    assert lines[0] == "| work | answers/s | p50 ms | p99 ms | CPU ms | median ms |"
    assert lines[2] == "| Q1 | 10.0 | 8.00 | 20.0 | 1.00 |  |"
    assert lines[3] == "| Q6 |  |  |  |  | 3.00 |"


def test_the_verdict_names_what_was_missed_alone() -> None:
    good = figure("Q1", "× raw", [1.5], target=1.0)
    bad = figure("Q3", "CPU ÷ raw", [1.5], target=1.3, at_most=True)
    assert verdict([("SQLite", good)]) == "every target is met"
    assert verdict([("SQLite", good), ("SQLite", bad)]) == (
        "missed: SQLite Q3 CPU ÷ raw 1.50 (≤ 1.3)"
    )


@pytest.mark.parametrize(
    ("value", "text"), [(0.123, "0.12"), (12.34, "12.3"), (123.4, "123"), (12_345.6, "12,346")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert short(value) == text
