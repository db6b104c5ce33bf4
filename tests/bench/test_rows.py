"""The rows of a data set: the same each time, of equal shape at any size."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest

from bench.rows import BLOCK, HOT, SHARED, Data, Row, bundle_of, held


def taken(data: Data) -> dict[str, list[Row]]:
    return {table.name: list(table.rows()) for table in data.tables()}


def test_the_same_seed_makes_the_same_rows_and_another_one_others() -> None:
    assert taken(Data(1_000, 100)) == taken(Data(1_000, 100))
    assert taken(Data(1_000, 100))["bundle"] != taken(Data(1_000, 100, seed=2))["bundle"]


def test_every_size_is_what_was_asked_for() -> None:
    sizes = {name: len(rows) for name, rows in taken(Data(2_000, 300)).items()}
    assert sizes["binary_record"] == sizes["release"] == 2_000
    assert sizes["artifact_version"] == 500
    assert sizes["device"] == 300
    assert sizes["release_claim"] == 30


def test_ids_are_uuids_of_version_7_in_order_and_no_two_are_equal() -> None:
    rows = taken(Data(2_000, 300))
    for table in rows.values():
        ids = [UUID(str(row[0])) for row in table]
        assert all(id.version == 7 and id.variant == "specified in RFC 4122" for id in ids)
        assert ids == sorted(ids)
    every = [row[0] for table in rows.values() for row in table]
    assert len(set(every)) == len(every)


def test_each_row_has_a_value_for_each_column() -> None:
    for table in Data(1_000, 10).tables():
        assert {len(row) for row in table.rows()} == {len(table.columns)}


def test_a_block_holds_what_the_questions_ask_for() -> None:
    in_bundles = Counter(version for bundle in range(50) for version in held(bundle))
    assert {in_bundles[version] for version in range(HOT)} == {10}
    assert in_bundles[SHARED] == 25
    assert Counter(bundle_of(release) for release in range(BLOCK)) == dict.fromkeys(range(50), 20)
    assert all(len(set(held(bundle))) == len(held(bundle)) for bundle in range(50))


@pytest.mark.parametrize(("binaries", "devices"), [(500, 10), (1_500, 10), (1_000, 5)])
def test_sizes_that_are_not_whole_blocks_are_refused(binaries: int, devices: int) -> None:
    with pytest.raises(ValueError, match="by 1,000"):
        Data(binaries, devices)
