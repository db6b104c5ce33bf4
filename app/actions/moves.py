"""The one writer of a binary's state, revision and epoch.

A move is one compare-and-set, the first statement of its transaction after row locks: of any
number of racing requests the database lets one through. What the move needs is checked after
it, and a failed check rolls it back (design, section 2, rule 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn
from uuid import UUID

from tortoise.expressions import F

from app import database
from app.actions import usage
from app.actions.unit import Unit, not_found
from app.models import Binary, BinaryPart, StorageUpload
from app.rules.binary import TABLE, Move, State, after, available
from app.rules.errors import Conflict, InvalidTransition
from app.rules.prn import Kind

_VERBS = {
    Move.FINISH_UPLOAD: "The upload can't be finished",
    Move.START_HASHING: "Hashing can't be started",
    Move.PASS_VERIFICATION: "Verification can't pass",
    Move.SIGN: "The binary can't be signed",
    Move.DESTROY: "The binary can't be destroyed",
    Move.RESET: "The binary can't be reset",
}
_NO_LEASE: dict[str, Any] = {"lease_token": None, "lease_expires_at": None}
_FRESH: dict[str, Any] = {
    **_NO_LEASE,
    "bytes_uploaded": 0,
    "bytes_hashed": 0,
    "computed_hash": None,
    "computed_size": None,
    "verification_status": None,
    "verification_error": None,
    "verification_attempts": 0,
    "verification_due_at": None,
    "content_health": None,
    "content_checked_at": None,
}
_ALSO: dict[Move, dict[str, Any]] = {
    Move.RESET: {"epoch": F("epoch") + 1, **_FRESH},
    Move.DESTROY: {
        "epoch": F("epoch") + 1,
        "destroyed": True,
        "bytes_uploaded": 0,
        "content_health": None,
    },
}
"""What a move sets besides the state; a new epoch ends the URLs that were given out."""


async def move(
    unit: Unit,
    binary_id: UUID,
    which: Move,
    *,
    expected_revision: int | None = None,
    only_if: dict[str, Any] | None = None,
    values: dict[str, Any] | None = None,
) -> Binary:
    """Makes one move, records it, and gives the binary as it is then.

    `only_if` are further columns that must still have these values; `values` are set with it.
    Raises NotFound, InvalidTransition or Conflict, and has then changed nothing.
    """
    rows = [row for row in TABLE if row.move is which]
    (target,) = {row.target for row in rows}
    origins = [row.origin for row in rows]
    origin = await _origin(unit, binary_id, origins)
    conditions: dict[str, Any] = {"state__in": origins, **(only_if or {})}
    if expected_revision is not None:
        conditions["revision"] = expected_revision
    changes: dict[str, Any] = {"state": target, "revision": F("revision") + 1, **_NO_LEASE}
    changes |= (values or {}) | _ALSO.get(which, {})
    still = Binary.filter(organization_id=unit.organization_id, id=binary_id, **conditions)
    if not await still.using_db(unit.connection).update(**changes, updated_at=unit.at):
        await _refuse(unit, binary_id, which)
    binary = await unit.find(Binary, binary_id)
    await unit.record(
        f"binary.{which.lower()}",
        binary,
        before={"state": origin, "revision": binary.revision - 1},
        after={"state": target, "revision": binary.revision},
    )
    return binary


async def _origin(unit: Unit, binary_id: UUID, possible: Sequence[State]) -> State:
    """The state that a move begins in: the one possible, or that of the row, which is locked."""
    if len(possible) == 1:
        return possible[0]
    return (await unit.held(Binary, binary_id, path=("input", "binaryId"))).state


async def _refuse(unit: Unit, binary_id: UUID, which: Move) -> NoReturn:
    present = await unit.find(Binary, binary_id, path=("input", "binaryId"))
    if after(present.state, which) is None:
        raise refusal(present, _VERBS[which])
    raise Conflict(
        f"{_VERBS[which]}: it is at revision {present.revision} now. Read it again.",
        state=present.state,
        revision=present.revision,
        available_transitions=available(present.state),
    )


def expect(binary: Binary, revision: int | None) -> None:
    """Refuses with Conflict unless a locked binary is at the revision that the caller expects."""
    if revision is not None and revision != binary.revision:
        raise Conflict(
            f"The binary is at revision {binary.revision}, not {revision}. Read it again.",
            state=binary.state,
            revision=binary.revision,
            available_transitions=available(binary.state),
            path=("input", "expectedRevision"),
        )


def refusal(binary: Binary, what: str) -> InvalidTransition:
    """Why a binary's present state does not allow something, and what is possible from it."""
    possible = available(binary.state)
    return InvalidTransition(
        f"{what} in state {binary.state}."
        f" Possible from it: {', '.join(possible) if possible else 'nothing'}.",
        state=binary.state,
        available_transitions=possible,
    )


async def hold(unit: Unit, binary_id: UUID, *, what: str, **conditions: Any) -> Binary:
    """Locks an uploadable binary against moves, and gives it. Raises NotFound, InvalidTransition.

    This is a write, so that it takes the row's lock on both databases and sees what is committed.
    """
    held = (
        await Binary.filter(
            organization_id=unit.organization_id,
            id=binary_id,
            state=State.UPLOADABLE,
            **conditions,
        )
        .using_db(unit.connection)
        .update(updated_at=unit.at)
    )
    binary = await Binary.get_or_none(organization_id=unit.organization_id, id=binary_id)
    if binary is None:
        raise not_found(Kind.BINARY, path=("input", "binaryId"))
    if not held:
        raise refusal(binary, what)
    return binary


async def drop_parts(unit: Unit, binary_id: UUID) -> None:
    """Deletes a binary's parts; their blobs are garbage from this transaction on.

    So is the object that they are parts of, where clients sent them to a bucket.
    """
    await database.execute(
        "INSERT INTO storage_gc (blob, binary_id, created_at)"
        " SELECT blob, binary_id, $3 FROM binary_part"
        " WHERE organization_id = $1 AND binary_id = $2 AND blob IS NOT NULL",
        [unit.organization_id, binary_id, unit.at],
        using=unit.connection,
    )
    await usage.give_back(unit, binary_id)
    await (
        BinaryPart.filter(organization_id=unit.organization_id, binary_id=binary_id)
        .using_db(unit.connection)
        .delete()
    )
    await drop_upload(unit, binary_id)


async def drop_upload(unit: Unit, binary_id: UUID) -> None:
    """Makes garbage of the object that clients sent a binary's parts to, if there is one."""
    upload = await StorageUpload.filter(binary_id=binary_id).using_db(unit.connection).first()
    if upload is not None:
        await database.execute(
            "INSERT INTO storage_gc (blob, binary_id, created_at) VALUES ($1, $2, $3)"
            " ON CONFLICT (blob) DO NOTHING",
            [upload.blob, binary_id, unit.at],
            using=unit.connection,
        )
        await StorageUpload.filter(blob=upload.blob).using_db(unit.connection).delete()
