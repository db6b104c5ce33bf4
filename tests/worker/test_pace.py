import asyncio

from app.worker.pace import Pace, woken


def test_the_pause_doubles_with_each_failure_up_to_5_seconds() -> None:
    pace = Pace(1.0)
    pauses = []
    for _ in range(5):
        pauses.append(pace.seconds)
        pace.failed()
    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0]
    pace.succeeded()
    assert pace.seconds == 1.0


def test_an_interval_that_is_longer_stays_as_it_is() -> None:
    pace = Pace(60.0)
    pace.failed()
    assert pace.seconds == 60.0


def test_a_million_failures_are_no_longer_a_pause_than_ten() -> None:
    pace = Pace(0.001)
    for _ in range(1_000_000):
        pace.failed()
    assert pace.seconds == 1.024


async def test_being_woken_clears_the_event() -> None:
    event = asyncio.Event()
    event.set()
    assert await woken(event, within=10) is True
    assert not event.is_set()
    assert await woken(event, within=0.01) is False
