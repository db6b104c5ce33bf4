"""What a device itself writes: its poll and its report.

A poll writes an Event only when what is reported changes or a claim is new. `lastSeen` is written
at most once a minute and has none (domain, section 8).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from tortoise.expressions import F

from app import database
from app.actions.device import held_device
from app.actions.unit import Actor, Unit, action, not_found, prn
from app.models import Device, Release, ReleaseClaim
from app.reads import graphs, resolution
from app.reads.values import as_uuid
from app.rules import text
from app.rules.access import Role
from app.rules.cohort import CohortFacts, DeviceFacts
from app.rules.counts import rests_on_counts
from app.rules.errors import BadUserInput, Forbidden
from app.rules.failures import StorageFull
from app.rules.prn import Kind, format_prn, parse_prn
from app.rules.resolution import UpdateAnswer, resolve_update
from app.rules.version import reported_version

RECENT = timedelta(minutes=1)
"""How exact `lastSeen` is: it is written at most this often."""


class Outcome(StrEnum):
    """What became of an installation."""

    INSTALLED = "INSTALLED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What a device says that it runs, as it came; what can't be used counts as not reported."""

    release_id: str | None = None
    bundle_id: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """The usable part of what a device reports."""

    reported_release_id: UUID | None
    reported_bundle_id: UUID | None
    reported_version: str | None


def own_device(unit: Unit, device_id: UUID) -> None:
    """Refuses that a device's key acts for another device. Raises Forbidden."""
    if unit.actor.role is Role.DEVICE and unit.actor.device_id != device_id:
        raise Forbidden("A device's key acts for that device only.", role=Role.WRITE)


_KNOWN = """
SELECT id FROM release WHERE organization_id = $1 AND id {ids:2}
UNION ALL
SELECT id FROM bundle WHERE organization_id = $1 AND id {ids:2}
"""

_CLAIMS = """
SELECT COALESCE(SUM(claims), 0) AS n, (
    SELECT c.graph_version FROM release r JOIN cohort c ON c.id = r.cohort_id WHERE r.id = $2
) AS graph_version
FROM release_claim_count WHERE organization_id = $1 AND release_id = $2
"""


async def known(
    organization_id: UUID,
    reported: Reported,
    cohort: CohortFacts | None,
    *,
    using: database.Connection | None = None,
) -> Known:
    """What is usable of a report: ids that exist in the organization, a version with a form.

    What the device's cohort releases is there; one statement tells of what it does not.
    """
    release_id = _uuid(organization_id, reported.release_id, Kind.RELEASE)
    bundle_id = _uuid(organization_id, reported.bundle_id, Kind.BUNDLE)
    there: set[UUID] = set()
    if cohort is not None:
        there |= {release.id for release in cohort.graph.releases if release.id == release_id}
        there |= {id for id in cohort.bundles if id == bundle_id}
    asked = [id for id in (release_id, bundle_id) if id is not None and id not in there]
    if asked:
        rows = await database.query(_KNOWN, [organization_id, asked], using=using)
        there |= {as_uuid(row["id"]) for row in rows}
    well_formed = reported_version(reported.version) is not None
    return Known(
        release_id if release_id in there else None,
        bundle_id if bundle_id in there else None,
        reported.version if well_formed else None,
    )


def _uuid(organization_id: UUID, name: str | None, kind: Kind) -> UUID | None:
    if name is None:
        return None
    try:
        prn = parse_prn(name, kind=kind, path=())
    except BadUserInput:
        return None
    return prn.id if prn.organization == organization_id else None


@action(Role.WRITE, Role.DEVICE)
async def report_device_state(
    unit: Unit,
    device_id: UUID,
    *,
    reported: Reported,
    outcome: Outcome | None = None,
    message: str = "",
) -> Device:
    """Takes a device's report.

    With FAILED, `reported` names the release whose installation failed: that is counted for the
    release, and what the device runs stays as it was. Raises NotFound, Forbidden, BadUserInput.
    """
    own_device(unit, device_id)
    message = text.description(message, field="message", max_length=1_024)
    device = await held_device(unit, device_id)
    usable = await known(unit.organization_id, reported, None, using=unit.connection)
    if outcome is Outcome.FAILED:
        await _note(unit, device, None)
        await _count_failure(unit, device, usable.reported_release_id, message)
    else:
        await _note(unit, device, usable)
        if outcome is Outcome.INSTALLED:
            await unit.record("device.installed", device, after={"message": message})
    return device


async def _count_failure(unit: Unit, device: Device, release_id: UUID | None, message: str) -> None:
    facts = {"message": message}
    release = await Release.get_or_none(
        organization_id=unit.organization_id, cohort_id=device.cohort_id, id=release_id
    )
    # A release of another cohort counts as not named: no device can halt what it does not get.
    if release is not None:
        facts["release"] = prn(release)
        await (
            Release.filter(organization_id=unit.organization_id, id=release.id)
            .using_db(unit.connection)
            .update(failures=F("failures") + 1)
        )
    await unit.record("device.install_failed", device, after=facts)


