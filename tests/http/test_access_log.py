"""The access log tells no secret, even where a client put one into the path."""

from __future__ import annotations

import json
import logging

import httpx
import pytest

from app.rules.access import new_secret


async def test_a_secret_in_the_path_is_not_told(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    key, signature = new_secret(), "ab" * 32
    with caplog.at_level(logging.INFO, logger="bindery.access"):
        await http.get(f"/graphql/{key}/more")
        await http.get(f"/content/x%3Fepoch=1&signature={signature}")
        await http.get(f"/content/x?signature={signature}")
    lines = [one.getMessage() for one in caplog.records if one.name == "bindery.access"]
    paths = [json.loads(line)["path"] for line in lines]
    assert paths == ["/graphql/bky_…/more", "/content/x?epoch=1&signature=…", "/content/x"]
    assert key not in caplog.text
    assert signature not in "".join(lines)
