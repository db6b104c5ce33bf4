"""Runs an operation by both executors, on one clock, and compares what would leave the server."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import orjson

from app.actions.access import authenticate
from app.actions.unit import Actor
from app.graphql import schema as schemas
from app.graphql.connections import write_cursor
from app.graphql.context import Context
from app.graphql.planner.planner import Planner
from app.graphql.rate import Spent
from app.graphql.transport import Operation
from app.rules.access import Role
from app.rules.prn import parse_prn
from app.server import Server
from tests.api import Api
from tests.graphql import world
from tests.graphql.planner.generator import Generator, Values

schema = schemas.schema
AT = datetime(2030, 1, 1, tzinfo=UTC)
TEXTS = {
    "target": (world.ARM, "portable"),
    "nameContains": ("a", "o"),
    "identifierContains": ("1", "dev"),
    "version": ("1.0.0", "1.0.1"),
    "versionRequirement": (">=1.0.0",),
    "name": ("firmware", "the bundle"),
    "kind": ("device.claim", "binary.create"),
}
NEWEST_FIRST = ("Event", "WebhookDelivery")
UNCHAINED = ("BinaryPart", "Organization", "ArtifactVersion")
"""What has no list of its own, or two lists of one type whose cursors differ."""


@dataclass
class Compared:
    """What both executors said: the planner's answer is None where it declined."""

    reference: bytes
    planned: bytes | None
    codes: list[str]


@dataclass
class Both:
    """The two executors of a server, for one actor."""

    server: Server
    actor: Actor
    planner: Planner

    def context(self) -> Context:
        """A fresh request."""
        return Context(
            sender=self.actor, server=self.server, at=AT, spent=Spent(until=time.monotonic() + 60)
        )

    async def run(self, text: str, variables: dict[str, Any] | None = None) -> Compared:
        """Executes an operation twice."""
        result = await schema.execute(text, variable_values=variables, context_value=self.context())
        errors = [error.formatted for error in result.errors or ()]
        planned = await self.planner.answer(Operation(text, variables, None), self.context())
        return Compared(
            orjson.dumps([result.data, errors, result.extensions]),
            None if planned is None else orjson.dumps([planned.data, [], planned.extensions]),
            [str((error.get("extensions") or {}).get("code")) for error in errors],
        )

    def as_role(self, role: Role) -> Both:
        """The same with another role."""
        return replace(self, actor=replace(self.actor, role=role))

    def as_device(self, name: str) -> Both:
        """The same with the key of a device."""
        device_id = parse_prn(name, path=()).id
        return replace(self, actor=replace(self.actor, role=Role.DEVICE, device_id=device_id))

    def generator(self, chance: Random, found: world.World) -> Generator:
        """Random operations about what is there."""
        cursors = {
            f"{kind}Connection": [self._cursor(kind, row.id) for row in rows]
            for kind, rows in found.rows.items()
            if kind not in UNCHAINED
        }
        ids = {kind: world.names(rows) for kind, rows in found.rows.items()}
        return Generator(schema._schema, Values(ids, cursors, TEXTS), chance)

    def _cursor(self, kind: str, id: Any) -> str:
        return write_cursor(self.context(), f"{kind}:CREATED_AT:{kind in NEWEST_FIRST}", id, id)


async def both(server: Server, api: Api) -> Both:
    """The executors for a client's key."""
    actor = await authenticate(api.key, at=datetime.now(UTC), request_id="r")
    return Both(server, actor, Planner(schema))


def at_rest() -> Callable[[], float]:
    """A clock that stands still: signed URLs end at the same second."""
    now = time.time()
    return lambda: now