async def _note(unit: Unit, device: Device, usable: Known | None) -> None:
    """Writes what a device reports, and at most once a minute that it was seen; one statement."""
    seen = []
    if device.last_seen_at is None or device.last_seen_at < unit.at - RECENT:
        device.last_seen_at = unit.at
        seen = ["last_seen_at"]
    await unit.change("device.report", device, also=seen, **(asdict(usable) if usable else {}))


async def claim_update(
    actor: Actor, device_id: UUID, *, reported: Reported | None = None
) -> tuple[Device, UpdateAnswer]:
    """A device's poll: notes what it reports, answers its update, and claims that release.

    Concurrent claims never pass a phase's limit: the loser is answered without that release. On a
    full disk nothing is noted, and what needs no new place in a phase is answered all the same.
    Raises NotFound, Forbidden, StorageFull.
    """
    try:
        return await _claim_update(actor, device_id, reported=reported)
    except StorageFull:
        # To note an idempotency key takes room as well.
        asking = replace(actor, attempt=None)
        device, answer, has_place = await _answer(asking, device_id, reported=reported)
        if not has_place:
            raise
        return device, answer


@action(Role.WRITE, Role.DEVICE)
async def _claim_update(
    unit: Unit, device_id: UUID, *, reported: Reported | None
) -> tuple[Device, UpdateAnswer]:
    device, facts, cohort, version, usable = await _asked(unit, device_id, reported)
    await _note(unit, device, usable)
    answer = resolve_update(facts, cohort, at=unit.at)
    while cohort is not None and answer.release_id not in {None, *facts.claims}:
        cohort = await _claims_now(unit, cohort, version, answer)
        confirmed = resolve_update(facts, cohort, at=unit.at)
        if confirmed.release_id == answer.release_id:
            await _claim(unit, device, confirmed)
            return device, confirmed
        answer = confirmed
    return device, answer


@action(Role.WRITE, Role.DEVICE, on_full_disk=True)
async def _answer(
    unit: Unit, device_id: UUID, *, reported: Reported | None
) -> tuple[Device, UpdateAnswer, bool]:
    """The answer without a write, and whether it may be given without one."""
    device, facts, cohort, _, _ = await _asked(unit, device_id, reported)
    answer = resolve_update(facts, cohort, at=unit.at)
    release = None if cohort is None else cohort.graph.get(answer.release_id)
    limited = release is not None and release.phase.limits
    return device, answer, not limited or answer.release_id in facts.claims


class _Asked(NamedTuple):
    """A device, locked, with what its update is resolved from, its own report included.

    Its cohort is counted where the answer may rest on that, which takes a statement.
    """

    device: Device
    facts: DeviceFacts
    cohort: CohortFacts | None
    graph_version: int | None
    usable: Known | None


async def _asked(unit: Unit, device_id: UUID, reported: Reported | None) -> _Asked:
    own_device(unit, device_id)
    await unit.lock(Device, [device_id])
    asked = await resolution.asking(unit.organization_id, [device_id], using=unit.connection)
    if device_id not in asked:
        raise not_found(Kind.DEVICE, path=("input", "deviceId"))
    device, facts = asked[device_id].row, asked[device_id].facts
    found = await graphs.graphs_of(unit.organization_id, asked, using=unit.connection)
    cohort = None if device.cohort_id is None else found[device.cohort_id]
    usable = None
    if reported is not None:
        usable = await known(unit.organization_id, reported, cohort, using=unit.connection)
        facts = replace(facts, **asdict(usable))
    if cohort is not None and rests_on_counts(facts, cohort):
        counted = await resolution.counted(unit.organization_id, found, using=unit.connection)
        (cohort,) = counted.values()
    return _Asked(device, facts, cohort, asked[device_id].graph_version, usable)


async def _claims_now(
    unit: Unit, cohort: CohortFacts, version: int | None, answer: UpdateAnswer
) -> CohortFacts:
    """The cohort with the claims of the answered release as they are under its row's lock.

    Where no phase limits the release, there is no place to race for, and nothing is locked. Where
    the graph is at another version by now, all begins anew: the phase may have been lowered.
    """
    release = cohort.graph.get(answer.release_id)
    if release is None or not release.phase.limits:
        return cohort
    await unit.lock(Release, [release.id])
    arguments = [unit.organization_id, release.id]
    (row,) = await database.query(_CLAIMS, arguments, using=unit.connection)
    if row["graph_version"] != version:
        raise database.Retry
    return cohort.counted(
        devices=cohort.devices,
        claims={**cohort.claims, release.id: row["n"]},
        failures=cohort.failures,
    )


async def _claim(unit: Unit, device: Device, answer: UpdateAnswer) -> None:
    assert answer.release_id is not None
    await ReleaseClaim.create(
        using_db=unit.connection,
        organization_id=unit.organization_id,
        release_id=answer.release_id,
        device_id=device.id,
    )
    release = format_prn(Kind.RELEASE, unit.organization_id, answer.release_id)
    await unit.record("device.claim", device, after={"release": release})
