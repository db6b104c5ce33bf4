"""The worked examples of docs/resolution.md, played through the API."""

from __future__ import annotations

import re

import pytest

from tests.api import Api, Json
from tests.scenarios.examples import AFTER_SIGNING, EXAMPLES, Example
from tests.scenarios.stage import ARM, Stage
from tests.scenarios.steps import Do, Impact, Resolve, Step

AFTERWARDS: dict[str, tuple[Step, ...]] = {
    "What breaks if this binary is destroyed?": (
        Do("archiveReleases", {"releaseIds": ["@r2"]}),
        Impact(("b2/portable",), {"r2": ("TARGET_LOST", "REQUIRED", "ARCHIVED")}, 0, 0),
    ),
    "Which binary does this device get?": (
        *AFTER_SIGNING,
        Resolve("b1/version", ARM, "TARGET_MATCHED", "special", "SIGNED"),
    ),
}
"""What the text under an example promises."""


async def answer(stage: Stage, query: str) -> Json:
    """The answer of a query in which names stand for ids, with names again."""
    for name in re.findall(r'"@([^"]+)"', query):
        query = query.replace(f'"@{name}"', f'"{await stage.id(name)}"')
    told: Json = stage.named(await stage.api.ask(query))
    return told


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.name for example in EXAMPLES])
async def test_an_example_is_answered_as_the_page_says(example: Example, api: Api) -> None:
    stage = Stage(api)
    await stage.open()
    for step in example.steps:
        await step.play(stage)
    assert await answer(stage, example.query) == example.answer
    for step in AFTERWARDS.get(example.name, ()):
        await step.play(stage)
