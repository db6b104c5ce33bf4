"""R1: SIGKILL before each change of a file in a whole life, from the server's start on."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import httpx

from tests.faults import checks
from tests.faults.forked import command, served, watched
from tests.faults.life import Life, Scene, scene
from tests.faults.outcome import Outcome
from tests.journeys.checks import Failed
from tests.journeys.client import Api, connected
from tests.journeys.server import Running


def killed_at_each(folder: Path, *, every: int, seconds: float, first: int = 1) -> Outcome:
    """Kill before every so manyth change, until a life comes to its end or the time is over."""
    key = Running(folder).create_key()
    server = served(folder / "data", log=folder / "server.log")
    with connected(server.url) as http:
        stage = scene(Api(http, key))
    server.kill()
    outcome = Outcome()
    end = time.monotonic() + seconds
    at = first
    while not outcome.found and time.monotonic() < end:
        data = folder / f"data-{at}"
        shutil.copytree(folder / "data", data)
        whole = _killed(data, at, stage, key, outcome)
        shutil.rmtree(data)
        if whole:
            outcome.of = outcome.done
            break
        outcome.done += 1
        at += every
    return outcome


def _killed(data: Path, at: int, stage: Scene, key: str, outcome: Outcome) -> bool:
    """One life with one kill; True: it ended before that."""
    log = data.parent / "server.log"
    life = Life(stage)
    server = watched(data, log=log, at=at)
    failure = ""
    if server.url is not None:
        try:
            with connected(server.url) as http:
                life.go_on(Api(http, key))
        except httpx.TransportError:
            pass
        except Failed as failed:
            failure = str(failed)
    traced = server.end()
    if traced.killed_before is None:
        outcome.found += [failure] if failure else []
        return True
    acknowledged = life.done
    outcome.acknowledged += acknowledged
    found = _after(data, log, life, key)
    outcome.found += [
        f"killed before change {at} ({traced.killed_before}), step {acknowledged + 1}: {one}"
        for one in found
    ]
    return False


def _after(data: Path, log: Path, life: Life, key: str) -> list[str]:
    """What is wrong after one restart, and after the client has asked again and gone on."""
    server = served(data, log=log)
    try:
        with connected(server.url) as http:
            api = Api(http, key)
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
