"""The ballast: what it occupies, gives up and takes back, and who may write meanwhile."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import database
from app.ballast import STEP, Ballast, ballast
from app.models import Organization
from app.rules.failures import DatabaseUnavailable, StorageFull

SIZE = 2 * STEP + 5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ballast"


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A disk that has room for as many further steps as its list is long."""
    room: list[int] = []
    real = os.posix_fallocate

    def fallocate(file: int, start: int, size: int) -> None:
        if not room:
            # Some file systems keep what they had found until they had to give up.
            real(file, start, size // 2)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        room.pop()
        real(file, start, size)

    monkeypatch.setattr(os, "posix_fallocate", fallocate)
    yield room
    room.clear()


def test_it_occupies_what_it_says(path: Path) -> None:
    one = Ballast()
    with one.kept(path, size=SIZE):
        assert one.lacking == SIZE
        assert one.take_back()
        assert one.lacking == 0
        assert path.stat().st_size == SIZE
        assert path.stat().st_blocks * 512 >= SIZE
    # It outlives the process.
    with one.kept(path, size=SIZE):
        assert one.lacking == 0


def test_it_gives_step_by_step(path: Path) -> None:
    one = Ballast()
    with one.kept(path, size=SIZE):
        one.take_back()
        sizes = []
        while one.give():
            sizes.append(path.stat().st_size)
        assert sizes == [STEP + 5, 5, 0]
        assert one.lacking == SIZE


def test_it_takes_back_what_there_is_room_for(path: Path, full: list[int]) -> None:
    one = Ballast()
    with one.kept(path, size=SIZE):
        assert not one.take_back()
        assert path.stat().st_size == 0
        full.append(1)
        assert not one.take_back()
        assert path.stat().st_size == STEP
        full.extend([1, 1, 1])
        assert one.take_back()
        assert path.stat().st_size == SIZE


def test_a_smaller_setting_gives_the_rest_up(path: Path) -> None:
    one = Ballast()
    with one.kept(path, size=SIZE):
        one.take_back()
    with one.kept(path, size=STEP):
        assert (one.lacking, path.stat().st_size) == (0, STEP)


def test_without_a_file_it_is_complete_and_gives_nothing() -> None:
    one = Ballast()
    assert one.lacking == 0
    assert one.take_back()
    assert not one.give()


def test_a_path_that_is_none_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(DatabaseUnavailable, match="can't be used: Is a directory"),
        Ballast().kept(tmp_path, size=SIZE),
    ):
        pass


async def create(connection: database.Connection) -> None:
    await Organization.create(name=f"{os.urandom(8).hex()}", using_db=connection)


async def test_until_it_is_complete_nothing_else_is_written(path: Path, tmp_path: Path) -> None:
    with ballast.kept(path, size=SIZE):
        async with database.opened(f"sqlite://{tmp_path / 'bindery.db'}"):
            await database.migrate()
            with pytest.raises(StorageFull, match="to make room"):
                await database.unit_of_work(create)
            await database.unit_of_work(create, on_full_disk=True)
            assert ballast.take_back()
            await database.unit_of_work(create)
            assert await Organization.all().count() == 2


async def test_it_is_given_only_to_what_may_have_it(path: Path, tmp_path: Path) -> None:
    lacks: list[int] = []

    async def body(_: database.Connection) -> str:
        lacks.append(ballast.lacking)
        if ballast.lacking < STEP + 1:
            raise StorageFull("The disk is full.")
        return "done"

    with ballast.kept(path, size=SIZE):
        ballast.take_back()
        async with database.opened(f"sqlite://{tmp_path / 'bindery.db'}"):
            with pytest.raises(StorageFull):
                await database.unit_of_work(body)
            assert lacks == [0]
            assert await database.unit_of_work(body, on_full_disk=True) == "done"
            assert lacks == [0, 0, STEP, 2 * STEP]
