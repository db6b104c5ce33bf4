"""Destroying binaries, with the impact that was accepted."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from app import database
from app.actions import moves
from app.actions.release import hold_cohorts
from app.actions.unit import Unit, action, not_found
from app.models import ArtifactVersion, Binary
from app.reads.impact import Impact, concerned, impact
from app.rules import plan
from app.rules.access import Role
from app.rules.binary import Move
from app.rules.errors import BadUserInput, ImpactChanged, ImpactNotAccepted
from app.rules.impact import compare
from app.rules.prn import Kind, format_prn

MAX_AT_ONCE = 1_000


@action(Role.ADMIN, on_full_disk=True)
async def destroy_binaries(
    unit: Unit,
    binary_ids: Sequence[UUID],
    *,
    key: bytes,
    plan_token: str | None = None,
    expected_revision: int | None = None,
    several: bool = True,
) -> list[Binary]:
    """Destroys signed binaries, all or none; their content is garbage from the commit on.

    Where an unarchived release would be newly affected it takes the plan token of exactly this
    set, signed with `key`. Raises NotFound, InvalidTransition, Conflict, ImpactNotAccepted and
    ImpactChanged.
    """
    ids = list(dict.fromkeys(binary_ids))
    if not 1 <= len(ids) <= MAX_AT_ONCE:
        raise BadUserInput(f"Name 1 to {MAX_AT_ONCE} binaries.", path=("input", "binaryIds"))
    found = await _locked_impact(unit, ids)
    for index, id in enumerate(ids):
        if id not in found.binaries:
            place = ("binaryIds", str(index)) if several else ("binaryId",)
            raise not_found(Kind.BINARY, path=("input", *place))
    destroyed = [
        await moves.move(unit, id, Move.DESTROY, expected_revision=expected_revision) for id in ids
    ]
    _check_accepted(unit, found, plan_token, key=key)
    for binary in destroyed:
        await moves.drop_parts(unit, binary.id)
        await _record_accepted(unit, binary, found)
    return destroyed


async def _locked_impact(unit: Unit, ids: Sequence[UUID]) -> Impact:
    """The impact, with all that could change it locked: cohorts first, as every graph edit does.

    The binaries too, since a token is good for their revisions alone.
    """
    versions, cohorts = await concerned(unit.organization_id, ids, using=unit.connection)
    await hold_cohorts(unit, cohorts)
    await unit.lock(ArtifactVersion, sorted(versions))
    await unit.lock(Binary, ids)
    found = await impact(unit.organization_id, ids, using=unit.connection)
    if not found.before.keys() <= cohorts:
        raise database.Retry
    return found


def _check_accepted(unit: Unit, found: Impact, token: str | None, *, key: bytes) -> None:
    if not found.to_accept:
        return
    accepted = _read(unit, found, token, key=key)
    if accepted is None:
        raise ImpactNotAccepted(
            f"{len(found.to_accept)} releases would be newly affected. Read the impact, and send"
            " its planToken to accept that, or archive these releases first.",
            binary_ids=_names(unit, sorted(found.binaries), Kind.BINARY),
            release_ids=_names(unit, sorted(found.to_accept)),
            path=("input", "planToken"),
        )
    difference = compare(accepted.releases, found.to_accept)
    if not difference.is_accepted:
        raise ImpactChanged(
            "The impact is no longer the one that was accepted; read it again.",
            added=_names(unit, difference.added),
            removed=_names(unit, difference.removed),
            path=("input", "planToken"),
        )


def _read(unit: Unit, found: Impact, token: str | None, *, key: bytes) -> plan.Plan | None:
    """The plan that a token accepts for exactly these binaries, or None if it does not."""
    if token is None:
        return None
    try:
        read = plan.read(token, key=key)
    except ValueError:
        raise BadUserInput(
            "The plan token was changed, or is none of this server's.",
            path=("input", "planToken"),
        ) from None
    current = (unit.organization_id, dict(found.binaries))
    if (read.organization_id, dict(read.binaries)) != current or read.expires <= unit.at:
        return None
    return read


async def _record_accepted(unit: Unit, binary: Binary, found: Impact) -> None:
    if found.to_accept:
        releases = {
            name: {"required": flags.required, "latest": flags.latest}
            for id, flags in found.to_accept.items()
            for name in _names(unit, [id])
        }
        await unit.record("binary.impact_accepted", binary, after={"releases": releases})


def _names(unit: Unit, ids: Sequence[UUID], kind: Kind = Kind.RELEASE) -> list[str]:
    return [format_prn(kind, unit.organization_id, id) for id in ids]
