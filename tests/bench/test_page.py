"""The page takes the figures, and keeps what stands around them."""

from __future__ import annotations

import pytest

from bench.figures import figure
from bench.page import BEGIN, END, PAGE, renewed, told
from bench.questions import QUESTIONS
from bench.results import Part

MADE = {"date": "2026-11-26", "commit": "abc", "machine": "two cores", "versions": "Python 3.11"}
GROWN = figure("Q1", "growth", [1.1], target=1.5, at_most=True)
PARTS = [
    Part("SQLite", "growth", "1 to 2 binaries", (GROWN,), MADE),
    Part("SQLite", "ratios", "9 binaries", (figure("Q1", "× raw", [0.5], target=1.0),), MADE),
    Part("PostgreSQL", "ratios", "9 binaries", (figure("Q1", "× raw", [2.0], target=1.0),), MADE),
]


def test_there_is_a_section_for_each_part_and_a_table_for_each_database() -> None:
    lines = told(PARTS).splitlines()
    assert [line for line in lines if line.startswith(("#", "**"))] == [
        "## Beside the other servers",
        "**PostgreSQL**: 9 binaries. Made on 2026-11-26 at commit abc, on two cores; Python 3.11.",
        "**SQLite**: 9 binaries. Made on 2026-11-26 at commit abc, on two cores; Python 3.11.",
        "## From a small data set to a large one",
        "**SQLite**: 1 to 2 binaries. Made on 2026-11-26 at commit abc, on two cores; Python 3.11.",
    ]
    assert lines[-1] == "Missed: SQLite Q1 × raw 0.50 (≥ 1)."


def test_what_stands_around_the_figures_is_kept() -> None:
    page = f"before\n{BEGIN}old\n{END}after\n"
    new = renewed(page, PARTS)
    assert new == f"before\n{BEGIN}\n{told(PARTS)}\n{END}after\n"
    assert renewed(new, PARTS) == new


def test_a_page_without_a_place_for_them_is_left_alone() -> None:
    with pytest.raises(ValueError, match="where the figures go"):
        renewed("nothing", PARTS)


def test_the_page_tells_every_question_as_the_benchmark_asks_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for question in QUESTIONS:
        assert f"| {question.name} | {question.title} |" in page
