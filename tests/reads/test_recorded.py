"""Events that a subscriber missed."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from uuid import UUID

import pytest

from app import database
from app.models import Event, Organization
from app.reads import recorded
from app.reads.recorded import Heard
from tests.worker.databases import opened

__all__ = ["opened"]

pytestmark = pytest.mark.usefixtures("opened")


async def event(organization: Organization, **fields: UUID) -> UUID:
    made = await Event.create(
        using_db=database.writer(),
        organization_id=organization.id,
        time=datetime.now(UTC),
        kind="product.create",
        subject_kind="product",
        subject_id=organization.id,
        request_id="",
        **fields,
    )
    return made.id


async def new_organization(name: str) -> Organization:
    return await Organization.create(name=name, using_db=database.writer())


async def test_what_was_not_heard_of_is_found_once_and_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recorded, "AT_ONCE", 2)
    own, other = await new_organization("acme"), await new_organization("other")
    long_ago = UUID(int=(int(time.time() * 1000) - 10_000 << 80) | 7 << 76 | 2 << 62)
    await event(own, id=long_ago)
    heard = Heard(own.id)
    ids = [await event(own) for _ in range(5)]
    await event(other)
    assert heard.new(ids[2])
    assert not heard.new(ids[2])
    assert await heard.missed() == [ids[0], ids[1], ids[3], ids[4]]
    assert await heard.missed() == []
    assert not heard.new(ids[0])
    late = await event(own)
    assert await heard.missed() == [late]


async def test_what_is_older_than_any_look_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    own = await new_organization("acme")
    heard = Heard(own.id)
    first = await event(own)
    heard.new(first)
    later = time.time() + 3 * recorded.SLACK_SECONDS
    monkeypatch.setattr(time, "time", lambda: later)
    heard.new(own.id)
    assert list(heard._known) == [own.id]
