"""How many statements each example operation takes: the same number however many rows there are.

`make budgets` counts at 10,000 rows; the tests count at 1,000 (BINDERY_ROWS=).
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx
import pytest

from app.rules.access import Role
from app.settings import Settings
from tests.api import Api
from tests.conftest import new_api
from tests.graphql.growth import Grown, grow
from tests.statements import counted

FOLDER = Path(__file__).parents[2] / "fixtures" / "operations"
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.graphql"))}
QUERIES = [name for name, text in TEXTS.items() if "\nquery " in f"\n{text}"]
FEW, MANY = 10, int(os.environ.get("BINDERY_ROWS", "1000"))
PAGE: Final = 100

BUDGETS: Final[dict[str, int]] = {
    "ci-find-artifact": 2,
    "ci-poll-binary": 2,
    "ci-resume-upload": 3,
    "console-api-keys": 4,
    "console-artifact": 7,
    "console-artifacts": 5,
    "console-binaries": 5,
    "console-binary": 17,
    "console-bundles": 8,
    "console-cohort": 6,
    "console-destruction-impact": 9,
    "console-device": 10,
    "console-devices": 6,
    "console-events": 8,
    "console-products": 8,
    "console-releases": 6,
    "console-signing-keys": 5,
    "console-simulate-release": 14,
    "console-viewer": 3,
    "console-webhook": 4,
    "console-webhooks": 3,
    "dashboard-adoption": 14,
    "dashboard-affected-releases": 15,
    "dashboard-attention": 7,
    "dashboard-coverage": 7,
    "dashboard-damaged-content": 8,
    "dashboard-server": 3,
    "device-manifest": 5,
}
"""The statements of each query by the reference executor, that which finds the key included."""

PLANNED: Final[dict[str, int]] = {
    "ci-find-artifact": 2,
    "ci-poll-binary": 2,
    "ci-resume-upload": 4,
    "console-api-keys": 3,
    "console-artifact": 6,
    "console-artifacts": 5,
    "console-binaries": 3,
    "console-binary": 15,
    "console-bundles": 6,
    "console-cohort": 4,
    "console-destruction-impact": 9,
    "console-device": 8,
    "console-devices": 3,
    "console-events": 8,
    "console-products": 7,
    "console-releases": 4,
    "console-signing-keys": 4,
    "console-simulate-release": 14,
    "console-viewer": 3,
    "console-webhook": 3,
    "console-webhooks": 3,
    "dashboard-adoption": 12,
    "dashboard-affected-releases": 10,
    "dashboard-attention": 7,
    "dashboard-coverage": 7,
    "dashboard-damaged-content": 8,
    "dashboard-server": 3,
    "device-manifest": 5,
}
"""The same by the planner."""


def variables(grown: Grown) -> dict[str, dict[str, Any]]:
    """What each query is asked with; those with no entry take nothing."""
    page = {"first": PAGE}
    return {
        "ci-find-artifact": {"name": "artifact 1"},
        "ci-poll-binary": {"id": grown.binary},
        "ci-resume-upload": {"id": grown.binary},
        "console-api-keys": page,
        "console-artifact": {"id": grown.artifact, **page},
        "console-artifacts": page,
        "console-binaries": page,
        "console-binary": {"id": grown.binary, "releases": PAGE, "events": PAGE},
        "console-bundles": page,
        "console-cohort": {"id": grown.cohort},
        "console-destruction-impact": {"ids": [grown.binary], **page},
        "console-device": {"id": grown.device, "history": PAGE},
        "console-devices": page,
        "console-events": page,
        "console-products": page,
        "console-releases": page,
        "console-signing-keys": page,
        "console-simulate-release": {
            "input": {
                "cohortId": grown.cohort,
                "bundleId": grown.bundle,
                "previousReleaseId": grown.last_two[0],
                "nextReleaseId": grown.last_two[1],
            }
        },
        "console-webhook": {"id": grown.webhook, **page},
        "console-webhooks": page,
        "dashboard-adoption": {"releaseId": grown.last_two[1]},
        "dashboard-affected-releases": {"binaryId": grown.binary, **page},
        "dashboard-coverage": {"bundleId": grown.bundle},
        "dashboard-damaged-content": {"binaryId": grown.binary, **page},
        "device-manifest": {"deviceId": grown.device},
    }


def test_each_query_has_a_budget() -> None:
    assert list(BUDGETS) == list(PLANNED) == QUERIES


@pytest.fixture(params=["reference", "planner"])
def budgets(request: pytest.FixtureRequest) -> dict[str, int]:
    """The budgets of one of the executors."""
    return BUDGETS if request.param == "reference" else PLANNED


@pytest.fixture
def settings(settings: Settings, budgets: dict[str, int]) -> Settings:
    """Without a worker, whose statements would be counted too, and with time for what is asked."""
    return replace(
        settings,
        worker=False,
        rate_cost=10**9,
        query_seconds=600.0,
        planner=budgets is PLANNED,
    )


@pytest.mark.long
async def test_rows_do_not_add_statements(http: httpx.AsyncClient, budgets: dict[str, int]) -> None:
    few, many = await asked(http, FEW), await asked(http, MANY)
    counts = {name: (few[name], many[name]) for name in budgets}
    assert counts == {name: (number, number) for name, number in budgets.items()}


async def asked(http: httpx.AsyncClient, size: int) -> dict[str, int]:
    """The number of statements of each query, in an organization of a size."""
    admin = await new_api(http, f"{size} rows", Role.ADMIN)
    found = await admin.ask("{ organization { id } }")
    grown = await grow(UUID(found["organization"]["id"].rsplit(":", 1)[1]), size)
    given = variables(grown)
    # As on a server at work, the graph of the cohort is kept already.
    await admin.ask(TEXTS["device-manifest"], **given["device-manifest"])
    return {name: await statements(admin, name, given.get(name, {})) for name in QUERIES}


async def statements(api: Api, name: str, sent: dict[str, Any]) -> int:
    """How many statements a query takes that has an answer to give."""
    with counted() as seen:
        answer = await api.ask(TEXTS[name], **sent)
    assert all(value is not None for value in answer.values()), (name, answer)
    # Once a minute the use of the key is noted, whichever query that falls to.
    return sum(not text.startswith("UPDATE") for text in seen.texts)
