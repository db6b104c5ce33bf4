"""R1: SIGKILL before each change of a file in a whole life, from the server's start on."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from tests.faults import checks, tracer
from tests.faults.forked import Plant, asked, command, served, watched
from tests.faults.life import Life, Scene, scene
from tests.journeys.checks import Failed
from tests.journeys.client import Api, connected
from tests.soak.turn import Turn

STRIDE: Final = 5
"""Every so manyth moment comes first, so that a short run sees all of a life."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A data directory that lives begin from, and the bug that their servers have."""

    folder: Path
    key: str
    scene: Scene
    plant: Plant | None


def play(turn: Turn) -> None:
    """Kill once in each case; after the last moment of a life comes its first again."""
    killed(turn)


def killed(turn: Turn, *, plant: Plant | None = None) -> None:
    """What `play` does, with a bug planted in the servers."""
    reason = tracer.missing()
    if reason:
        turn.skip(reason)
        return
    # A kill takes nothing from the memory of the system, so that the files may lie there.
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="bindery-points-", dir=memory) as name:
        stage = staged(Path(name), plant)
        whole = _lived(stage, 0)
        for one in whole.found:
            turn.find(turn.next, f"undisturbed: {one}")
        moments = _moments(whole.traced.changes, turn.seed)
        for number in turn.cases():
            at = moments[number % len(moments)]
            lived = _lived(stage, at)
            for one in lived.found:
                where = f"killed before change {at} ({lived.traced.struck})"
                turn.find(number, f"{where} in step {lived.done + 1}: {one}")
            if turn.found:
                return


def _moments(changes: int, seed: int) -> list[int]:
    """All moments of a life: every fifth by chance, then those after them, and so on."""
    moments: list[int] = []
    for rest in range(1, STRIDE + 1):
        some = list(range(rest, changes + 1, STRIDE))
        random.Random(seed).shuffle(some)
        moments += some
    return moments


def staged(folder: Path, plant: Plant | None) -> Stage:
    """A data directory in the folder, with what a life needs."""
    with asked(folder) as (_, api):
        return Stage(folder, api.key, scene(api), plant)


@dataclass(frozen=True, slots=True)
class Lived:
    """What came of one life: the steps that were acknowledged before the kill, if there was one."""

    traced: tracer.Traced
    done: int
    found: list[str]


def _lived(stage: Stage, at: int) -> Lived:
    """One life on a copy of the data directory, with a kill before change `at`; 0: with none."""
    data = stage.folder / "life"
    shutil.copytree(stage.folder / "data", data)
    try:
        life, found = Life(stage.scene), []
        log = stage.folder / "server.log"
        server = watched(data, log=log, fault=tracer.Kill(at), plant=stage.plant)
        try:
            if server.url is not None:
                with connected(server.url) as http:
                    life.go_on(Api(http, stage.key))
        except httpx.TransportError:
            pass
        except Failed as failed:
            found = [str(failed)]
        finally:
            traced = server.end()
        done = life.done
        found += after(data, life, stage)
        return Lived(traced, done, found)
    finally:
        shutil.rmtree(data)


def after(data: Path, life: Life, stage: Stage) -> list[str]:
    """What is wrong after one restart, and after the client has asked again and gone on."""
    try:
        server = served(data, log=stage.folder / "server.log", plant=stage.plant)
    except Failed as failed:
        return [str(failed)]
    try:
        with connected(server.url) as http:
            api = Api(http, stage.key)
            found = life.lost(api) + checks.consistency(data) + fsck(data)
            if not found:
                life.go_on(api)
                found = life.lost(api) + checks.consistency(data) + fsck(data)
    except Failed as failed:
        found = [str(failed)]
    finally:
        server.kill()
    return found


def fsck(data: Path) -> list[str]:
    """What `bindery fsck` finds."""
    status, said = command("fsck", "--json", "--data", str(data))
    findings = json.loads(said)["findings"] if status in (0, 1) else [f"status {status}: {said}"]
    return [f"fsck: {finding}" for finding in findings]
