"""Abandoned uploads: their parts go, the record stays, and who goes on is left alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app import database
from app.actions.abandoned import reap_abandoned
from app.actions.content import erase_garbage
from app.server import Server
from app.settings import Settings
from tests.api import BINARY, PART, Api
from tests.conftest import api, http, server

__all__ = ["api", "http", "server"]

LOOK = """query($id: ID!) { binary(id: $id) {
    state revision bytesUploaded parts { index state } events { nodes { kind before after } }
} }"""
AGO = timedelta(days=1)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Of a server without a worker of its own, so that each look is the test's."""
    return replace(settings, worker=False)


async def _idle_for(days: float) -> None:
    """Has it be so long ago that something was done about any binary."""
    await database.execute(
        "UPDATE binary_record SET updated_at = $1",
        [datetime.now(UTC) - timedelta(days=days)],
        using=database.writer(),
    )


def _files(server: Server) -> list[Path]:
    return [path for path in (server.settings.data / "blobs").glob("??/*") if path.is_file()]


async def test_an_abandoned_upload_loses_its_parts_alone(api: Api, server: Server) -> None:
    version = await api.version()
    id = await api.uploaded(version, b"content")
    await _idle_for(0.9)
    assert await reap_abandoned(idle=AGO) == 0
    await _idle_for(1.1)
    assert await reap_abandoned(idle=AGO) == 1
    assert await reap_abandoned(idle=AGO) == 0
    found = (await api.ask(LOOK, id=id))["binary"]
    told = found.pop("events")["nodes"]
    assert found == {"state": "UPLOADABLE", "revision": 1, "bytesUploaded": "0", "parts": []}
    assert [one["kind"] for one in told] == ["binary.upload_abandoned", "binary.create"]
    assert (told[0]["before"], told[0]["after"]) == ({"bytesUploaded": 7}, {"bytesUploaded": 0})
    assert len(_files(server)) == 1
    await erase_garbage(server.store)
    assert _files(server) == []


async def test_an_old_url_is_over_and_a_new_registration_goes_on(api: Api, server: Server) -> None:
    binary = await api.binary(await api.version(), b"content")
    (part,) = binary["parts"]
    await _idle_for(2)
    assert await reap_abandoned(idle=AGO) == 1
    answer = await api.http.put(part["uploadUrl"], content=b"content")
    assert answer.status_code == 410
    assert answer.json()["errors"][0]["extensions"]["code"] == "UPLOAD_SUPERSEDED"
    new = {"index": 1, "size": part["size"], "hash": part["hash"]}
    (again,) = await api.do(
        "createBinaryParts", f"parts {{ {PART} }}", binaryId=binary["id"], parts=[new]
    )
    assert (await api.http.put(again["uploadUrl"], content=b"content")).status_code == 200
    assert await reap_abandoned(idle=AGO) == 0
    await api.do("finishBinaryUpload", BINARY, binaryId=binary["id"])


async def test_what_is_finished_or_has_no_parts_is_left_alone(api: Api, server: Server) -> None:
    version = await api.version()
    finished = await api.reach("HASHABLE", version, b"content", target="a-a")
    empty = await api.binary(version, b"", target="b-b")
    await _idle_for(400)
    assert await reap_abandoned(idle=AGO) == 0
    assert await api.state(finished) == "HASHABLE"
    events = (await api.ask(LOOK, id=empty["id"]))["binary"]["events"]["nodes"]
    assert [one["kind"] for one in events] == ["binary.create"]


async def test_of_two_who_reap_one_does(api: Api, server: Server) -> None:
    version = await api.version()
    for number in range(5):
        await api.uploaded(version, b"content", target=f"x-{number}")
    await _idle_for(2)
    counts = await asyncio.gather(*(reap_abandoned(idle=AGO) for _ in range(4)))
    assert sum(counts) == 5


class TestWorking:
    """With a worker, nobody has to ask."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """A second's patience."""
        return replace(settings, worker=True, upload_abandoned_seconds=1)

    async def test_a_worker_reaps_and_erases(self, api: Api, server: Server) -> None:
        id = await api.uploaded(await api.version(), b"content")
        async with asyncio.timeout(20):
            while _files(server):  # noqa: ASYNC110 - the worker's work.
                await asyncio.sleep(0.05)
        assert (await api.ask(LOOK, id=id))["binary"]["parts"] == []
