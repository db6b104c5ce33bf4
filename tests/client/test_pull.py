"""`bindery pull`, `impact` and `resolve`, against a real server."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.client.outcome import Status
from tests.api import Api
from tests.client.conftest import Bindery
from tests.journeys.server import Place

CONTENT = b"0123456789" * 300_000


@pytest.fixture
async def api(place: Place) -> Any:
    async with httpx.AsyncClient(base_url=place.url) as http:
        yield Api(http, place.key)


@pytest.fixture
def names(request: pytest.FixtureRequest) -> list[str]:
    """What says which binary is meant; another artifact for each test."""
    return ["--artifact", request.node.name, "--version", "1.0.0", "--target", "portable"]


@pytest.fixture
def pushed(bindery: Bindery, names: list[str], tmp_path: Path, pem: Path) -> dict[str, Any]:
    file = tmp_path / "in.bin"
    file.write_bytes(CONTENT)
    ran = bindery("push", file, *names, "--sign", pem, "--json")
    file.unlink()
    return ran.json


def test_a_fetch_goes_on_where_it_was(
    bindery: Bindery, pushed: dict[str, Any], names: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out.bin"
    begun = tmp_path / f"out.bin.{pushed['hash'][:16]}.part"
    begun.write_bytes(CONTENT[:1_000_000])
    ran = bindery("pull", *names, "--output", out)
    assert ran.status == Status.DONE
    assert ran.err == "out.bin: 2.9 MiB, 976.6 KiB are there.\n"
    assert out.read_bytes() == CONTENT
    assert not begun.exists()


def test_what_is_not_the_content_is_not_kept(
    bindery: Bindery, pushed: dict[str, Any], names: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out.bin"
    begun = tmp_path / f"out.bin.{pushed['hash'][:16]}.part"
    begun.write_bytes(b"x" * 1_000_000)
    ran = bindery("pull", *names, "--output", out, "--json")
    assert ran.status == Status.OTHER_CONTENT
    assert list(tmp_path.iterdir()) == []
    assert bindery("pull", *names, "--output", out, "--json").status == Status.DONE
    assert hashlib.sha256(out.read_bytes()).hexdigest() == pushed["hash"]


def test_what_there_is_not(bindery: Bindery, pushed: dict[str, Any], names: list[str]) -> None:
    ran = bindery("pull", *names[:3], "9.9.9", *names[4:])
    assert ran.status == Status.REFUSED
    assert ran.err == f"bindery: There is no version 9.9.9 of {names[1]}.\n"
    ran = bindery("pull", "--artifact", "none", *names[2:])
    assert (ran.status, ran.err) == (Status.REFUSED, "bindery: There is no artifact none.\n")


def test_what_is_not_signed_is_said_to_be_there(
    bindery: Bindery, names: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "in.bin"
    file.touch()
    assert bindery("push", file, *names).status == Status.DONE
    ran = bindery("pull", *names)
    assert ran.status == Status.REFUSED
    said = f"bindery: Version 1.0.0 of {names[1]} has a binary for portable, but it is "
    assert ran.err in (f"{said}{state}, not SIGNED.\n" for state in ("HASHING", "SIGNABLE"))


def test_a_folder_gets_the_usual_name(
    bindery: Bindery,
    pushed: dict[str, Any],
    names: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for output in (".", tmp_path):
        ran = bindery("pull", *names, "--output", output, "--json")
        assert ran.status == Status.DONE
        assert Path(ran.json["file"]).resolve() == tmp_path / f"{names[1]}-1.0.0"
        assert (tmp_path / f"{names[1]}-1.0.0").read_bytes() == CONTENT


async def test_impact_and_resolve(
    api: Api, place: Place, bindery: Bindery, tmp_path: Path, pem: Path
) -> None:
    content = b"for a device"
    version = await api.version(artifact="impact")
    binary = await api.reach("SIGNED", version, content)
    product = await api.product("impact")
    cohort = await api.cohort(product)
    device = await api.device(product, cohort)
    release = await api.release(cohort, await api.bundle(version), "spring")

    # Each command has a loop of its own.
    async def run(*arguments: str) -> Any:
        return await asyncio.to_thread(bindery, *arguments)

    told = await run("resolve", "--device", device)
    assert told.status == Status.DONE, told.err
    assert told.out.startswith("UPDATE: spring\nARTIFACT  VERSION  TARGET    SIZE  SHA-256\n")
    assert f"impact    1.0.0    portable  12 B  {hashlib.sha256(content).hexdigest()}" in told.out
    found = (await run("resolve", "--device", device, "--json")).json
    assert found["release"] == {"id": release, "name": "spring"}
    identifier = (await api.ask("query Q($id: ID!) { device(id: $id) { identifier } }", id=device))[
        "device"
    ]["identifier"]
    assert (await run("resolve", "--device", identifier, "--json")).json == found
    unknown = await run("resolve", "--device", f"{identifier}-")
    assert (unknown.status, unknown.err) == (
        Status.REFUSED,
        f"bindery: There is no device {identifier}-.\n",
    )

    told = await run("impact", binary)
    assert told.out.splitlines()[:2] == [
        "RELEASE  COHORT  EFFECT          REASONS",
        "spring   stable  NEWLY_AFFECTED  TARGET_LOST, LATEST",
    ]
    by_name = ("impact", "--artifact", "impact", "--version", "1.0.0")
    for named in (by_name, (*by_name, "--target", "portable")):
        assert (await run(*named)).out.splitlines()[:2] == told.out.splitlines()[:2]
    stand_in = await run(*by_name, "--target", "a-b")
    assert (stand_in.status, "has no binary of its own for a-b" in stand_in.err) == (1, True)
    for mistyped in (["impact"], ["impact", "--version", "1.0.0"], [*by_name, binary]):
        assert (await run(*mistyped)).status == Status.USAGE
    found = (await run("impact", binary, "--json")).json
    assert found["planTokenRequired"] is True
    destroyed = await api.do(
        "destroyBinary", "binary { state }", binaryId=binary, planToken=found["planToken"]
    )
    assert destroyed == {"state": "DESTROYED"}
    assert (await run("resolve", "--device", device)).out.startswith("NO_UPDATE: nothing to")
    refused = await run("resolve", "--device", "prn:nothing")
    assert (refused.status, "(BAD_USER_INPUT)" in refused.err) == (Status.REFUSED, True)
