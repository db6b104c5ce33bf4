"""What tests ask about impacts."""

from __future__ import annotations

import base64
import json
import os

from tests.api import Api, Json

FLEETS = int(os.environ.get("BINDERY_FLEETS", "6"))
"""How many generated fleets a property is tried on."""
IMPACT = """query($ids: [ID!]!) { destructionImpact(ids: $ids) {
  planToken planTokenRequired devicesLosingUpdate devicesStuck
  releases(first: 100) { totalCount nodes { release { id } effect reasons } }
  bundles { nodes { id } } cohorts { nodes { id } } products { nodes { id } } } }"""


async def impact_of(api: Api, *ids: str) -> Json:
    """An impact."""
    told: Json = (await api.ask(IMPACT, ids=list(ids)))["destructionImpact"]
    return told


def binaries_of(impact: Json) -> set[str]:
    """The uuids of the binaries that a plan token is of."""
    token = impact["planToken"]
    payload = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))[:-16])
    return {id for id, _ in payload["binaries"]}
