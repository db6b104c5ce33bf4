import asyncio
import logging

import pytest

from app.rules.failures import StorageFull
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


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            StorageFull("The disk is full."),
            (logging.WARNING, "Erasing is put off: The disk is full."),
        ),
        (KeyError("a bug"), (logging.ERROR, "Erasing is put off.")),
    ],
)
def test_work_that_fails_is_logged_and_pauses_until_it_succeeds(
    error: Exception, told: tuple[int, str], caplog: pytest.LogCaptureFixture
) -> None:
    pace = Pace(1.0)
    with pace.trying("Erasing"):
        raise error
    assert [(one.levelno, one.getMessage()) for one in caplog.records] == [told]
    assert pace.seconds == 2.0
    with pace.trying("Erasing"):
        pass
    assert pace.seconds == 1.0


def test_work_that_is_cancelled_is_not_put_off(caplog: pytest.LogCaptureFixture) -> None:
    pace = Pace(1.0)
    with pytest.raises(asyncio.CancelledError), pace.trying("Erasing"):
        raise asyncio.CancelledError
    assert not caplog.records
    assert pace.seconds == 1.0


async def test_being_woken_clears_the_event() -> None:
    event = asyncio.Event()
    event.set()
    assert await woken(event, within=10) is True
    assert not event.is_set()
    assert await woken(event, within=0.01) is False
