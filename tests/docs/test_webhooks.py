"""The page of webhooks says what the schema says; its example verifies what the tests receive."""

from __future__ import annotations

import re

from graphql import GraphQLEnumType, parse, validate

from app.graphql.gate import RULES
from app.graphql.schema import schema
from tests.receiver import PAGE

TEXT = PAGE.read_text(encoding="utf-8")


def test_every_failure_is_told() -> None:
    kind = schema._schema.type_map["WebhookFailure"]
    assert isinstance(kind, GraphQLEnumType)
    told = [f"| `{name}` | {value.description} |" for name, value in kind.values.items()]
    assert told == [line for line in TEXT.splitlines() if line.startswith("| `")]


def test_every_operation_is_valid() -> None:
    operations = re.findall(r"```graphql\n(.*?)```", TEXT, re.S)
    assert len(operations) == 2
    for operation in operations:
        assert validate(schema._schema, parse(operation), RULES) == []
