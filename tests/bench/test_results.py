"""Figures are kept between the pieces of a run."""

from __future__ import annotations

from pathlib import Path

from bench.figures import figure
from bench.results import Part, circumstances, keep, read


def part(database: str, name: str, value: float) -> Part:
    figures = (figure("Q1", "× raw", [value], target=1.0),)
    return Part(database, name, "1,000 binaries", figures, {"date": "2026-11-26"})


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "figures.json"
    assert read(path) == []
    keep([part("SQLite", "ratios", 1.5), part("PostgreSQL", "ratios", 1.2)], path)
    assert read(path) == [part("SQLite", "ratios", 1.5), part("PostgreSQL", "ratios", 1.2)]


def test_a_later_run_takes_the_place_of_the_same_part_alone(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    keep([part("SQLite", "ratios", 1.5), part("SQLite", "growth", 1.1)], path)
    keep([part("SQLite", "ratios", 1.6)], path)
    assert read(path) == [part("SQLite", "ratios", 1.6), part("SQLite", "growth", 1.1)]


def test_circumstances_name_machine_versions_and_commit() -> None:
    found = circumstances()
    assert set(found) == {"date", "commit", "machine", "versions"}
    assert "cores" in found["machine"]
    assert "strawberry-graphql 0." in found["versions"]
    assert all(found.values())
