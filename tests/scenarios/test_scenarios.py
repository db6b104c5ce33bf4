"""The fourteen scenarios, played through the API on both databases."""

from __future__ import annotations

import pytest

from tests.api import Api
from tests.scenarios.stage import Stage
from tests.scenarios.table import SCENARIOS, Scenario


def test_there_are_fourteen_scenarios_with_names_of_their_own() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == 14


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
async def test_a_scenario_goes_as_it_is_told(scenario: Scenario, api: Api) -> None:
    stage = Stage(api)
    await stage.open()
    for step in scenario.steps:
        await step.play(stage)
