"""The demo data set: that it is all there, that it is real, and that it is loaded once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import database, demo
from app.main import create_app, running
from app.models import ApiKey, Binary, Organization
from app.rules.binary import State, VerificationStatus
from app.server import Server
from app.settings import Settings
from tests.api import Api, Json

GATEWAY = "aarch64-unknown-linux-musl"
CAMERA = "armv7-unknown-linux-gnueabihf"

BINARIES = {
    ("firmware", "0.9.0", GATEWAY): ("DESTROYED", 1),
    ("firmware", "1.0.0", GATEWAY): ("SIGNED", 2),
    ("firmware", "1.0.0", CAMERA): ("SIGNED", 2),
    ("firmware", "1.1.0", GATEWAY): ("SIGNED", 1),
    ("firmware", "1.1.0", CAMERA): ("SIGNED", 1),
    ("firmware", "1.2.0-rc.1", GATEWAY): ("SIGNABLE", 0),
    ("firmware", "1.2.0-rc.1", CAMERA): ("UPLOADABLE", 0),
    ("pest-model", "2024.10", "portable"): ("SIGNED", 1),
    ("pest-model", "2024.10", GATEWAY): ("SIGNED", 1),
    ("pest-model", "2025.04", "portable"): ("HASHING", 0),
    ("regional-config", "eu-7", "portable"): ("SIGNED", 2),
    ("regional-config", "eu-8", "portable"): ("HASHABLE", 0),
}
"""Each binary with its state and the number of its signatures."""

RELEASES = {
    ("production", "Pilot 0.9"): ("Base 1.0", {"archived"}),
    ("production", "Factory 1.0 rc"): ("Base 1.0", set()),
    ("production", "Base 1.0"): ("Model 1.0.1", {"required"}),
    ("production", "Model 1.0.1"): ("Detection 1.1", {"disabled"}),
    ("production", "Detection 1.1"): (None, {"isLatest"}),
    ("field trial", "Base 1.0"): ("Detection 1.1", set()),
    ("field trial", "Night 1.0.5"): ("Detection 1.1", set()),
    ("field trial", "Detection 1.1"): (None, {"isLatest", "isPhased"}),
}
"""Each release with the one that it points to, and what is special about it."""

DEVICES = {
    "G2-2403-0007": (None, "UP_TO_DATE"),
    "G2-2403-0011": (None, "UP_TO_DATE"),
    "G2-2403-0012": ("Detection 1.1", "SELECTED"),
    "G2-2403-0019": ("Detection 1.1", "SELECTED"),
    "G2-2403-0023": ("Detection 1.1", "SELECTED"),
    "G2-2401-0002": ("Base 1.0", "SELECTED"),
    "G2-2404-0101": ("Base 1.0", "SELECTED"),
    "G2-2404-0102": (None, "NO_MATCHING_VERSION"),
    "G2-2404-0103": (None, "QUARANTINED"),
    "G2-2401-0004": ("Base 1.0", "PINNED"),
    "G2-2405-0200": (None, "NO_COHORT"),
    "C1-2410-0301": ("Detection 1.1", "SELECTED"),
    "C1-2410-0302": ("Detection 1.1", "SELECTED"),
    "C1-2410-0303": (None, "PHASE_FULL"),
    "C1-2410-0311": (None, "PHASE_FULL"),
    "C1-2410-0312": (None, "PHASE_FULL"),
    "C1-2410-0313": ("Night 1.0.5", "SELECTED"),
    "C1-2411-0330": (None, "PHASE_FULL"),
    "C1-2411-0331": ("Base 1.0", "SELECTED"),
    "C1-2411-0332": ("Base 1.0", "SELECTED"),
}
"""Each device with the release that it is answered, and the last reason of the trace."""

COUNTS = {"products": 2, "cohorts": 2, "artifacts": 3, "artifactVersions": 8, "bundles": 4}


async def test_the_demo_is_all_there_and_loaded_once(
    server: Server, http: httpx.AsyncClient
) -> None:
    secret = await demo.load(server)
    assert secret is not None
    api = Api(http, secret)
    await _check(api)
    binaries = await _binaries(api)

    (failed,) = [one for one in binaries if one["state"] == "HASHING"]
    assert failed["verification"]["status"] == "FAILED"
    assert failed["verification"]["computedHash"] == failed["parts"][0]["hash"] != failed["hash"]
    (interrupted,) = [one for one in binaries if one["state"] == "UPLOADABLE"]
    assert [part["state"] for part in interrupted["parts"]] == ["VALID", "UPLOADABLE"]
    (destroyed,) = [one for one in binaries if one["state"] == "DESTROYED"]
    assert destroyed["contentErasedAt"] is not None
    in_two_parts = [one for one in binaries if one["state"] == "SIGNED" and len(one["parts"]) == 2]
    assert [int(one["size"]) for one in in_two_parts] == [6 << 20]

    await _check_content(api)

    keys = await api.ask("{ signingKeys { nodes { name retired } } }")
    assert [(key["name"], key["retired"]) for key in keys["signingKeys"]["nodes"]] == [
        ("Release signing", False),
        ("Factory line", False),
    ]

    assert await demo.load(server) is None
    again = Api(http, await demo.new_key())
    assert again.key != api.key
    viewer = (await again.ask("{ viewer { name role } }"))["viewer"]
    assert viewer == {"name": "demo", "role": "ADMIN"}
    await _check(again)


async def test_a_load_that_is_cut_off_is_completed(
    server: Server, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = 0
    while True:
        attempts += 1
        with monkeypatch.context() as patch:
            _cut_off_after(25, patch)
            try:
                secret = await demo.load(server)
                break
            except CutOffError:
                assert not await ApiKey.filter(name=demo.KEY_NAME).exists()
    assert secret is not None
    await _check(Api(http, secret))
    # A cut every 25 transactions fell into each kind of step.
    assert attempts > 4


async def test_it_needs_no_worker_of_the_server(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", storage_reserve=0, worker=False)
    server: Server = create_app(settings).state.server
    async with running(server):
        assert await demo.load(server) is not None
        organization = await Organization.get(name="Demo")
        rows = Binary.filter(organization_id=organization.id)
        assert await rows.filter(state=State.SIGNED).count() == 7
        failed = await rows.get(state=State.HASHING)
        assert failed.verification_status is VerificationStatus.FAILED


class CutOffError(Exception):
    """The process would have ended here."""


def _cut_off_after(units: int, patch: pytest.MonkeyPatch) -> None:
    """Lets this task have so many transactions; the worker's own tasks may go on."""
    this, done, unit_of_work = asyncio.current_task(), 0, database.unit_of_work

    async def counted(body: Callable[[database.Connection], Awaitable[Any]], **options: Any) -> Any:
        nonlocal done
        if asyncio.current_task() is this:
            done += 1
            if done > units:
                raise CutOffError
        return await unit_of_work(body, **options)

    patch.setattr(database, "unit_of_work", counted)


