"""E1: what was destroyed is gone from the device itself, also after a power cut at any moment."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx

from tests.faults import checks, power, raw
from tests.faults.clients import Stage, staged
from tests.faults.forked import Forked, Plant
from tests.faults.power import Powered
from tests.faults.stored import Stored, created
from tests.journeys.checks import Failed
from tests.journeys.client import Api, connected
from tests.journeys.server import Running
from tests.soak.turn import Turn

WINDOWS: Final = 500
WINDOW: Final = 32
PER_GROUND: Final = 20
_LARGE, _SMALL = 12 << 20, 700_000
_BLOCK: Final = 4096
_ZEROS: Final = bytes(_BLOCK)


def play(turn: Turn) -> None:
    """Destroy in each case: with a download under way, or with a power cut around it."""
    destroyed(turn)


def destroyed(turn: Turn, *, plant: Plant | None = None) -> None:
    """What `play` does, with a bug planted."""
    reason = power.missing()
    if reason:
        turn.skip(reason)
        return
    while not turn.over and not turn.found:
        with power.ground(1 + turn.next // PER_GROUND % 2) as ground:
            _on(turn, ground, plant)


def _on(turn: Turn, ground: Powered, plant: Plant | None) -> None:
    key = Running(ground.folder, database=f"sqlite://{ground.database}").create_key()
    server = ground.start(plant)
    try:
        with connected(server.url) as http:
            stage = staged(Api(http, key))
        for number in turn.cases(PER_GROUND):
            chance = turn.random(number)
            if number % 5 == 0:
                found = _while_read(server, key, stage, ground, chance)
            else:
                server, found = _in_the_dark(server, key, stage, ground, chance, plant)
            for one in found:
                turn.find(number, one)
            if turn.found:
                return
    except Failed as failed:
        turn.find(turn.next, str(failed))
    finally:
        server.kill()


def _signed(api: Api, stage: Stage, chance: random.Random, size: int) -> tuple[Stored, str]:
    target = f"t-{chance.getrandbits(60):x}"
    one = created(api, stage, target=target, content=chance.randbytes(size))
    one.upload(api)
    one.hash(api)
    return one, one.sign(api, stage)


def _while_read(
    server: Forked, key: str, stage: Stage, ground: Powered, chance: random.Random
) -> list[str]:
    """Destroy what somebody is downloading."""
    with connected(server.url) as http:
        api = Api(http, key)
        one, url = _signed(api, stage, chance, _LARGE)
        before = _seen(one, ground, chance)
        reader = raw.connected(server.url)
        raw.download(reader, url)
        got = raw.read(reader, 100_000)
        one.destroy(api)
        found = [] if one.erased(api) else ["the content is not erased"]
        found += _held_open(server.pid)
        got += raw.rest(reader)
        reader.close()
        if got.endswith(one.content[-WINDOW:]) or len(got) >= len(one.content):
            found.append(f"the open download came to a clean end, {len(got)} bytes")
        found += _gone(one, url, api, ground, chance)
    return found if before == WINDOWS else [f"only {before} windows were seen before, {found}"]


def _in_the_dark(
    server: Forked,
    key: str,
    stage: Stage,
    ground: Powered,
    chance: random.Random,
    plant: Plant | None,
) -> tuple[Forked, list[str]]:
    """Destroy, and cut the power around that; what was acknowledged as erased stays so."""
    with connected(server.url) as http:
        api = Api(http, key)
        one, url = _signed(api, stage, chance, _SMALL)
        told: list[str | None] = []

        def destroy() -> None:
            try:
                one.destroy(api)
                told.append(one.erased(api))
            except (httpx.TransportError, Failed):
                pass

        client = threading.Thread(target=destroy)
        client.start()
        time.sleep(chance.uniform(0, 0.06))
        ground.fault(server)
        client.join()
    if told and told[0] and (count := _seen(one, ground, chance)):
        # Looked at before anything is started, which might erase it only now.
        return server, [f"{count} windows are back after they were acknowledged as erased"]
    server = ground.start(plant)
    with connected(server.url) as http:
        api = Api(http, key)
        state = one.state(api)
        if told and state != "DESTROYED":
            return server, [f"the binary was destroyed, and is {state}"]
        if state != "DESTROYED":
            served = http.get(url).content == one.content
            return server, [] if served else ["what was not destroyed is not served"]
        found = [] if one.erased(api) else ["the content is not erased"]
        found += _gone(one, url, api, ground, chance)
    return server, found + checks.consistency(ground.data, ground.database)


def _gone(one: Stored, url: str, api: Api, ground: Powered, chance: random.Random) -> list[str]:
    count, status = _seen(one, ground, chance), api.http.get(url).status_code
    found = [f"{count} windows of the content are on the device"] if count else []
    return found if status == 410 else [*found, f"the old URL is answered {status}"]


def _held_open(pid: int) -> list[str]:
    """Files that the server holds open and that have no name: their bytes are still there."""
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            name, size = descriptor.readlink(), descriptor.stat().st_size
        except OSError:
            continue
        if str(name).endswith("(deleted)") and "/blobs/" in str(name) and size:
            found.append(f"a removed blob of {size} bytes is still held open")
    return found


def _seen(one: Stored, ground: Powered, chance: random.Random) -> int:
    """How many windows of the content are anywhere on the raw devices."""
    os.sync()
    written = b"".join(block for disk in ground.disks for block in _written(disk.image))
    places = [chance.randrange(len(one.content) - WINDOW) for _ in range(WINDOWS)]
    # A window that two blocks share may lie in two places.
    places = [at - max(0, at % _BLOCK + WINDOW - _BLOCK) for at in places]
    return sum(one.content[at : at + WINDOW] in written for at in places)


def _written(image: Path) -> Iterator[bytes]:
    """The blocks of an image that were written and are not zero."""
    with image.open("rb") as file:
        end, at = file.seek(0, os.SEEK_END), 0
        while at < end:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                return
            hole = os.lseek(file.fileno(), at, os.SEEK_HOLE)
            data = os.pread(file.fileno(), hole - at, at)
            for start in range(0, len(data), _BLOCK):
                block = data[start : start + _BLOCK]
                if block != _ZEROS:
                    yield block
            at = hole
