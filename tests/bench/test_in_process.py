"""What the benchmark counts or loops over by itself agrees with the product's answers."""

from __future__ import annotations

import dataclasses

import pytest

from bench.contest import Different
from bench.fleet_reads import served
from bench.in_process import looped, statements
from bench.loading import load
from bench.questions import Q1, Q6
from bench.rows import SECRET, Data

DATA = Data(binaries=1_000, devices=300)


async def test_a_loop_over_devices_counts_what_the_product_counts(database_url: str) -> None:
    await load(database_url, DATA)
    one_by_one = await looped(database_url, DATA)
    async with served(database_url) as http:
        headers = {"authorization": f"Bearer {SECRET}", "content-type": "application/json"}
        answer = await http.post("/graphql", content=Q6.bodies(DATA)[0], headers=headers)
    assert one_by_one.losing > 0
    assert one_by_one.stuck > 0
    assert one_by_one.ms > 0
    one_by_one.equals(answer.content)
    with pytest.raises(Different):
        dataclasses.replace(one_by_one, losing=0).equals(answer.content)


async def test_the_statement_about_the_key_is_counted_too(database_url: str) -> None:
    await load(database_url, DATA)
    assert 2 <= await statements(database_url, Q1, DATA) <= 4
