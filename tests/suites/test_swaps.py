"""The suite of swaps reaches every place, and finds what is planted."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from app.graphql.context import Context
from app.graphql.loaders import Loaders
from app.rules.errors import NotFound
from app.rules.prn import Kind, parse_prn
from tests.soak.turn import Turn
from tests.suites import swaps
from tests.suites.places import places


def _played(cases: int) -> list[str]:
    turn = Turn("S3", 0, cases, seed=1, seconds=120)
    swaps.play(turn)
    assert turn.done == cases
    return turn.found


def test_every_sort_of_place_is_there() -> None:
    sorts = {place.sort for place in places()}
    assert sorts > {"id", "after", "before", "planToken", "idempotencyKey", "name", "hash"}
    assert len(places()) > 400
    assert len(set(map(str, places()))) > 300


def test_nothing_is_found_in_a_few_cases() -> None:
    assert _played(60) == []


def test_a_message_that_differs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Context.uuid

    def telling(self: Context, name: str, kind: Kind, *path: str) -> UUID:
        if parse_prn(name, kind=kind, path=path).organization != self.organization_id:
            raise NotFound("That is somebody else's.", path=path)
        return right(self, name, kind, *path)

    monkeypatch.setattr(Context, "uuid", telling)
    assert any("answers" in finding for finding in _played(40))


def test_a_row_of_the_other_organization_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(self: Context, name: str, kind: Kind, *path: str) -> UUID:
        parsed = parse_prn(name, kind=kind, path=path)
        self.__dict__["loaders"] = Loaders(parsed.organization)
        return parsed.id

    monkeypatch.setattr(Context, "uuid", careless)
    found: list[Any] = _played(60)
    assert any("tells" in finding for finding in found)
