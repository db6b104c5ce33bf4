"""R4: bugs that the harness must catch, planted in the child that serves, never in the product."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from app import database, engine
from app.actions import moves, part, presence
from app.actions.unit import Unit
from app.models import Binary, BinaryPart
from app.storage import syscalls
from app.storage.content import Digest
from app.storage.disk import DiskStore
from tests.faults import erased, failing, flips, points, power, racing, rounds, workers
from tests.faults.forked import Plant
from tests.soak.turn import Turn

SECONDS: Final = 60.0
"""Within which each bug must be caught."""
CASES: Final = 200


def _replace(thing: object, name: str, by: object) -> None:
    """Plant: whoever looks the name up from now on finds the other thing."""
    setattr(thing, name, by)


def no_file_fsync() -> None:
    """Bytes may lie in memory when their part is stored."""
    _replace(syscalls, "sync_file", lambda _descriptor: None)
    _replace(syscalls, "sync_folder", os.fsync)


def no_folder_fsync() -> None:
    """What is removed may be there again when nobody knows it any more."""
    _replace(syscalls, "sync_folder", lambda _descriptor: None)


def commits_in_memory() -> None:
    """SQLite does not wait for the disk; that the server checks that is taken out with it."""

    async def trusted() -> None:
        return

    engine.PRAGMAS["synchronous"] = "NORMAL"
    _replace(database, "assert_pragmas", trusted)


def no_intent() -> None:
    """What a dead process was writing is known to no row."""

    async def recover() -> None:
        await database.execute("DELETE FROM storage_intent", [], using=database.writer())

    _replace(presence, "recover", recover)


def unlink_first() -> None:
    """Bytes go before the transaction that says so is committed."""
    stores: list[DiskStore] = []
    opened, dropped = DiskStore.open, moves.drop_parts

    async def open_store(store: DiskStore) -> None:
        await opened(store)
        stores.append(store)

    async def drop_parts(unit: Unit, binary_id: UUID) -> None:
        parts = BinaryPart.filter(binary_id=binary_id, blob__isnull=False)
        blobs = await parts.values_list("blob", flat=True)
        await dropped(unit, binary_id)
        await stores[0].erase([str(blob) for blob in blobs])

    _replace(DiskStore, "open", open_store)
    _replace(moves, "drop_parts", drop_parts)


def acknowledged_early() -> None:
    """An upload is answered before the commit of the transaction that stores its part."""
    stored = part._store_part
    storing: set[asyncio.Future[None]] = set()

    async def store_part(*arguments: Any) -> None:
        storing.add(asyncio.ensure_future(stored(*arguments)))

    _replace(part, "_store_part", store_part)


def gc_not_drained() -> None:
    """Garbage loses its rows, and keeps its files."""

    async def erase(_store: DiskStore, _names: Sequence[str]) -> None:
        return

    _replace(DiskStore, "erase", erase)


def fsync_retried() -> None:
    """A failed fsync is done again, and believed; the bytes may be gone by then."""

    def sync_file(descriptor: int) -> None:
        try:
            os.fsync(descriptor)
        except OSError:
            os.fsync(descriptor)

    _replace(syscalls, "sync_file", sync_file)


def not_truncated() -> None:
    """What is destroyed stays, as zeros, for whoever has it open."""
    _replace(syscalls, "cut", lambda _descriptor: None)


def anyone_wins() -> None:
    """A move that changed no row, since another was first, goes on as if it had."""

    async def refuse(*_arguments: object) -> None:
        return

    _replace(moves, "_refuse", refuse)


def no_fence() -> None:
    """A result is taken from whoever brings it, and not from the holder of the lease alone."""
    moved = moves.move

    async def move(*arguments: Any, only_if: object = None, **options: Any) -> Binary:
        return await moved(*arguments, **options)

    _replace(moves, "move", move)


def hashed_in_memory() -> None:
    """What is verified are the bytes that came, and not those that lie on the disk."""
    came: dict[str, bytes] = {}
    written = DiskStore.write

    async def write(
        store: DiskStore, name: str, chunks: AsyncIterator[bytes], *, expect: Digest
    ) -> Digest:
        async def seen() -> AsyncIterator[bytes]:
            async for chunk in chunks:
                came[name] = came.get(name, b"") + chunk
                yield chunk

        return await written(store, name, seen(), expect=expect)

    async def digest(_store: DiskStore, names: Sequence[str], **_options: object) -> Digest:
        content = b"".join(came[name] for name in names)
        return Digest(hashlib.sha256(content).hexdigest(), len(content))

    _replace(DiskStore, "write", write)
    _replace(DiskStore, "digest", digest)


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug, and the suite that is to catch it."""

    name: str
    suite: str
    plant: Plant
    hunt: Callable[[Turn, Plant], None]


def _at_each(turn: Turn, plant: Plant) -> None:
    points.killed(turn, plant=plant)


def _at_random(turn: Turn, plant: Plant) -> None:
    rounds.killed(turn, plant=plant)


def _in_the_dark(turn: Turn, plant: Plant) -> None:
    power.cut(turn, plant=plant, disks=2)


def _erased(turn: Turn, plant: Plant) -> None:
    erased.destroyed(turn, plant=plant)


def _flipped(turn: Turn, plant: Plant) -> None:
    flips.flipped(turn, plant=plant)


def _raced(turn: Turn, plant: Plant) -> None:
    racing.raced(turn, plant=plant)


def _woken_late(turn: Turn, plant: Plant) -> None:
    workers.killed(turn, plant=plant, zombies=True)


def _failing_fsync(turn: Turn, plant: Plant) -> None:
    failing.failed(turn, plant=plant, only=failing.FSYNC_ONCE, until=6)


BUGS: Final = (
    Bug("no file fsync", "R3", no_file_fsync, _in_the_dark),
    Bug("no directory fsync", "R3", no_folder_fsync, _in_the_dark),
    Bug("synchronous=NORMAL", "R3", commits_in_memory, _in_the_dark),
    Bug("no intent row", "R2", no_intent, _at_random),
    Bug("unlink before commit", "R1", unlink_first, _at_each),
    Bug("acknowledge before commit", "R2", acknowledged_early, _at_random),
    Bug("no compare-and-set", "R7", anyone_wins, _raced),
    Bug("no lease fence", "R9", no_fence, _woken_late),
    Bug("gc not drained", "R2", gc_not_drained, _at_random),
    Bug("fsync retried", "R5", fsync_retried, _failing_fsync),
    Bug("hash of memory instead of disk", "R10", hashed_in_memory, _flipped),
    Bug("destroy without truncate", "E1", not_truncated, _erased),
)


def play(turn: Turn) -> None:
    """Plant one bug in each case; what is found is a bug that was not caught."""
    for number in turn.cases():
        bug = BUGS[number]
        hunt = Turn(bug.suite, 0, CASES, turn.seed, SECONDS)
        bug.hunt(hunt, bug.plant)
        if hunt.skipped:
            turn.tell(f"{bug.name}: {bug.suite} can't be played, {hunt.skipped}")
        elif hunt.found:
            turn.tell(f"{bug.name}: caught by {bug.suite}, {hunt.found[0]}")
        else:
            turn.find(number, f"{bug.name} is not caught by {bug.suite}, {hunt.done} cases")
