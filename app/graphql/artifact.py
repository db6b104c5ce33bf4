"""Mutations of artifacts and their versions."""

from __future__ import annotations

from typing import Any

import strawberry

from app.actions import artifact as actions
from app.graphql.context import Info
from app.graphql.mutation import MutationInput, given, maybe, mutation
from app.graphql.types import Artifact, ArtifactVersion
from app.rules.prn import Kind


@strawberry.input(description="An artifact to create.")
class CreateArtifactInput(MutationInput):
    """What `createArtifact` takes."""

    name: str = given("1 to 128 characters.")
    description: str = given("Free text, at most 256 characters.", default="")


@mutation("Creates an artifact.", artifact=(Artifact, "The artifact."))
async def create_artifact(info: Info, input: CreateArtifactInput) -> Any:
    return await actions.create_artifact(
        info.context.actor, name=input.name, description=input.description
    )


@strawberry.input(description="A change of an artifact.")
class UpdateArtifactInput(MutationInput):
    """What `updateArtifact` takes."""

    artifact_id: strawberry.ID = given("Which artifact.")
    name: strawberry.Maybe[str | None] = maybe("Its new name.")
    description: strawberry.Maybe[str | None] = maybe("Its new description.")


@mutation("Changes an artifact.", artifact=(Artifact, "The artifact."))
async def update_artifact(info: Info, input: UpdateArtifactInput) -> Any:
    return await actions.update_artifact(
        info.context.actor,
        info.context.uuid(input.artifact_id, Kind.ARTIFACT, "input", "artifactId"),
        name=input.name.value if input.name else None,
        description=input.description.value if input.description else None,
    )


@strawberry.input(description="An artifact version to create.")
class CreateArtifactVersionInput(MutationInput):
    """What `createArtifactVersion` takes."""

    artifact_id: strawberry.ID = given("What it is a version of.")
    version: str = given("Unique in the artifact; 1 to 64 characters, any form.")
    description: str = given("Free text, at most 256 characters.", default="")


@mutation("Creates a version of an artifact.", artifact_version=(ArtifactVersion, "The version."))
async def create_artifact_version(info: Info, input: CreateArtifactVersionInput) -> Any:
    return await actions.create_artifact_version(
        info.context.actor,
        info.context.uuid(input.artifact_id, Kind.ARTIFACT, "input", "artifactId"),
        version=input.version,
        description=input.description,
    )


@strawberry.input(description="A change of an artifact version.")
class UpdateArtifactVersionInput(MutationInput):
    """What `updateArtifactVersion` takes."""

    artifact_version_id: strawberry.ID = given("Which artifact version.")
    description: strawberry.Maybe[str | None] = maybe("Its new description.")


@mutation(
    "Changes an artifact version's description.",
    artifact_version=(ArtifactVersion, "The version."),
)
async def update_artifact_version(info: Info, input: UpdateArtifactVersionInput) -> Any:
    return await actions.update_artifact_version(
        info.context.actor,
        info.context.uuid(
            input.artifact_version_id, Kind.ARTIFACT_VERSION, "input", "artifactVersionId"
        ),
        description=input.description.value if input.description else None,
    )


MUTATIONS = (
    create_artifact,
    update_artifact,
    create_artifact_version,
    update_artifact_version,
)
