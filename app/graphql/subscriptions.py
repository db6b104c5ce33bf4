"""The subscriptions of the schema.

A notice only says that something changed, so each answer is the present state, and an answer that
came late is not a wrong one. A key that is revoked or expires ends its subscriptions.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

import strawberry

from app import models
from app.actions.access import still_good
from app.graphql import lists
from app.graphql.audit import Event
from app.graphql.context import Info
from app.graphql.lists import EventFilter
from app.graphql.types import Binary
from app.notices import Notice, board
from app.reads.pages import MAX_SIZE
from app.reads.recorded import Heard
from app.rules.failures import DatabaseUnavailable
from app.rules.prn import Kind

KEY_CHECK_SECONDS = 5.0
"""A subscription outlives its key by at most this long, as long as there is a database."""
AGAIN_SECONDS = 0.5
"""How soon a database is asked again that did not answer."""

T = TypeVar("T")


@strawberry.type(description="Everything that can be followed.")
class Subscription:
    """The root of subscriptions."""

    @strawberry.subscription(  # type: ignore[untyped-decorator]
        description="A binary, now and whenever its state, bytes uploaded or bytes hashed change."
    )
    async def binary_changed(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
    ) -> AsyncGenerator[Binary, None]:
        info.context.require_reader()
        binary_id = info.context.uuid(id, Kind.BINARY, "id")
        seen: Any = None
        async for notice in _notices(info):
            if notice is not None and notice.subject_id != binary_id:
                continue
            found = await _there(info, lambda: info.context.find(models.Binary, id, "id"))
            facts = (
                found.revision,
                found.bytes_uploaded,
                found.bytes_hashed,
                found.verification_status,
                found.content_erased_at,
            )
            if facts != seen:
                seen = facts
                yield found

    @strawberry.subscription(  # type: ignore[untyped-decorator]
        description="Each event of the audit record, as it is recorded."
    )
    async def event_recorded(
        self,
        info: Info,
        filter: Annotated[
            EventFilter | None, strawberry.argument(description="Which ones.")
        ] = None,
    ) -> AsyncGenerator[Event, None]:
        info.context.require_reader()
        heard = Heard(info.context.organization_id)
        async for notice in _notices(info):
            ids: tuple[UUID, ...] = ()
            if notice is None:
                ids = tuple(await _there(info, heard.missed))
            elif notice.event_id is not None and heard.new(notice.event_id):
                ids = (notice.event_id,)
            for at in range(0, len(ids), MAX_SIZE):
                some = ids[at : at + MAX_SIZE]
                for found in await _there(info, lambda: _events(info, filter, some)):  # noqa: B023
                    yield found


async def _notices(info: Info) -> AsyncIterator[Notice | None]:
    """None first, and then each notice of the organization; None again when some may be lost.

    Raises KeyRevoked or KeyExpired once the key is no longer good.
    """
    owner = info.context.organization_id
    with board.subscribed() as queue:
        yield None
        checked = asyncio.get_running_loop().time()
        while True:
            notice: Notice | None = None
            heard = True
            try:
                async with asyncio.timeout(KEY_CHECK_SECONDS):
                    notice = await queue.get()
            except TimeoutError:
                heard = False
            now = asyncio.get_running_loop().time()
            if now - checked >= KEY_CHECK_SECONDS or not heard:
                # Who has no database can't be told of a key that is revoked, and of nothing else.
                await _there(info, lambda: still_good(info.context.actor, at=datetime.now(UTC)))
                checked = now
            if heard and (notice is None or notice.organization_id == owner):
                info.context.renew()
                yield notice


async def _there(info: Info, read: Callable[[], Awaitable[T]]) -> T:
    """What is read, as soon as the database answers: no subscription ends for its absence."""
    while True:
        try:
            return await read()
        except DatabaseUnavailable:
            await asyncio.sleep(AGAIN_SECONDS)
            info.context.renew()


async def _events(info: Info, filter: EventFilter | None, ids: tuple[UUID, ...]) -> list[Any]:
    """The events of these ids that the filter takes, oldest first."""
    opened = await lists.EVENTS.of(info.context, ids, filter=filter, first=MAX_SIZE)
    return opened.nodes[::-1]
