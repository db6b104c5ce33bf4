"""How a type of the schema declares its fields.

`plain` and `derived` are facts of the row itself. `to_one`, `to_many`, `children` and `edge` lead
elsewhere, and are closed to a device's key (domain, section 9).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import strawberry

from app.graphql.connections import PAGE_ARGUMENTS, argument
from app.graphql.context import Info
from app.graphql.declared import PLAN, Children, Identity, Needs, Own, ToMany, ToOne
from app.graphql.listing import Listing

F = TypeVar("F", bound=Callable[..., Any])


def plain(description: str, *, name: str | None = None, plan: Own | None = None) -> Any:
    """A column of the row, under its own name."""
    declared = {PLAN: plan} if plan else {}
    return strawberry.field(description=description, name=name, metadata=declared)


def identity(description: str) -> Callable[[F], Any]:
    """The resource name of the row."""
    return lambda resolver: strawberry.field(
        resolver=resolver, description=description, metadata={PLAN: Identity()}
    )


def derived(
    description: str, *, needs: tuple[str, ...] = (), plan: Own | ToOne | None = None
) -> Callable[[F], Any]:
    """A fact worked out from the row; `needs` names the columns, if it looks at few."""
    declared: dict[str, Any] = {PLAN: plan} if plan else {PLAN: Needs(needs)} if needs else {}
    return lambda resolver: strawberry.field(
        resolver=resolver, description=description, metadata=declared
    )


def edge(
    description: str, *, needs: tuple[str, ...] = (), plan: Own | None = None
) -> Callable[[F], Any]:
    """A resolver that leads beyond the row; closed to a device's key. `needs` as for `derived`."""
    declared: dict[str, Any] = {PLAN: plan} if plan else {PLAN: Needs(needs)} if needs else {}

    def decorate(resolver: F) -> Any:
        @functools.wraps(resolver)
        async def guarded(*args: Any, info: Info, **kwargs: Any) -> Any:
            info.context.require_reader()
            found = resolver(*args, info=info, **kwargs)
            return await found if inspect.isawaitable(found) else found

        return strawberry.field(resolver=guarded, description=description, metadata=declared)

    return decorate


def to_one(model: Any, by: str, description: str, *, device: bool = False) -> Any:
    """The row that a column names; `device`: a device's key may follow, too."""

    async def resolve(root: Any, info: Info) -> Any:
        if not device:
            info.context.require_reader()
        id = getattr(root, by)
        return None if id is None else await info.context.loaders.one(model).load(id)

    resolve.__annotations__ = {"info": Info}
    return strawberry.field(
        resolver=resolve, description=description, metadata={PLAN: ToOne(model, by, device)}
    )


def children(model: Any, by: str, order: str, description: str, *, device: bool = False) -> Any:
    """The rows of a bounded list, whose column `by` names this row; `device` as for `to_one`."""

    async def resolve(root: Any, info: Info) -> Any:
        if not device:
            info.context.require_reader()
        return await info.context.loaders.children(model, by, order).load(root.id)

    resolve.__annotations__ = {"info": Info}
    return strawberry.field(
        resolver=resolve,
        description=description,
        metadata={PLAN: Children(model, by, order, device)},
    )


def to_many(listing: Listing, by: str | None, description: str) -> Any:
    """A connection to the rows whose column `by` names this row; None: all rows."""

    async def resolve(
        root: Any,
        info: Info,
        first: Any = None,
        after: Any = None,
        last: Any = None,
        before: Any = None,
        filter: Any = None,
        order_by: Any = None,
    ) -> Any:
        info.context.require_reader()
        return await listing.open(
            info.context,
            None if by is None else root.id,
            by,
            first=first,
            after=after,
            last=last,
            before=before,
            filter=filter,
            order_by=order_by,
        )

    resolve.__annotations__ = {
        **PAGE_ARGUMENTS,
        "filter": argument(listing.filter | None, "Which ones."),
        "order_by": argument(listing.order | None, "In which order."),
    }
    return strawberry.field(
        resolver=resolve, description=description, metadata={PLAN: ToMany(listing, by)}
    )
