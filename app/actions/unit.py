"""One action: a caller, a transaction, and what is recorded in it.

A function decorated with `action` is called with the actor and runs in one transaction, after
the actor's role was checked; nothing below it commits. It may run again when it lost a race
(see `database.unit_of_work`), so it does nothing but read and write the database.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from app import database
from app.actions import idempotency
from app.actions.idempotency import Attempt
from app.models import Event, Organization, Owned
from app.notices import Notice
from app.rules.access import Role, require
from app.rules.errors import AlreadyExists, NotFound
from app.rules.facts import told
from app.rules.prn import Kind, format_prn

P = ParamSpec("P")
T = TypeVar("T")
Row = TypeVar("Row", bound=Owned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts: an API key of one organization, or the server itself (no key)."""

    organization_id: UUID
    role: Role
    key_id: UUID | None = None
    device_id: UUID | None = None
    request_id: str = ""
    attempt: Attempt | None = None

    @property
    def key_prn(self) -> str | None:
        """The resource name of the key; of a key, nothing else may be told."""
        if self.key_id is None:
            return None
        return format_prn(Kind.API_KEY, self.organization_id, self.key_id)


@dataclass(frozen=True, slots=True)
class Unit:
    """One transaction of one actor; `at` is its time."""

    actor: Actor
    connection: database.Connection
    at: datetime

    @property
    def organization_id(self) -> UUID:
        """The organization that every statement of this unit is about."""
        return self.actor.organization_id

    async def find(self, model: type[Row], id: UUID, *, path: Sequence[str] = ()) -> Row:
        """The row of this organization with this id. Raises NotFound."""
        found = await model.get_or_none(organization_id=self.organization_id, id=id)
        if found is None:
            raise not_found(model.prn_kind, path=path)
        return found

    async def held(
        self, model: type[Row], id: UUID, *, path: Sequence[str] = (), share: bool = False
    ) -> Row:
        """The row of this organization with this id, locked as by `lock`. Raises NotFound."""
        way = "SHARE" if share else "UPDATE"
        locking = f" FOR {way}" if database.dialect(self.connection) == "postgres" else ""
        found = await database.rows(
            model,
            f"SELECT * FROM {model._meta.db_table}"  # noqa: S608 - no user's text in it.
            f" WHERE organization_id = $1 AND id = $2{locking}",
            [self.organization_id, id],
            using=self.connection,
        )
        if not found:
            raise not_found(model.prn_kind, path=path)
        return found[0]

    async def refuse_taken(
        self, model: type[Row], *, path: Sequence[str], what: str, **values: Any
    ) -> None:
        """Raises AlreadyExists when this organization has a row with these values."""
        taken = await model.filter(organization_id=self.organization_id, **values).first()
        if taken is not None:
            raise AlreadyExists(
                f"There is {what} already; its id is in `existingId`.",
                existing_id=prn(taken),
                path=path,
            )

    async def lock(self, model: type[Row], ids: Sequence[UUID], *, share: bool = False) -> None:
        """Locks rows in order of id on PostgreSQL; on SQLite the transaction is alone anyway."""
        if database.dialect(self.connection) == "postgres":
            await database.execute(
                f"SELECT id FROM {model._meta.db_table}"  # noqa: S608 - no user's text in it.
                " WHERE organization_id = $1 AND id {ids:2} ORDER BY id FOR "
                + ("SHARE" if share else "UPDATE"),
                [self.organization_id, sorted(ids)],
                using=self.connection,
            )

    async def record(
        self,
        kind: str,
        subject: Owned | Organization,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> Event:
        """Writes the Event of this change: the facts concerned, before and after it.

        The database itself adds what webhooks are to be told of it.
        """
        event = await Event.create(
            using_db=self.connection,
            organization_id=self.organization_id,
            time=self.at,
            actor_key_id=self.actor.key_id,
            kind=kind,
            subject_kind=subject.prn_kind,
            subject_id=subject.id,
            before=told(before or {}, organization_id=self.organization_id),
            after=told(after or {}, organization_id=self.organization_id),
            request_id=self.actor.request_id,
        )
        await self.announce(subject.id, event_id=event.id)
        return event

    async def announce(self, subject_id: UUID, *, event_id: UUID | None = None) -> None:
        """Tells whoever waits for news of a thing, once this unit is committed."""
        notice = Notice(self.organization_id, subject_id, event_id)
        await database.announce(notice, using=self.connection)

    async def change(
        self, kind: str, subject: Owned, *, also: Sequence[str] = (), **values: Any
    ) -> None:
        """Sets fields of a row and records those that really changed; none: no Event.

        `also` are fields that were set on the row before; they are written and not recorded.
        """
        before = {name: getattr(subject, name) for name in values}
        changed = {name: value for name, value in values.items() if before[name] != value}
        subject.update_from_dict(changed)
        written = [*also, *changed, *(["updated_at"] if changed else [])]
        if written:
            await subject.save(using_db=self.connection, update_fields=written)
        if changed:
            await self.record(
                kind, subject, before={name: before[name] for name in changed}, after=changed
            )


def action(
    *needs: Role,
    on_full_disk: bool = False,
) -> Callable[
    [Callable[Concatenate[Unit, P], Awaitable[T]]], Callable[Concatenate[Actor, P], Awaitable[T]]
]:
    """Makes a function an action: it is called with the Actor, and gets a Unit.

    `needs` are the roles of which one is enough. Where Role.DEVICE is among them, the function
    itself refuses another device than the key's own. `on_full_disk` is for what makes room, and
    for what must not wait for it (see `database.unit_of_work`).
    """

    def decorate(
        function: Callable[Concatenate[Unit, P], Awaitable[T]],
    ) -> Callable[Concatenate[Actor, P], Awaitable[T]]:
        @functools.wraps(function)
        async def run(actor: Actor, /, *args: P.args, **kwargs: P.kwargs) -> T:
            require(actor.role, *needs)

            async def body(connection: database.Connection) -> T:
                unit = Unit(actor, connection, datetime.now(UTC))
                return await _once(unit, lambda: function(unit, *args, **kwargs))

            return await database.unit_of_work(body, on_full_disk=on_full_disk)

        run.needs = needs  # type: ignore[attr-defined]
        return run

    return decorate


async def _once(unit: Unit, act: Callable[[], Awaitable[T]]) -> T:
    """Acts, unless the actor's attempt was done before: then its result, as it is now."""
    attempt, key_id = unit.actor.attempt, unit.actor.key_id
    if attempt is None or key_id is None:
        return await act()
    owner = unit.organization_id
    before = await idempotency.done_before(
        attempt, organization_id=owner, key_id=key_id, at=unit.at
    )
    if before is not None:
        replayed: T = before.result
        return replayed
    result = await act()
    await idempotency.keep(attempt, result, organization_id=owner, key_id=key_id, at=unit.at)
    return result


def prn(row: Owned) -> str:
    """The resource name of a row."""
    return format_prn(row.prn_kind, row.organization_id, row.id)


def not_found(kind: Kind, *, path: Sequence[str] = ()) -> NotFound:
    """The one answer for what is unknown and for what is another organization's."""
    return NotFound(f"There is no {kind.replace('_', ' ')} with this id.", path=path)
