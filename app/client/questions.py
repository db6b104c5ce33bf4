"""Questions to ask before something is done: what a loss would break, what a device would get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.client.service import Json, Service

_PAGE: Final = 100
_IMPACT: Final = """
query Bindery($ids: [ID!]!, $first: Int!, $after: String) {
  destructionImpact(ids: $ids) {
    planToken planTokenRequired devicesLosingUpdate devicesStuck
    releases(first: $first, after: $after) {
      nodes { effect reasons release { id name cohort { name } } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""
_RESOLVE: Final = """
query Bindery($id: ID!) {
  resolveUpdate(deviceId: $id) {
    status
    release { id name }
    bundle { id name }
    manifest {
      artifact { name } artifactVersion { version } binary { id target } hash size
    }
    trace { reason detail release { name } }
  }
}
"""


async def impact(service: Service, ids: Sequence[str]) -> Json:
    """What the loss of binaries, versions, bundles or keys would do; all releases at once."""
    found: Json = {}
    releases: list[Json] = []
    after: str | None = None
    while True:
        answer = await service.ask(_IMPACT, ids=list(ids), first=_PAGE, after=after)
        found = answer["destructionImpact"]
        page = found.pop("releases")
        releases += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return {**found, "releases": releases}


async def resolve(service: Service, device_id: str) -> Json:
    """What a device would be told to install if it asked now; nothing is recorded."""
    found: Json = (await service.ask(_RESOLVE, id=device_id))["resolveUpdate"]
    return found
