"""What a resolver gets: who asks, and how rows are read for that organization."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from uuid import UUID, uuid5

import strawberry

from app.actions.idempotency import Attempt
from app.actions.unit import Actor, not_found
from app.graphql.deadline import Deadline
from app.graphql.guard import DEFAULT, Limits
from app.graphql.loaders import Loaders
from app.graphql.rate import Spent
from app.rules.access import Role, require
from app.rules.errors import NotFound
from app.rules.prn import Kind, parse_prn
from app.server import Server

NOWHERE = UUID(int=0)


@dataclass
class Context:
    """One request: its actor, its time, and the process that serves it."""

    sender: Actor
    server: Server
    at: datetime
    attempt: Attempt | None = None
    subscribes_only: bool = False
    limits: Limits = DEFAULT
    spent: Spent | None = None
    deadline: Deadline | None = None
    label: str = "refused"
    """What the operation is counted as, once it was let in."""

    @property
    def actor(self) -> Actor:
        """Who asks, with the attempt of the mutation under way."""
        return replace(self.sender, attempt=self.attempt) if self.attempt else self.sender

    @property
    def organization_id(self) -> UUID:
        """The organization that every statement of this request is about."""
        return self.actor.organization_id

    @cached_property
    def loaders(self) -> Loaders:
        """The batched reads of this request."""
        return Loaders(self.organization_id)

    def renew(self) -> None:
        """Forgets what was read: a mutation has changed it, or is about to."""
        self.__dict__.pop("loaders", None)
        self.at = datetime.now(UTC)

    def limit_time(self) -> None:
        """Ends the operation when its time is over. It has to be one that only reads.

        A write is never ended half-way: it would not be known what was done.
        """
        seconds = self.server.settings.query_seconds
        if self.deadline is not None and seconds:
            self.deadline.limit(seconds)

    @contextmanager
    def let_in(self, label: str, *, cost: int) -> Iterator[None]:
        """Limits a query's time, charges its key, and counts it, be it answered or ended too late.

        Where the block raises something else, that is taken back: another executor lets it in anew.
        """
        self.label = label
        self.limit_time()
        if self.spent:
            # A field of the answer tells what was spent, this operation included.
            self.spent.cost += cost
        try:
            yield
        except Exception:
            if self.spent:
                # Other requests of the key may have added theirs meanwhile: these stay.
                self.spent.cost -= cost
            raise
        except asyncio.CancelledError:
            self.server.metrics.operation(label, cost=cost)
            raise
        self.server.metrics.operation(label, cost=cost)

    def require_reader(self) -> None:
        """Refuses a device's key. Raises Forbidden."""
        require(self.actor.role, Role.READ)

    def uuid(self, name: str, kind: Kind, *path: str) -> UUID:
        """The uuid in a resource name; for another organization's, one that nothing has.

        So whatever follows, from the role to the look-up, treats it as an unknown one. Raises
        BadUserInput.
        """
        parsed = parse_prn(name, kind=kind, path=path)
        return parsed.id if parsed.organization == self.organization_id else uuid5(NOWHERE, name)

    async def find(self, model: Any, name: str, *path: str) -> Any:
        """The row that a resource name names. Raises BadUserInput, NotFound."""
        kind: Kind = model.prn_kind
        found = await self.loaders.one(model).load(self.uuid(name, kind, *path))
        if found is None:
            raise not_found(kind, path=path)
        return found

    async def find_or_none(self, model: Any, name: str, *path: str) -> Any | None:
        """The row that a resource name names, None where there is none. Raises BadUserInput."""
        try:
            return await self.find(model, name, *path)
        except NotFound:
            return None


Info = strawberry.Info[Context, None]
