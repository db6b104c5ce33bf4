"""The plan token: which impact of a destruction somebody has seen and accepts.

It carries the binaries with their revisions and the newly affected, not archived releases with
their flags; no counts. It is signed, and good for one hour (domain, section 6).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from app.rules.impact import ReleaseFlags
from app.rules.token import seal, unseal

LIFETIME: Final = timedelta(hours=1)
_PURPOSE: Final = "plan"


@dataclass(frozen=True, slots=True)
class Plan:
    """A destruction and its impact, as it was shown."""

    organization_id: UUID
    binaries: Mapping[UUID, int]
    releases: Mapping[UUID, ReleaseFlags]
    expires: datetime


def write(plan: Plan, *, key: bytes) -> str:
    """The token's text."""
    payload = {
        "organization": str(plan.organization_id),
        "binaries": [[str(id), plan.binaries[id]] for id in sorted(plan.binaries)],
        "releases": [[str(id), *plan.releases[id]] for id in sorted(plan.releases)],
        "expires": plan.expires.isoformat(),
    }
    return seal(_PURPOSE, json.dumps(payload, separators=(",", ":")).encode(), key=key)


def read(token: str, *, key: bytes) -> Plan:
    """The plan in a token. Raises ValueError where it was changed, or made by another server."""
    payload = json.loads(unseal(_PURPOSE, token, key=key))
    return Plan(
        organization_id=UUID(payload["organization"]),
        binaries={UUID(id): revision for id, revision in payload["binaries"]},
        releases={UUID(id): ReleaseFlags(*flags) for id, *flags in payload["releases"]},
        expires=datetime.fromisoformat(payload["expires"]),
    )
