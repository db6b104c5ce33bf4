"""What a manifest tells of its binaries: each with its artifact version and artifact."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app import database
from app.models import Artifact, ArtifactVersion, Binary

_ALIASES: dict[str, Any] = {"b": Binary, "v": ArtifactVersion, "a": Artifact}
_CONTENTS = """
SELECT {columns} FROM binary_record b
JOIN artifact_version v ON v.id = b.artifact_version_id
JOIN artifact a ON a.id = v.artifact_id
WHERE b.organization_id = $1 AND b.id {ids:2}
"""


@dataclass(frozen=True, slots=True)
class Content:
    """A binary, what it is the content of, and of which kind that is."""

    binary: Binary
    version: ArtifactVersion
    artifact: Artifact


async def contents(organization_id: UUID, binary_ids: Iterable[UUID]) -> dict[UUID, Content]:
    """The contents of binaries by their ids, those that are there; one statement."""
    arguments = [organization_id, sorted(set(binary_ids))]
    found: dict[UUID, Content] = {}
    columns = ", ".join(
        f"{alias}.{column} AS {alias}_{column}" for alias in _ALIASES for column in _columns(alias)
    )
    for row in await database.query(_CONTENTS.replace("{columns}", columns), arguments):
        binary, version, artifact = (_instance(alias, row) for alias in _ALIASES)
        found[binary.id] = Content(binary, version, artifact)
    return found


def _columns(alias: str) -> list[str]:
    return list(_ALIASES[alias]._meta.fields_db_projection.values())


def _instance(alias: str, row: dict[str, Any]) -> Any:
    own = {column: row[f"{alias}_{column}"] for column in _columns(alias)}
    return database.instance(_ALIASES[alias], own)
