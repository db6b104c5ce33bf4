"""`bindery fsck` on both databases: it names what is wrong, and mends only when asked to."""

from __future__ import annotations

import asyncio
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from app.rules.fsck import LEFTOVERS, REPAIR, Damage
from tests.databases import administer
from tests.reads.damages import PLANTS, Plant
from tests.reads.planted import World, copied, loaded

KINDS = ("sqlite", "postgres")


@pytest.fixture(scope="module", params=KINDS)
def healthy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """The demo's data set; not to be changed."""
    data = tmp_path_factory.mktemp("healthy") / "data"
    if request.param == "sqlite":
        yield loaded(data, f"sqlite://{data / 'bindery.db'}")
        return
    server: str = request.getfixturevalue("postgres_server")
    name = f"healthy_{uuid4().hex}"
    asyncio.run(administer(server, f"CREATE DATABASE {name}"))
    yield loaded(data, urllib.parse.urlsplit(server)._replace(path=f"/{name}").geturl())


@pytest.fixture
def world(healthy: World, tmp_path: Path) -> Iterator[World]:
    """A copy of it, to be damaged."""
    made = copied(healthy, tmp_path / "data")
    yield made
    if not made.is_embedded:
        name = urllib.parse.urlsplit(made.url).path[1:]
        asyncio.run(administer(made.url, f"DROP DATABASE {name} WITH (FORCE)"))


def test_a_healthy_data_set_is_clean(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert world.fsck(capsys, "--deep") == (0, [])


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.code)
def test_a_damage_is_named_and_mended_if_it_may_be(
    world: World, plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    """Named by its code and subject; nothing is changed without --repair."""
    if plant.embedded and not world.is_embedded:
        pytest.skip("PostgreSQL has pg_amcheck for this.")
    subject = plant.plant(world)
    files = world.files()
    deep = ["--deep"] if plant.deep else []
    status, found = world.fsck(capsys, *deep)
    assert {one["code"] for one in found} == {plant.code, *plant.also}
    assert subject in [one["subject"] for one in found if one["code"] == plant.code]
    leftover = {plant.code, *plant.also} <= LEFTOVERS
    assert status == int(not leftover)
    assert world.files() == files

    status, told = world.fsck(capsys, "--repair", *deep)
    assert [(one["code"], one["subject"]) for one in told] == [
        (one["code"], one["subject"]) for one in found
    ]
    assert {one["repaired"] for one in told} == {plant.mended}
    assert status == int(not plant.mended)
    again = world.fsck(capsys, *deep)
    if plant.mended:
        assert again == (0, [])
    else:
        assert [one for one in again[1] if one in found] == found
        assert world.files() == files


@pytest.mark.parametrize(
    ("code", "health"),
    [
        (Damage.BLOB_MISSING, "MISSING"),
        (Damage.BLOB_DIGEST, "CORRUPT"),
        (Damage.CONTENT_DIGEST, "CORRUPT"),
    ],
)
def test_what_can_not_be_mended_is_not_served(
    world: World, code: Damage, health: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A repair marks the binary, with an Event, and the finding stays."""
    plant = next(one for one in PLANTS if one.code is code and not one.mended)
    plant.plant(world)
    marked = "SELECT content_health FROM binary_record WHERE content_health <> 'OK'"
    assert world.run(marked) == []
    assert world.fsck(capsys, "--deep", "--repair")[0] == 1
    assert world.run(marked) == [(health,)]
    kinds = world.run("SELECT kind FROM event WHERE kind = 'binary.content_health'")
    assert len(kinds) == 1
    assert Damage.CONTENT_MARKED in [one["code"] for one in world.fsck(capsys)[1]]


def test_each_kind_of_damage_is_planted() -> None:
    assert {plant.code for plant in PLANTS} == set(Damage)
    mended = {plant.code for plant in PLANTS if plant.mended}
    assert REPAIR.keys() - mended == {Damage.CONTENT_DIGEST}
