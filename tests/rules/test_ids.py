import secrets
import threading
import time
from uuid import RFC_4122, UUID

import pytest

from app.rules import ids

MILLISECOND = 1_000_000
NOW = 1_800_000_000_000  # Milliseconds since 1970.


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A clock that stands at `clock[0]` nanoseconds, and random bits that are all ones."""
    now = [NOW * MILLISECOND]
    monkeypatch.setattr(ids, "_last", 0)
    monkeypatch.setattr(time, "time_ns", lambda: now[0])
    monkeypatch.setattr(secrets, "randbits", lambda bits: (1 << bits) - 1)
    return now


def milliseconds(id: UUID) -> int:
    return id.int >> 80


def counter(id: UUID) -> int:
    return id.int >> 64 & 0xFFF


def test_the_layout_is_that_of_version_7() -> None:
    before = time.time_ns() // MILLISECOND
    id = ids.new_id()
    assert (id.version, id.variant) == (7, RFC_4122)
    assert before <= milliseconds(id) <= time.time_ns() // MILLISECOND


def test_every_bit_has_its_place(clock: list[int]) -> None:
    assert str(ids.new_id()) == "01a3185c-5000-77ff-bfff-ffffffffffff"


def test_ids_of_one_millisecond_count_up(clock: list[int]) -> None:
    made = [ids.new_id() for _ in range(3)]
    assert [milliseconds(id) for id in made] == [NOW] * 3
    assert [counter(id) for id in made] == [0x7FF, 0x800, 0x801]


def test_a_new_millisecond_starts_a_new_count(clock: list[int]) -> None:
    ids.new_id()
    ids.new_id()
    clock[0] += MILLISECOND
    id = ids.new_id()
    assert (milliseconds(id), counter(id)) == (NOW + 1, 0x7FF)


def test_a_full_counter_carries_into_the_time(clock: list[int]) -> None:
    made = [ids.new_id() for _ in range(0x1000 - 0x7FF + 1)]
    assert [(milliseconds(id), counter(id)) for id in made[-2:]] == [(NOW, 0xFFF), (NOW + 1, 0)]
    assert made == sorted(made)


def test_a_clock_set_back_keeps_the_order(clock: list[int]) -> None:
    first = ids.new_id()
    clock[0] -= 3600 * 1000 * MILLISECOND
    second = ids.new_id()
    assert second > first
    assert (milliseconds(second), counter(second)) == (NOW, 0x800)


def test_threads_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most = [0], [0]

    def slow_clock() -> int:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.001)
        inside[0] -= 1
        return NOW * MILLISECOND

    monkeypatch.setattr(ids, "_last", 0)
    monkeypatch.setattr(time, "time_ns", slow_clock)
    monkeypatch.setattr(secrets, "randbits", lambda bits: 0)
    made: list[list[UUID]] = [[] for _ in range(4)]
    start = threading.Barrier(4)

    def make(mine: list[UUID]) -> None:
        start.wait()
        mine.extend(ids.new_id() for _ in range(5))

    threads = [threading.Thread(target=make, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert sorted(counter(id) for mine in made for id in mine) == list(range(20))
    assert all(mine == sorted(mine) for mine in made)
