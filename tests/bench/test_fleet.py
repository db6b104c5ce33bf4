"""The simulated fleet: its rows fit together, and what is measured of it is counted right."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from bench.fleet import main, page
from bench.fleet.measured import Measured, Size, growth, table
from bench.fleet.world import BEHIND, Fleet
from bench.rows import COHORTS, Row

FLEET = Fleet.of(1_000)


def rows(name: str) -> list[dict[str, object]]:
    """A table's rows by column."""
    (found,) = (one for one in FLEET.tables() if one.name == name)
    made: list[Row] = list(found.rows())
    return [dict(zip(found.columns, row, strict=True)) for row in made]


def test_each_device_has_a_key_and_the_claim_of_what_it_runs() -> None:
    devices = {row["id"]: row for row in rows("device")}
    keys = Counter(row["device_id"] for row in rows("api_key") if row["role"] == "DEVICE")
    claims = {row["device_id"]: row["release_id"] for row in rows("release_claim")}
    assert keys == dict.fromkeys(devices, 1)
    assert claims == {id: row["reported_release_id"] for id, row in devices.items()}


def test_one_device_in_twenty_is_a_release_behind() -> None:
    releases = {row["id"]: row for row in rows("release")}
    behind: Counter[bool] = Counter()
    for row in rows("device"):
        running = releases[row["reported_release_id"]]
        assert running["cohort_id"] == row["cohort_id"]
        behind[running["next_release_id"] is not None] += 1
    assert behind == {False: 950, True: 1_000 // BEHIND}
    assert sum(row["phase_value"] is not None for row in releases.values()) == COHORTS


def run(devices: int, **values: float) -> Measured:
    """A run with these figures."""
    given = {name: 1.0 for name in Measured.__dataclass_fields__ if name not in ("name", "devices")}
    return Measured(devices=devices, name="open", **{**given, **values})  # type: ignore[arg-type]


def test_growth_is_that_of_the_largest_over_the_smallest() -> None:
    runs = [run(1_000, p99=4), run(10, server_cpu=2, database_cpu=2), run(100, p99=99)]
    (line,) = growth(runs)
    assert line.startswith(
        "From 10 to 1,000 devices, open: CPU of a poll × 0.50, p50 × 1.00, p99 ×"
    )
    assert line.endswith("p99 × 4.00, SQL statements × 1.00.")
    assert len({line.count("|") for line in table(runs).splitlines()}) == 1


def test_the_page_keeps_what_is_written_by_hand() -> None:
    text = page.PAGE.read_text()
    renewed = page.renewed(text, "new figures\n")
    assert "new figures" in renewed
    for part in (text.partition(page.BEGIN)[0], text.partition(page.END)[2]):
        assert part in renewed
    with pytest.raises(ValueError, match="lacks the lines"):
        page.renewed("no such lines", "")


def test_a_small_fleet_is_measured_on_real_servers() -> None:
    runs, size = main.measure(Fleet.of(2_000), seconds=1.0)
    assert [one.name for one in runs] == [main.LIMITED, main.OPEN]
    for one in runs:
        assert one.polls > 20
        assert 0 < one.p50 <= one.p99
        assert one.server_cpu > 0
        assert 2 < one.statements < 20
        assert one.trips > one.statements
        assert 0 < one.updates < 0.3
        assert one.wal > 100
    assert isinstance(size, Size)
    assert size.device > 100
    assert re.fullmatch(r"2,000 devices: \d+ bytes .*", str(size))
