"""The examples that the explorer offers are valid, offered, and answered on the demo's data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import OperationDefinitionNode, parse, validate

from app import demo
from app.graphql.schema import schema
from app.server import Server
from tests.api import Api

EXPLORER = Path(__file__).parents[2] / "app" / "explorer"
EXAMPLES = sorted((EXPLORER / "examples").glob("*.graphql"))


def test_there_are_six() -> None:
    assert [path.stem for path in EXAMPLES] == [
        "affected-releases",
        "binaries",
        "binary-impact",
        "create-product",
        "device-updates",
        "follow-events",
    ]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_is_valid(path: Path) -> None:
    document = parse(path.read_text())
    assert validate(schema._schema, document) == []
    (operation,) = document.definitions
    assert isinstance(operation, OperationDefinitionNode)
    # Its name is the title of its tab, and without variables it runs as it is.
    assert operation.name is not None
    assert not operation.variable_definitions


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_menu_has_it(path: Path) -> None:
    assert f"'./examples/{path.name}?raw'" in (EXPLORER / "examples.js").read_text()


async def test_each_shows_what_it_is_about(server: Server, http: httpx.AsyncClient) -> None:
    secret = await demo.load(server)
    assert secret is not None
    api = Api(http, secret)
    asked = [path for path in EXAMPLES if path.stem != "follow-events"]
    answers: dict[str, Any] = {path.stem: await api.ask(path.read_text()) for path in asked}

    assert len(answers["binaries"]["binaries"]["nodes"]) == 10
    impacts = [one["impact"] for one in answers["binary-impact"]["binaries"]["nodes"]]
    assert any(impact["releases"]["nodes"] for impact in impacts)
    updates = [one["update"] for one in answers["device-updates"]["devices"]["nodes"]]
    assert any(update["release"] for update in updates)
    assert all(update["trace"] for update in updates)
    releases = [
        release
        for cohort in answers["affected-releases"]["cohorts"]["nodes"]
        for release in cohort["releases"]["nodes"]
    ]
    assert any(release["affectedBy"] for release in releases)
    assert any(not release["affectedBy"] for release in releases)
    made = answers["create-product"]["createProduct"]
    assert made["errors"] == []
    assert made["product"]["name"] == "Weather Station"
