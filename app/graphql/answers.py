"""What the schema says beyond rows: updates, resolutions and impacts, worked out when asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from app import database, models
from app.actions.poll import Known, Reported, known
from app.graphql.context import Context
from app.graphql.enums import REASONS, ImpactReason
from app.reads import impact as impact_reads
from app.reads import resolution
from app.rules import plan
from app.rules.access import Role, allows
from app.rules.binary import State
from app.rules.facts import told
from app.rules.impact import Counts, Effect, affected_by
from app.rules.release import ReleaseFacts
from app.rules.resolution import UpdateAnswer, resolve_update
from app.rules.trace import TraceStep
from app.storage.content import Digest


@dataclass
class ReleaseImpact:
    """What happens to one release; `id` is the release's."""

    facts: ReleaseFacts
    effect: Effect
    latest: bool

    @property
    def id(self) -> UUID:
        """The release's id, by which these are paged."""
        return self.facts.id

    @property
    def reasons(self) -> list[ImpactReason]:
        """Why it matters, the effect first."""
        newly = self.effect is Effect.NEWLY_AFFECTED
        found = [ImpactReason.TARGET_LOST if newly else ImpactReason.TARGET_LOST_BEFORE]
        for reason, holds in (
            (ImpactReason.REQUIRED, self.facts.required),
            (ImpactReason.LATEST, self.latest),
            (ImpactReason.ARCHIVED, self.facts.archived),
        ):
            found += [reason] * holds
        return found

    @property
    def severity(self) -> tuple[bool, bool, bool, bool, UUID]:
        """Worst first: newly affected, not archived, required, latest, then by id."""
        facts = self.facts
        already = self.effect is Effect.ALREADY_AFFECTED
        return already, facts.archived, not facts.required, not self.latest, facts.id


class ImpactAnswer:
    """An impact as the schema tells it; device counts are read only when asked for."""

    def __init__(self, context: Context, found: impact_reads.Impact) -> None:
        self.context = context
        self.found = found
        self._counts: asyncio.Future[Counts] | None = None

    @cached_property
    def releases(self) -> list[ReleaseImpact]:
        """The releases concerned, worst first."""
        told = [
            ReleaseImpact(
                release, self.found.effects[release.id], facts.graph.is_latest(release.id)
            )
            for facts in self.found.before.values()
            for release in facts.graph.releases
            if release.id in self.found.effects
        ]
        return sorted(told, key=lambda release: release.severity)

    @property
    def plan_token(self) -> str:
        """The token that accepts this impact."""
        return plan.write(self.found.plan(at=self.context.at), key=self.context.server.secret)

    @property
    def plan_token_required(self) -> bool:
        """Whether there is anything to accept."""
        return bool(self.found.to_accept)

    async def counts(self) -> Counts:
        """How many devices lose their update, and how many are stuck."""
        if self._counts is None:
            # Both fields ask in one tick; the second waits for what the first has begun.
            self._counts = asyncio.ensure_future(
                impact_reads.counts(self.found, at=self.context.at)
            )
        return await asyncio.shield(self._counts)


async def impact_of(
    context: Context, binary_ids: Sequence[UUID], *, of_loss: bool = False
) -> ImpactAnswer:
    """The impact of destroying binaries; `of_loss`: as if their content were whole before."""
    found = await impact_reads.impact(context.organization_id, binary_ids, of_loss=of_loss)
    return ImpactAnswer(context, found)


@dataclass
class UpdateTold:
    """The answer to a device, and the device it is for."""

    device: models.Device
    answer: UpdateAnswer

    @property
    def manifest(self) -> list[ManifestTold]:
        """What to install, in the bundle's order."""
        return [
            ManifestTold(entry.artifact_version_id, entry.binary_id)
            for entry in self.answer.manifest
        ]

    @property
    def trace(self) -> list[TraceTold]:
        """Each release looked at, in order."""
        return [TraceTold(self.device.organization_id, step) for step in self.answer.trace]


@dataclass
class ManifestTold:
    """One artifact version to install, and its binary."""

    artifact_version_id: UUID
    binary_id: UUID


