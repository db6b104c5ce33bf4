"""What the schema says beyond rows: updates, resolutions and impacts, worked out when asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from app import database, models
from app.actions.poll import Reported, known
from app.actions.unit import not_found
from app.graphql.context import Context
from app.graphql.enums import REASONS, ImpactReason
from app.graphql.waves import Loader
from app.reads import graphs, manifests, resolution
from app.reads import impact as impact_reads
from app.reads.manifests import Content
from app.rules import plan
from app.rules.access import Role, allows, require
from app.rules.binary import State
from app.rules.cohort import CohortFacts, DeviceFacts
from app.rules.errors import Forbidden
from app.rules.facts import told
from app.rules.impact import Counts, Effect
from app.rules.prn import Kind
from app.rules.release import ReleaseFacts
from app.rules.resolution import Status, UpdateAnswer, resolve_update
from app.rules.trace import Reason, TraceStep
from app.rules.version import affected_by
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
        # Both fields ask for it, of each impact of an answer: it is read once, for all of them.
        loader: Loader[ImpactAnswer, Counts]
        loader = self.context.loaders.custom("impact counts", self._read_counts)
        return await loader.load(self)

    async def _read_counts(self, asked: Sequence[ImpactAnswer]) -> Sequence[Counts]:
        return await impact_reads.counts([one.found for one in asked], at=self.context.at)


async def impact_of(
    context: Context, binary_ids: Sequence[UUID], *, of_loss: bool = False
) -> ImpactAnswer:
    """The impact of destroying binaries; `of_loss`: as if their content were whole before.

    Those of several binaries, each by itself, are read together.
    """

    async def load(sets: list[frozenset[UUID]]) -> list[impact_reads.Impact]:
        return await impact_reads.impacts(context.organization_id, sets, of_loss=of_loss)

    name = "loss impact" if of_loss else "impact"
    found = await context.loaders.custom(name, load).load(frozenset(binary_ids))
    return ImpactAnswer(context, found)


@dataclass(frozen=True, slots=True)
class UpdateTold:
    """The answer to a device of an organization."""

    organization_id: UUID
    answer: UpdateAnswer

    @property
    def status(self) -> Status:
        """Whether there is an update."""
        return self.answer.status

    @property
    def release_id(self) -> UUID | None:
        """The release to install."""
        return self.answer.release_id

    @property
    def bundle_id(self) -> UUID | None:
        """Its bundle."""
        return self.answer.bundle_id

    @property
    def trace(self) -> list[TraceTold]:
        """Each release looked at, in order."""
        return self.told(self.answer.trace)

    def told(self, steps: Iterable[TraceStep]) -> list[TraceTold]:
        """Steps of the trace as they are told."""
        return [TraceTold(self.organization_id, step) for step in steps]


class TraceTold(NamedTuple):
    """One step of a trace; there may be hundreds in an answer."""

    organization_id: UUID
    step: TraceStep

    @property
    def release_id(self) -> UUID | None:
        """The release that was looked at."""
        return self.step.release_id

    @property
    def reason(self) -> Reason:
        """The one reason."""
        return self.step.reason

    @property
    def detail(self) -> str:
        """The reason in words."""
        return REASONS[self.step.reason]

    @property
    def facts(self) -> dict[str, Any]:
        """The facts behind the reason, as JSON, with ids as resource names."""
        return told(self.step.facts, organization_id=self.organization_id)


def asking_for(context: Context, name: str) -> UUID:
    """The device that somebody asks for. Raises Forbidden, BadUserInput."""
    actor = context.actor
    require(actor.role, Role.READ, Role.DEVICE)
    id = context.uuid(name, Kind.DEVICE, "deviceId")
    if actor.role is Role.DEVICE and actor.device_id != id:
        raise Forbidden("A device's key asks for that device only.", role=Role.READ)
    return id


Pair = tuple[DeviceFacts, CohortFacts | None]


async def asked(context: Context, device_ids: Sequence[UUID]) -> dict[UUID, Pair]:
    """Devices with what they are resolved from, by their ids, those that are there."""
    asking = await resolution.asking(context.organization_id, device_ids)
    found = await graphs.cohorts_of(context.organization_id, asking)
    return {
        id: (one.facts, found[one.facts.cohort_id] if one.facts.cohort_id else None)
        for id, one in asking.items()
    }


async def update_of(
    context: Context, device_id: UUID, reported: Reported | None = None, *path: str
) -> UpdateTold:
    """What a device would be answered now; nothing is written. Raises NotFound."""

    async def load(ids: list[UUID]) -> list[Pair | None]:
        pairs = await asked(context, ids)
        return [pairs.get(id) for id in ids]

    pair = await context.loaders.custom("asking", load).load(device_id)
    return await resolved(context, pair, reported, *path)


async def resolved(
    context: Context, pair: Pair | None, reported: Reported | None, *path: str
) -> UpdateTold:
    """What a device that was read is answered. Raises NotFound where there is none."""
    if pair is None:
        raise not_found(Kind.DEVICE, path=path)
    facts, cohort = pair
    if reported is not None:
        usable = await known(context.organization_id, reported, cohort)
        facts = replace(facts, **asdict(usable))
    answer = resolve_update(facts, cohort, at=context.at)
    return UpdateTold(context.organization_id, answer)


async def content_of(context: Context, binary_id: UUID) -> Content:
    """A binary with its artifact version and artifact; one statement for all of a request."""

    async def load(ids: list[UUID]) -> list[Content | None]:
        found = await manifests.contents(context.organization_id, ids)
        for content in found.values():
            for row in (content.binary, content.version, content.artifact):
                context.loaders.one(type(row)).prime(row.id, row)
        return [found.get(id) for id in ids]

    content: Content = await context.loaders.custom("content", load).load(binary_id)
    return content


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
