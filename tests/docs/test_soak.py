"""The page of long runs is what the program writes, and the frame that counts them counts right."""

from __future__ import annotations

import pytest

from tests.soak.record import PAGE, Count, page, read
from tests.soak.registry import SUITES
from tests.soak.turn import Turn


def test_the_page_is_what_is_written() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(read(text).values()), "Run `make soak` for a suite that is missing."


def test_what_is_written_is_read_again() -> None:
    counts = {name: Count(name, 1_234, 2, 3, "abc123+", "2026-01-02") for name in SUITES}
    assert read(page(counts.values())) == counts


@pytest.mark.parametrize("name", SUITES)
def test_no_suite_counts_beyond_its_size_or_has_findings(name: str) -> None:
    count = read(PAGE.read_text(encoding="utf-8"))[name]
    assert 0 <= count.done <= SUITES[name].full
    assert count.found == 0, "Mend what was found, then begin anew."


@pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)
def test_a_suite_is_there(suite: object) -> None:
    assert callable(suite.play)  # type: ignore[attr-defined]


def test_a_run_goes_on_where_the_last_one_stopped() -> None:
    one = Turn("S3", 0, 10, seed=1, seconds=60)
    assert list(one.cases(4)) == [0, 1, 2, 3]
    assert list(one.cases()) == [4, 5, 6, 7, 8, 9]
    assert one.over
    two = Turn("S3", 4, 10, seed=1, seconds=60)
    assert next(two.cases()) == 4
    assert two.random(4).random() == one.random(4).random() != one.random(5).random()


def test_a_case_that_was_not_finished_is_not_counted() -> None:
    turn = Turn("S3", 0, 10, seed=1, seconds=60)
    for number in turn.cases():
        if number == 3:
            break
    assert turn.done == 3


def test_a_run_stops_when_its_time_is_over() -> None:
    turn = Turn("S3", 0, 10, seed=1, seconds=-1)
    assert list(turn.cases()) == []
    assert turn.over
