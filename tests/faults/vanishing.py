"""D1: clients that go away in the middle of uploads and downloads leave nothing behind."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.listening import Listening
from tests.faults import checks, raw
from tests.faults.clients import Stage, staged
from tests.faults.forked import Forked, asked
from tests.faults.stored import Stored, created
from tests.journeys.client import Api
from tests.soak.turn import Turn

BLOCK: Final = 50
"""Clients that vanish between two looks at what they left."""
PATIENCE: Final = 5.0
"""Seconds within which all must be as before."""
_UPLOAD, _DOWNLOAD = 300_000, 3_000_000


def play(turn: Turn) -> None:
    """One client in each case: at a random byte it closes, half closes or resets."""
    with tempfile.TemporaryDirectory(prefix="bindery-vanishing-") as name:
        folder = Path(name)
        tasks = folder / "tasks"
        with asked(folder, plant=lambda: _count_tasks(tasks)) as (server, api):
            _vanish(turn, server, api, _Place(folder / "data", tasks, server.pid))


def _vanish(turn: Turn, server: Forked, api: Api, place: _Place) -> None:
    stage = staged(api)
    chance = turn.random(turn.next)
    aim, url = _prepared(api, stage, chance)
    for at in range(10):
        _one(server, aim, url, random.Random(at))
    before = _settled(place, None)
    while not turn.over:
        for number in turn.cases(BLOCK):
            _one(server, aim, url, turn.random(number))
        after = _settled(place, before)
        if not after.within(before):
            turn.find(turn.next - 1, f"of {before}, {after} was left after {PATIENCE:.0f} s")
            return


def _prepared(api: Api, stage: Stage, chance: random.Random) -> tuple[Stored, str]:
    """A binary to upload to, and the URL of one to download."""
    there = created(api, stage, target="is-there", content=chance.randbytes(_DOWNLOAD))
    there.upload(api)
    there.hash(api)
    url = there.sign(api, stage)
    return created(api, stage, target="is-sent", content=chance.randbytes(_UPLOAD)), url


def _one(server: Forked, aim: Stored, url: str, chance: random.Random) -> None:
    one = raw.connected(server.url)
    try:
        if chance.random() < 0.5:
            raw.upload(one, aim.part)
            one.sendall(aim.content[: chance.randrange(_UPLOAD)])
            if chance.random() < 0.3:
                one.shutdown(1)
                raw.rest(one)
        else:
            raw.download(one, url)
            raw.read(one, chance.randrange(_DOWNLOAD))
        if chance.random() < 0.5:
            raw.reset(one)
    finally:
        one.close()


@dataclass(frozen=True, slots=True)
class _Place:
    data: Path
    tasks: Path
    pid: int


@dataclass(frozen=True, slots=True)
class Left:
    """What a server holds, and what lies in its store."""

    descriptors: int
    tasks: int
    files: int
    wrong: tuple[str, ...]

    def within(self, before: Left) -> bool:
        """Whether nothing is there that was not there before."""
        mine = (self.descriptors, self.tasks, self.files, len(self.wrong))
        known = (before.descriptors, before.tasks, before.files, len(before.wrong))
        return all(now <= then for now, then in zip(mine, known, strict=True))


def _settled(place: _Place, before: Left | None) -> Left:
    """What is left as soon as nothing is too much; or when the patience is over."""
    end = time.monotonic() + (PATIENCE if before else 1.0)
    while True:
        now = _left(place)
        if (before and now.within(before)) or time.monotonic() > end:
            return now
        time.sleep(0.1)


def _left(place: _Place) -> Left:
    return Left(
        len(list(Path(f"/proc/{place.pid}/fd").iterdir())),
        int(place.tasks.read_text() or 0) if place.tasks.exists() else 0,
        len(list((place.data / "blobs").glob("??/*"))),
        tuple(checks.compared(place.data)),
    )


def _count_tasks(told: Path) -> None:
    """Have the server write down how many tasks it has, ten times a second."""
    started = Listening.startup
    counting: list[asyncio.Task[None]] = []

    async def count() -> None:
        while True:
            fresh = told.with_suffix(".new")
            fresh.write_text(str(len(asyncio.all_tasks())))
            fresh.replace(told)
            await asyncio.sleep(0.1)

    async def startup(*arguments: object, **options: object) -> None:
        await started(*arguments, **options)  # type: ignore[arg-type]
        counting.append(asyncio.create_task(count()))

    setattr(Listening, "startup", startup)  # noqa: B010 - a method of the product's class.
