"""What tests of the schema share beyond the server and its clients."""

from __future__ import annotations

import pytest

from tests.api import Api
from tests.scenarios.stage import Stage


@pytest.fixture
async def stage(api: Api) -> Stage:
    """A product and a cohort; bundles and devices come into being when they are named."""
    stage = Stage(api)
    await stage.open()
    return stage
