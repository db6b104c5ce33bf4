"""Writes about bundles: they are created, and never change."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from app.actions.unit import Unit, action
from app.models import ArtifactVersion, Bundle, BundleVersion
from app.reads import resolution
from app.rules import bundle, text
from app.rules.access import Role


@action(Role.WRITE)
async def create_bundle(unit: Unit, *, name: str, artifact_version_ids: Sequence[UUID]) -> Bundle:
    """Binds artifact versions, in this order, into an immutable bundle.

    Raises BundleEmpty, DuplicateVersion, VersionNotFound, VersionNotSigned and VersionAffected,
    the last four with the index of the version. The versions stay locked until the commit, so
    that no destroy of one of their binaries can pass by.
    """
    name = text.name(name, field="name", max_length=128)
    bundle.check_list(artifact_version_ids)
    await unit.lock(ArtifactVersion, artifact_version_ids, share=True)
    known = await resolution.versions(
        unit.organization_id, artifact_version_ids, using=unit.connection
    )
    bundle.check_versions(artifact_version_ids, known)
    created = await Bundle.create(
        using_db=unit.connection, organization_id=unit.organization_id, name=name
    )
    await BundleVersion.bulk_create(
        [
            BundleVersion(
                organization_id=unit.organization_id,
                bundle_id=created.id,
                artifact_version_id=version_id,
                position=position,
            )
            for position, version_id in enumerate(artifact_version_ids)
        ],
        using_db=unit.connection,
    )
    await unit.record(
        "bundle.create", created, after={"name": name, "versions": len(artifact_version_ids)}
    )
    return created
