"""R5: calls of the system fail under a whole life: no room, a broken disk, no descriptors."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from tests.faults import points, tracer
from tests.faults.forked import Plant, watched
from tests.faults.life import STEPS, Life
from tests.faults.points import Stage
from tests.journeys.checks import Failed
from tests.journeys.client import Api, connected
from tests.soak.turn import Turn

TYPED: Final = ("STORAGE_FULL", "STORAGE_DEGRADED", "DATABASE_UNAVAILABLE", "is HASHING")
"""What a client may be told; hashing that could not read waits, and is tried again."""
ANSWER_SECONDS: Final = 30.0
"""Within which the life goes on after one call that failed."""

_BLOBS, _DATABASE = "blobs/", "bindery.db"
_SYNCS: Final = ("fsync", "fdatasync")
_FULL, _BROKEN, _MANY = errno.ENOSPC, errno.EIO, errno.EMFILE
_KINDS: Final = tuple(
    (calls, where, error)
    for calls, where, errors in (
        (("openat",), _BLOBS, (_FULL, _BROKEN, _MANY)),
        (("open",), _BLOBS, (_BROKEN, _MANY)),
        (("write",), _BLOBS, (_FULL, _BROKEN, tracer.SHORT)),
        (_SYNCS, _BLOBS, (_FULL, _BROKEN)),
        (("pwrite64",), _BLOBS, (_FULL, _BROKEN, tracer.SHORT)),
        (("ftruncate",), _BLOBS, (_BROKEN,)),
        (("unlinkat",), _BLOBS, (_BROKEN,)),
        (("pwrite64",), _DATABASE, (_FULL, _BROKEN, tracer.SHORT)),
        (_SYNCS, _DATABASE, (_FULL, _BROKEN)),
    )
    for error in errors
)
KINDS: Final = 2 * len(_KINDS)
"""Kinds of faults: each of these once, and from one call on for ever."""
FSYNC_ONCE: Final = 2 * _KINDS.index((_SYNCS, _BLOBS, _BROKEN))
"""The kind where one fsync of content fails, and the next would not."""
_FARTHEST: Final = {
    "openat": 6,
    "open": 12,
    "write": 15,
    "fsync": 12,
    "pwrite64": 12,
    "ftruncate": 5,
    "unlinkat": 6,
}
"""How many calls of its kind a life makes at least."""


def play(turn: Turn) -> None:
    """One fault in each case: every kind in turn, at the first calls and at later ones."""
    failed(turn)


def failed(
    turn: Turn, *, plant: Plant | None = None, only: int | None = None, until: int | None = None
) -> None:
    """What `play` does, with a bug planted, one kind of fault alone, and so many steps."""
    reason = tracer.cannot_fail()
    if reason:
        turn.skip(reason)
        return
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="bindery-failing-", dir=memory) as name:
        stage = points.staged(Path(name), plant)
        struck = 0
        for number in turn.cases():
            kind = number % KINDS if only is None else only
            calls, where, error = _KINDS[kind // 2]
            chance = turn.random(number)
            at = chance.randint(1, _FARTHEST[calls[0]])
            steps = until or chance.randint(3, len(STEPS))
            armed = stage.folder / "armed"
            fault = tracer.Fail(calls, where, error, at, bool(kind % 2), armed)
            lived = _lived(stage, fault, steps)
            struck += lived.struck is not None
            for one in lived.found:
                turn.find(number, f"{_told(fault)}: {one}")
            if turn.found:
                break
        turn.tell(f"{struck} of these faults struck")


def _told(fault: tracer.Fail) -> str:
    what = errno.errorcode.get(fault.error, "a short write")
    often = "for ever" if fault.ever else "once"
    return f"{what} at {' or '.join(fault.calls)} {fault.at} of {fault.where}, {often}"


@dataclass(slots=True)
class _Lived:
    """What came of a life: the call that failed first, and what is wrong."""

    found: list[str]
    struck: str | None = None

    def note(self, step: int, failed: Failed) -> None:
        if not any(code in str(failed) for code in TYPED):
            self.found.append(f"step {step + 1} is answered with no typed error: {failed}")


def _lived(stage: Stage, fault: tracer.Fail, steps: int) -> _Lived:
    data = stage.folder / "life"
    shutil.copytree(stage.folder / "data", data)
    log = stage.folder / "server.log"
    life, told = Life(stage.scene), _Lived([])
    server = watched(data, log=log, fault=fault, plant=stage.plant)
    try:
        if server.url is None:
            return _Lived(["the server did not start"])
        fault.armed.touch()
        with connected(server.url) as http:
            api = Api(http, stage.key)
            _go_on(life, api, told, steps, ever=fault.ever)
            told.found += _reads(life, api)
    except (Failed, httpx.TransportError) as failed:
        told.found.append(f"nothing is answered any more: {failed!r}")
    finally:
        fault.armed.unlink(missing_ok=True)
        told.struck = server.end().struck
        told.found += _kept(data, told.struck) if fault.error != tracer.SHORT else []
        told.found = told.found or points.after(data, life, stage)
        shutil.rmtree(data)
    return told


def _go_on(life: Life, api: Api, told: _Lived, steps: int, *, ever: bool) -> None:
    """Take so many steps; after a failure ask again, a few times where it will not end."""
    end = time.monotonic() + (1.0 if ever else ANSWER_SECONDS)
    while life.done < steps:
        try:
            life.go_on(api, until=steps)
        except Failed as failed:
            told.note(life.done, failed)
            if time.monotonic() > end:
                if not ever:
                    told.found.append(f"step {life.done + 1} does not succeed again: {failed}")
                return
            time.sleep(0.1)


def _kept(data: Path, struck: str | None) -> list[str]:
    """A blob that a call failed on is dropped: what it says afterwards proves nothing."""
    call, _, path = (struck or "").partition(" ")
    if call == "open":
        return []
    with closing(sqlite3.connect(f"file:{data / 'bindery.db'}?mode=ro", uri=True)) as database:
        named = "SELECT 1 FROM binary_part WHERE blob = ?"
        stored = database.execute(named, [Path(path).name]).fetchone()
    return [f"{struck} failed, and a part names that blob all the same"] if stored else []


def _reads(life: Life, api: Api) -> list[str]:
    """What is no longer answered, of what needs nothing to be written."""
    api.ask("{ binaries { totalCount nodes { id state parts { state } } } }")
    if "binary" not in life.ids:
        return []
    state = api.binary(life.ids["binary"], "state")["state"]
    return [] if state else ["the binary has no state"]
