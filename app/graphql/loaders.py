"""Batched reads of one request; each statement names the organization."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from strawberry.dataloader import DataLoader

from app import database
from app.models import Organization
from app.reads import pages
from app.reads.pages import Page, Spec

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Loader(DataLoader[K, V]):
    """A loader whose waiters can be cancelled one by one.

    The stock one hands the same future to all of them, so that cancelling one cancels all.
    """

    def load(self, key: K) -> Awaitable[V]:
        """The value of a key, together with every other key of this tick."""
        return asyncio.shield(super().load(key))


class Loaders:
    """The loaders of one request, made as they are asked for."""

    def __init__(self, organization_id: UUID) -> None:
        self._organization_id = organization_id
        self._made: dict[Hashable, Loader[Any, Any]] = {}

    def _loader(
        self, key: Hashable, load: Callable[[list[Any]], Awaitable[Sequence[Any]]]
    ) -> Loader[Any, Any]:
        if key not in self._made:
            self._made[key] = Loader(load_fn=load)
        return self._made[key]

    def one(self, model: Any) -> Loader[UUID, Any]:
        """Rows of a model by id; None where this organization has none."""

        async def load(ids: list[UUID]) -> list[Any | None]:
            own = {"organization_id": self._organization_id}
            if model is Organization:
                own = {"id": self._organization_id}
            with database.translated():
                rows = await model.filter(**own, id__in=ids).using_db(database.reader())
            found = {row.id: row for row in rows}
            return [found.get(id) for id in ids]

        return self._loader(model, load)

    def children(self, model: Any, column: str, order: str) -> Loader[UUID, list[Any]]:
        """Rows of a bounded list by their parent's id, in an order."""

        async def load(ids: list[UUID]) -> list[list[Any]]:
            chosen = model.filter(organization_id=self._organization_id, **{f"{column}__in": ids})
            grouped: dict[UUID, list[Any]] = defaultdict(list)
            with database.translated():
                rows = await chosen.order_by(order).using_db(database.reader())
            for row in rows:
                grouped[getattr(row, column)].append(row)
            return [grouped[id] for id in ids]

        return self._loader((model, column), load)

    def page(self, spec: Spec) -> Loader[UUID | None, Page]:
        """Pages of one shape by their parent's id; None where the list has no parent."""

        async def load(parents: list[UUID | None]) -> list[Page]:
            found = await pages.pages(
                spec, self._organization_id, [id for id in parents if id is not None]
            )
            return [found[parent] for parent in parents]

        return self._loader(("page", spec), load)

    def count(self, spec: Spec) -> Loader[UUID | None, int]:
        """Sizes of whole lists by their parent's id."""

        async def load(parents: list[UUID | None]) -> list[int]:
            found = await pages.counts(
                spec, self._organization_id, [id for id in parents if id is not None]
            )
            return [found[parent] for parent in parents]

        return self._loader(("count", spec.source, spec.parent, spec.conditions), load)

    def custom(
        self, name: str, load: Callable[[list[Any]], Awaitable[Sequence[Any]]]
    ) -> Loader[Any, Any]:
        """A loader of a read of its own, made once per request under a name."""
        return self._loader(name, load)