@dataclass
class TraceTold:
    """One step of a trace."""

    organization_id: UUID
    step: TraceStep

    @property
    def detail(self) -> str:
        """The reason in words."""
        return REASONS[self.step.reason]

    @property
    def facts(self) -> dict[str, Any]:
        """The facts behind the reason, as JSON, with ids as resource names."""
        return told(self.step.facts, organization_id=self.organization_id)


async def update_of(
    context: Context, device: models.Device, reported: Reported | None = None
) -> UpdateTold:
    """What a device would be answered now; nothing is written."""
    if reported is not None:
        usable = await known(context.organization_id, reported)
        return await _judge(context, device, usable)
    loader = context.loaders.custom("update", lambda devices: _judge_all(context, devices))
    told: UpdateTold = await loader.load(_Same(device))
    return told


class _Same:
    """A device row as a loader's key: one id, one answer."""

    def __init__(self, device: models.Device) -> None:
        self.device = device

    def __hash__(self) -> int:
        return hash(self.device.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.device.id == other.device.id


async def _judge_all(context: Context, devices: list[_Same]) -> list[UpdateTold]:
    rows = [same.device for same in devices]
    facts = await resolution.devices(context.organization_id, rows)
    cohorts = await resolution.cohorts(
        context.organization_id, {row.cohort_id for row in rows if row.cohort_id is not None}
    )
    return [
        UpdateTold(
            row,
            resolve_update(one, cohorts[row.cohort_id] if row.cohort_id else None, at=context.at),
        )
        for row, one in zip(rows, facts, strict=True)
    ]


async def _judge(context: Context, device: models.Device, usable: Known) -> UpdateTold:
    (facts,) = await resolution.devices(context.organization_id, [device])
    facts = replace(
        facts,
        reported_release_id=usable.reported_release_id,
        reported_bundle_id=usable.reported_bundle_id,
        reported_version=usable.reported_version,
    )
    wanted = [device.cohort_id] if device.cohort_id else []
    cohorts: Mapping[UUID, Any] = await resolution.cohorts(context.organization_id, wanted)
    cohort = cohorts[device.cohort_id] if device.cohort_id else None
    return UpdateTold(device, resolve_update(facts, cohort, at=context.at))


async def part_link(context: Context, part: models.BinaryPart) -> tuple[str, datetime] | None:
    """Where to PUT a part's bytes and until when; None where the caller or the state forbids it."""
    binary = await context.loaders.one(models.Binary).load(part.binary_id)
    if (
        binary is None
        or binary.state is not State.UPLOADABLE
        or not allows(context.actor.role, Role.WRITE)
    ):
        return None
    uploads = context.server.uploads
    upload = await _upload(context, part.binary_id) if uploads is not None else None
    if uploads is None or upload is None:
        url, expires = context.server.upload_url(binary, part)
        return url, datetime.fromtimestamp(expires, UTC)
    seconds = context.server.settings.url_ttl
    url = await uploads.part_url(
        upload.blob,
        upload.upload,
        part.index,
        expect=Digest(part.hash, part.size),
        seconds=seconds,
    )
    return url, context.at.replace(microsecond=0) + timedelta(seconds=seconds)


async def _upload(context: Context, binary_id: UUID) -> models.StorageUpload | None:
    """Where a binary's parts are sent, if that is past the server."""

    async def load(ids: list[UUID]) -> list[models.StorageUpload | None]:
        rows = await models.StorageUpload.filter(binary_id__in=ids).using_db(database.reader())
        found = {row.binary_id: row for row in rows}
        return [found.get(id) for id in ids]

    found: models.StorageUpload | None
    found = await context.loaders.custom("uploads", load).load(binary_id)
    return found


async def affecting(context: Context, release: models.Release) -> list[models.Binary]:
    """The destroyed binaries for which a release serves no device."""

    async def load(bundle_ids: list[UUID]) -> list[list[UUID]]:
        from_bundles = await resolution.bundles(context.organization_id, bundle_ids)
        return [
            [id for target in affected_by(from_bundles[bundle_id]) for id in target.binary_ids]
            for bundle_id in bundle_ids
        ]

    ids = await context.loaders.custom("affecting", load).load(release.bundle_id)
    found: list[models.Binary] = await context.loaders.one(models.Binary).load_many(ids)
    return found
