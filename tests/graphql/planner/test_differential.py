"""Random operations, answered by both executors: byte for byte the same, or declined."""

from __future__ import annotations

import os
import sys
from random import Random

import pytest

from app.rules.access import Role
from app.server import Server
from tests.api import Api
from tests.graphql import world
from tests.graphql.planner.compared import at_rest, both

OPERATIONS = int(os.environ.get("BINDERY_OPERATIONS", "150"))
SEED = int(os.environ.get("BINDERY_SEED", "1"))
MISTAKES = ("GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED")


async def test_answers_are_the_same(
    server: Server, api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("time.time", at_rest())
    executors = await both(server, api)
    generator = executors.generator(SEED, await world.build(api))
    roles = Random(SEED)
    planned = valid = 0
    while valid < OPERATIONS:
        text, variables = generator.operation()
        role = roles.choice((Role.READ, Role.WRITE, Role.ADMIN, Role.ADMIN))
        found = await executors.as_role(role).run(text, variables)
        assert "INTERNAL_SERVER_ERROR" not in found.codes, text
        if found.planned is not None:
            assert found.planned == found.reference, (text, variables)
        if not found.codes:
            assert found.planned is not None, text
        if not set(MISTAKES) & set(found.codes):
            valid += 1
            planned += found.planned is not None
    with capsys.disabled():
        sys.stdout.write(f"\n{valid} operations, {planned} planned, 0 differ\n")
    assert planned >= 0.95 * valid
