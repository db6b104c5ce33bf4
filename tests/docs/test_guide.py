"""The guide's operations are the tested ones, and take the variables that stand below them."""

from __future__ import annotations

import json

import pytest
from graphql import OperationDefinitionNode, parse
from graphql.execution.values import get_variable_values

from app.graphql.schema import schema
from tests.docs.guide_page import BLOCK, PAGE, operation, renewed
from tests.docs.pages import blocks

TEXT = PAGE.read_text(encoding="utf-8")
NAMES = [found["name"] for found in BLOCK.finditer(TEXT)]
VARIABLES = blocks(TEXT, "json")


def test_the_operations_are_those_of_the_fixtures() -> None:
    assert renewed(TEXT) == TEXT, "Run `python -m tests.docs.guide_page`."
    assert len(NAMES) == len(VARIABLES) == len(blocks(TEXT, "graphql")) > 15


@pytest.mark.parametrize(("name", "variables"), list(zip(NAMES, VARIABLES, strict=True)))
def test_an_operation_takes_its_variables(name: str, variables: str) -> None:
    (node,) = parse(operation(name)).definitions
    assert isinstance(node, OperationDefinitionNode)
    given = json.loads(variables)
    defined = node.variable_definitions or ()
    taken = get_variable_values(schema._schema, defined, given)
    assert not isinstance(taken, list), taken
    assert given.keys() <= {one.variable.name.value for one in defined}


@pytest.mark.parametrize("task", ["Upload", "Sign", "Bundle", "Release", "Resolve", "Destroy"])
def test_every_task_has_a_section(task: str) -> None:
    assert f"\n## {task}\n" in TEXT
