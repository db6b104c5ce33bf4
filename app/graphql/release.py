"""Mutations of bundles and releases."""

from __future__ import annotations

from typing import Any

import strawberry

from app.actions import bundle as bundle_actions
from app.actions import release as actions
from app.graphql.context import Info
from app.graphql.mutation import MutationInput, given, maybe, mutation, optional
from app.graphql.scalars import DateTime
from app.graphql.types import Bundle, Release
from app.rules.prn import Kind
from app.rules.rollout import NewPhase, NewRelease


@strawberry.input(description="A bundle to create.")
class CreateBundleInput(MutationInput):
    """What `createBundle` takes."""

    name: str = given("1 to 128 characters.")
    artifact_version_ids: list[strawberry.ID] = given("Its artifact versions, in this order.")


@mutation(
    "Binds artifact versions, each with a signed binary, into an immutable bundle.",
    bundle=(Bundle, "The bundle."),
)
async def create_bundle(info: Info, input: CreateBundleInput) -> Any:
    return await bundle_actions.create_bundle(
        info.context.actor,
        name=input.name,
        artifact_version_ids=[
            info.context.uuid(
                name, Kind.ARTIFACT_VERSION, "input", "artifactVersionIds", str(index)
            )
            for index, name in enumerate(input.artifact_version_ids)
        ],
    )


@strawberry.input(description="Whom a release is open to: a value or tags.")
class PhaseInput:
    """A phase."""

    value: float | None = optional(
        "A fraction from 0.0 to 1.0 of the cohort's devices, or a whole number of devices from 2."
        " 1 is everyone, and final."
    )
    tags: list[str] | None = optional("Only devices with at least one of these tags.")

    def read(self) -> NewPhase:
        """The phase as the rules take it."""
        return NewPhase(self.value, self.tags)


@strawberry.input(description="A release that might be created.")
class SimulateReleaseInput:
    """What `simulateRelease` takes, and what `createRelease` takes besides names."""

    cohort_id: strawberry.ID = given("Whose release it is.")
    bundle_id: strawberry.ID = given("What it installs.")
    next_release_id: strawberry.ID | None = optional(
        "Put it before this one; left out, it becomes the latest."
    )
    previous_release_id: strawberry.ID | None = optional(
        "Put it after this one, and before its next."
    )
    required: bool = given("Whether devices can't skip it.", default=False)
    disabled: bool = given("Whether it is never served.", default=False)
    scheduled_at: DateTime | None = optional("Before this moment it is not served.")
    phase: PhaseInput | None = optional("Whom it is open to; left out, everyone.")
    halt_after: int | None = optional(
        "After so many failed installations its phase halts; left out, never."
    )
    version: str | None = optional("A semantic version, unique in the cohort.")
    version_requirement: str | None = optional(
        "What a device's version must satisfy, such as `>=1.2.0, <2.0.0`."
    )

    def read(self, info: Info) -> NewRelease:
        """The release as the rules take it. Raises BadUserInput, NotFound."""
        return NewRelease(
            next_release_id=_release(info, self.next_release_id, "nextReleaseId"),
            previous_release_id=_release(info, self.previous_release_id, "previousReleaseId"),
            required=self.required,
            disabled=self.disabled,
            scheduled_at=self.scheduled_at,
            phase=self.phase.read() if self.phase else None,
            halt_after=self.halt_after,
            version=self.version,
            version_requirement=self.version_requirement,
        )


@strawberry.input(description="A release to create.")
class CreateReleaseInput(SimulateReleaseInput, MutationInput):
    """What `createRelease` takes."""

    name: str = given("1 to 128 characters.")
    description: str = given("Free text, at most 256 characters.", default="")


@mutation(
    "Releases a bundle to a cohort, at its place in the cohort's graph.",
    release=(Release, "The release."),
)
async def create_release(info: Info, input: CreateReleaseInput) -> Any:
    return await actions.create_release(
        info.context.actor,
        info.context.uuid(input.cohort_id, Kind.COHORT, "input", "cohortId"),
        info.context.uuid(input.bundle_id, Kind.BUNDLE, "input", "bundleId"),
        name=input.name,
        description=input.description,
        new=input.read(info),
    )


def _release(info: Info, name: str | None, field: str) -> Any:
    return None if name is None else info.context.uuid(name, Kind.RELEASE, "input", field)


@strawberry.input(description="A change of a release.")
class UpdateReleaseInput(MutationInput):
    """What `updateRelease` takes. Bundle, cohort and version never change."""

    release_id: strawberry.ID = given("Which release.")
    name: strawberry.Maybe[str | None] = maybe("Its new name.")
    description: strawberry.Maybe[str | None] = maybe("Its new description.")
    next_release_id: strawberry.Maybe[strawberry.ID | None] = optional(
        "The release that it is to point to from now on."
    )
    required: strawberry.Maybe[bool | None] = maybe("Whether devices can't skip it.")
    disabled: strawberry.Maybe[bool | None] = maybe("Whether it is never served.")
    scheduled_at: strawberry.Maybe[DateTime | None] = optional("Its date; null takes it away.")
    phase: strawberry.Maybe[PhaseInput | None] = optional("Its phase; null opens it to everyone.")
    halt_after: strawberry.Maybe[int | None] = optional("When its phase halts; null: never.")
    version_requirement: strawberry.Maybe[str | None] = optional(
        "What a device's version must satisfy; null: nothing."
    )


@mutation("Changes a release, or moves its one edge.", release=(Release, "The release."))
async def update_release(info: Info, input: UpdateReleaseInput) -> Any:
    fields = {
        name: field.value
        for name, field in vars(input).items()
        if isinstance(field, strawberry.Some)
    }
    if "next_release_id" in fields:
        fields["next_release_id"] = _release(info, fields["next_release_id"], "nextReleaseId")
    if fields.get("phase") is not None:
        fields["phase"] = fields["phase"].read()
    return await actions.update_release(
        info.context.actor,
        info.context.uuid(input.release_id, Kind.RELEASE, "input", "releaseId"),
        change=actions.ReleaseChange(given=frozenset(fields), **fields),
    )


@strawberry.input(description="Releases to archive.")
class ArchiveReleasesInput(MutationInput):
    """What `archiveReleases` takes."""

    release_ids: list[strawberry.ID] = given("Which releases, at most 1,000.")


@mutation(
    "Archives releases for good: paths run through them as if they were not there.",
    releases=(list[Release], "The releases."),
)
async def archive_releases(info: Info, input: ArchiveReleasesInput) -> Any:
    return await actions.archive_releases(
        info.context.actor,
        [
            info.context.uuid(name, Kind.RELEASE, "input", "releaseIds", str(index))
            for index, name in enumerate(input.release_ids)
        ],
    )


MUTATIONS = (create_bundle, create_release, update_release, archive_releases)