async def _check(api: Api) -> None:
    """Asserts that the whole set is there, each thing once."""
    fields = " ".join(f"{name} {{ totalCount }}" for name in COUNTS)
    counts = await api.ask(f"{{ {fields} }}")
    assert {name: counts[name]["totalCount"] for name in COUNTS} == COUNTS

    binaries = await _binaries(api)
    assert len(binaries) == len(BINARIES)
    assert {
        (
            one["artifactVersion"]["artifact"]["name"],
            one["artifactVersion"]["version"],
            one["target"],
        ): (one["state"], len(one["signatures"]))
        for one in binaries
    } == BINARIES

    flags = ("required", "disabled", "archived", "isLatest", "isPhased")
    fields = f"name cohort {{ name }} nextRelease {{ name }} {' '.join(flags)}"
    releases = (await api.ask(f"{{ releases {{ nodes {{ {fields} }} }} }}"))["releases"]["nodes"]
    assert len(releases) == len(RELEASES)
    assert {
        (one["cohort"]["name"], one["name"]): (
            one["nextRelease"] and one["nextRelease"]["name"],
            {flag for flag in flags if one[flag]},
        )
        for one in releases
    } == RELEASES

    devices = await _devices(api)
    assert len(devices) == len(DEVICES) == 20
    assert {one["identifier"]: _answer(one["update"]) for one in devices} == DEVICES


async def _check_content(api: Api) -> None:
    """Asserts that devices get the bytes that they are told, of their own target if there are."""
    updates = {one["identifier"]: one["update"] for one in await _devices(api)}
    gateway = updates["G2-2403-0012"]["manifest"]
    camera = updates["C1-2410-0301"]["manifest"]
    assert [one["binary"]["target"] for one in gateway] == [GATEWAY, GATEWAY, "portable"]
    assert [one["binary"]["target"] for one in camera] == [CAMERA, "portable", "portable"]
    for entry in gateway:
        answer = await api.http.get(entry["url"])
        assert hashlib.sha256(answer.content).hexdigest() == entry["hash"]


async def _binaries(api: Api) -> list[Json]:
    told = await api.ask(
        """{ binaries { nodes { target state hash size contentErasedAt
          artifactVersion { version artifact { name } }
          verification { status computedHash } parts { state hash } signatures { id } } } }"""
    )
    binaries: list[Json] = told["binaries"]["nodes"]
    return binaries


async def _devices(api: Api) -> list[Json]:
    told = await api.ask(
        """{ devices { nodes { identifier update { status release { name } trace { reason }
          manifest { hash url binary { target } } } } } }"""
    )
    devices: list[Json] = told["devices"]["nodes"]
    return devices


def _answer(update: Json) -> tuple[str | None, str]:
    release = update["release"]
    return release and release["name"], update["trace"][-1]["reason"]
