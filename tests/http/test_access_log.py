"""The access log tells no secret, even where a client put one into the path or the id."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest

from app.log import ACCESS
from app.rules.access import KEY_PREFIX, new_secret

GIVEN = "build-4711:step.2_a"
KEY = KEY_PREFIX + 43 * "k"
"""In the form of a key, and the same in each process, since tests are named by it."""


def facts(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """What was told of each request."""
    return [one.__dict__["facts"] for one in caplog.records if one.name == ACCESS]


async def test_a_secret_in_the_path_is_not_told(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    key, signature = new_secret(), "ab" * 32
    with caplog.at_level(logging.INFO, logger=ACCESS):
        await http.get(f"/graphql/{key}/more")
        await http.get(f"/content/x%3Fepoch=1&signature={signature}")
        await http.get(f"/content/x?signature={signature}")
    paths = [one["path"] for one in facts(caplog)]
    assert paths == ["/graphql/bky_…/more", "/content/x?epoch=1&signature=…", "/content/x"]
    for told in (caplog.text, str(facts(caplog))):
        assert key not in told
        assert signature not in told


async def test_the_id_that_a_caller_chose_is_told_everywhere(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger=ACCESS):
        answer = await http.get("/no-such-path", headers={"x-request-id": GIVEN})
    assert answer.headers["x-request-id"] == GIVEN
    assert answer.json()["errors"][0]["extensions"]["requestId"] == GIVEN
    assert [one["requestId"] for one in facts(caplog)] == [GIVEN]


@pytest.mark.parametrize(
    "chosen", ["short", "x" * 129, "with a space", "naïve-naïve", 'quoted"', KEY]
)
async def test_an_id_of_another_form_is_replaced(http: httpx.AsyncClient, chosen: str) -> None:
    sent = {b"x-request-id": chosen.encode()}
    answer = await http.post("/graphql", headers=sent, json={"query": "{ viewer { role } }"})
    given = answer.headers.get_list("x-request-id")
    assert len(given) == 1
    assert len(given[0]) == 32
    assert int(given[0], 16)
