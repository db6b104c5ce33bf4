"""Batched reads of one request; each statement names the organization."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any
from uuid import UUID

from app import database
from app.graphql.waves import Loader, Waves
from app.models import Organization
from app.reads import pages
from app.reads.pages import Page, Spec


def _table(model: Any) -> str:
    table: str = model._meta.db_table
    return table


class Loaders:
    """The loaders of one request, made as they are asked for."""

    def __init__(self, organization_id: UUID) -> None:
        self._organization_id = organization_id
        self._waves = Waves()
        self._made: dict[Hashable, Loader[Any, Any]] = {}

    def stop(self) -> None:
        """Ends the reads that are under way, since nobody waits for them any more."""
        self._waves.stop()

    def _loader(
        self, key: Hashable, load: Callable[[list[Any]], Awaitable[Sequence[Any]]]
    ) -> Loader[Any, Any]:
        if key not in self._made:
            self._made[key] = Loader(self._waves, load)
        return self._made[key]

    def one(self, model: Any) -> Loader[UUID, Any]:
        """Rows of a model by id; None where this organization has none."""
        owner = "id" if model is Organization else "organization_id"
        sql = f"SELECT * FROM {_table(model)} WHERE {owner} = $1 AND id {{ids:2}}"  # noqa: S608

        async def load(ids: list[UUID]) -> list[Any | None]:
            rows = await database.rows(model, sql, [self._organization_id, ids])
            found = {row.id: row for row in rows}
            return [found.get(id) for id in ids]

        return self._loader(model, load)

    def children(self, model: Any, column: str, order: str) -> Loader[UUID, list[Any]]:
        """Rows of a bounded list by their parent's id, in an order."""
        sql = (
            f"SELECT * FROM {_table(model)}"  # noqa: S608 - no user's text in it.
            f" WHERE organization_id = $1 AND {column} {{ids:2}}"
            f" ORDER BY {model._meta.fields_map[order].source_field or order}"
        )

        async def load(ids: list[UUID]) -> list[list[Any]]:
            grouped: dict[UUID, list[Any]] = defaultdict(list)
            for row in await database.rows(model, sql, [self._organization_id, ids]):
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
