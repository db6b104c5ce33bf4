"""Writes about artifacts and their versions."""

from __future__ import annotations

from uuid import UUID

from app.actions.unit import Unit, action, prn
from app.models import Artifact, ArtifactVersion
from app.rules import text
from app.rules.access import Role


@action(Role.WRITE)
async def create_artifact(unit: Unit, *, name: str, description: str = "") -> Artifact:
    """Creates an artifact: a reference to a kind of content. Raises BadUserInput."""
    given = {
        "name": text.name(name, field="name", max_length=128),
        "description": text.description(description, field="description"),
    }
    artifact = await Artifact.create(
        using_db=unit.connection, organization_id=unit.organization_id, **given
    )
    await unit.record("artifact.create", artifact, after=given)
    return artifact


@action(Role.WRITE)
async def update_artifact(
    unit: Unit, artifact_id: UUID, *, name: str | None = None, description: str | None = None
) -> Artifact:
    """Changes an artifact's name or description."""
    artifact = await unit.held(Artifact, artifact_id, path=("input", "artifactId"))
    values = {}
    if name is not None:
        values["name"] = text.name(name, field="name", max_length=128)
    if description is not None:
        values["description"] = text.description(description, field="description")
    await unit.change("artifact.update", artifact, **values)
    return artifact


@action(Role.WRITE)
async def create_artifact_version(
    unit: Unit, artifact_id: UUID, *, version: str, description: str = ""
) -> ArtifactVersion:
    """Creates a version of an artifact; versions are free text. Raises AlreadyExists."""
    version = text.name(version, field="version", max_length=64)
    description = text.description(description, field="description")
    artifact = await unit.find(Artifact, artifact_id, path=("input", "artifactId"))
    await unit.refuse_taken(
        ArtifactVersion,
        path=("input", "version"),
        what="such a version of this artifact",
        artifact_id=artifact_id,
        version=version,
    )
    created = await ArtifactVersion.create(
        using_db=unit.connection,
        organization_id=unit.organization_id,
        artifact_id=artifact_id,
        version=version,
        description=description,
    )
    await unit.record(
        "artifact_version.create",
        created,
        after={"version": version, "description": description, "artifact": prn(artifact)},
    )
    return created


@action(Role.WRITE)
async def update_artifact_version(
    unit: Unit, artifact_version_id: UUID, *, description: str | None = None
) -> ArtifactVersion:
    """Changes the description of an artifact version; the version itself is immutable."""
    found = await unit.held(
        ArtifactVersion, artifact_version_id, path=("input", "artifactVersionId")
    )
    if description is not None:
        description = text.description(description, field="description")
        await unit.change("artifact_version.update", found, description=description)
    return found
