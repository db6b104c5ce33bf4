"""Facts are told alike everywhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from app.rules.binary import State
from app.rules.facts import camel, told

OWNER = UUID(int=1)
ID = UUID(int=2)
PREFIX = "prn:1:00000000-0000-0000-0000-000000000001"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("binary_id", "binary"),
        ("artifact_version_id", "artifact_version"),
        ("current_release_id", "release"),
        ("binary_ids", "binary"),
        ("signing_key_id", "signing_key"),
    ],
)
def test_ids_are_resource_names_of_the_kind_in_their_name(name: str, expected: str) -> None:
    assert told({name: ID}, organization_id=OWNER) == {
        camel(name): f"{PREFIX}:{expected}:00000000-0000-0000-0000-000000000002"
    }


def test_values_are_json() -> None:
    east = timezone(timedelta(hours=2))
    facts = {
        "scheduled_at": datetime(2030, 1, 1, 2, tzinfo=east),
        "at": datetime(2030, 1, 1, tzinfo=UTC),
        "state": State.SIGNED,
        "tags": ("a", "b"),
        "binary_ids": [ID],
        "count": 3,
        "nothing": None,
    }
    assert told(facts, organization_id=OWNER) == {
        "scheduledAt": "2030-01-01T00:00:00Z",
        "at": "2030-01-01T00:00:00Z",
        "state": "SIGNED",
        "tags": ["a", "b"],
        "binaryIds": [f"{PREFIX}:binary:00000000-0000-0000-0000-000000000002"],
        "count": 3,
        "nothing": None,
    }
