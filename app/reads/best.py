"""The best binary of an artifact version, with whatever else is asked of it: one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from uuid import UUID

from app import database
from app.models import Binary
from app.reads.statement import Statement
from app.reads.values import as_uuid
from app.rules.binary import ContentHealth, State
from app.rules.target import PORTABLE
from app.rules.version import BinaryAnswer, BinaryFacts, resolve_binary

_FITTING: Final = """SELECT {selected} FROM ({asking}) p
JOIN artifact_version v ON v.organization_id = $1 AND v.id = $2
LEFT JOIN binary_record t ON t.organization_id = $1 AND t.artifact_version_id = v.id
  AND t.target IN ('{portable}', p.target)
{joined}"""
_TARGET: Final = "SELECT CAST($3 AS TEXT) AS target"
_DEVICE: Final = """SELECT o.target FROM device d JOIN product o ON o.id = d.product_id
WHERE d.organization_id = $1 AND d.id = $3"""


@dataclass(frozen=True, slots=True)
class Best:
    """What the rule answered, and the row of the binary that it chose; None if it chose none."""

    answer: BinaryAnswer
    row: Sequence[Any] | None


class BestBinary:
    """A read of the best binary. Whatever its `statement` selects of a binary, the row has."""

    def __init__(self, *, postgres: bool) -> None:
        self.statement = Statement(Binary, postgres)
        self._id = self.statement.id("t.id")
        facts = ("t.target", "t.state", "t.content_health", "p.target")
        self._facts = [self.statement.place(one) for one in facts]

    async def read(
        self, organization_id: UUID, version_id: UUID, wanted: UUID | str
    ) -> Best | None:
        """The best binary for a device, by its id, or for a target.

        None where the organization has no such device or artifact version.
        """
        sql = self._for_device if isinstance(wanted, UUID) else self._for_target
        rows = await database.fetch(sql, [organization_id, version_id, wanted])
        if not rows:
            return None
        by_id = {as_uuid(row[self._id]): row for row in rows if row[self._id] is not None}
        # Where nothing fits, there is a row of nulls but for the target.
        answer = resolve_binary(rows[0][self._facts[-1]], [*map(self._fact, by_id.items())])
        return Best(answer, None if answer.binary_id is None else by_id[answer.binary_id])

    def _fact(self, found: tuple[UUID, Sequence[Any]]) -> BinaryFacts:
        id, row = found
        target, state, health, _ = (row[place] for place in self._facts)
        return BinaryFacts(
            id, target, State(state), None if health is None else ContentHealth(health)
        )

    @cached_property
    def _for_device(self) -> str:
        return self._written(_DEVICE)

    @cached_property
    def _for_target(self) -> str:
        return self._written(_TARGET)

    def _written(self, asking: str) -> str:
        selected, joined = self.statement.selected, self.statement.joined
        return _FITTING.format(selected=selected, asking=asking, portable=PORTABLE, joined=joined)
