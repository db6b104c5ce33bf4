"""A real server on a real file system without a free byte."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api import Api
from tests.processes.served import PATIENCE, Served, client, new_key, served

KIB = 1024
SIZE = 8 * KIB * KIB
BALLAST = 2 * KIB * KIB
SETTINGS = {"storage_ballast": BALLAST, "storage_reserve": 256 * KIB}
KEPT, DOOMED, LATE = (bytes([one]) * 300 * KIB for one in b"abc")

UPDATE = "update { status release { name } }"
RESOLVE = """query($device: ID!) { resolveUpdate(deviceId: $device) {
  status release { name } manifest { hash url } } }"""
DESTROYED = "binary { id state downloadUrl contentErasedAt }"


def _may_mount() -> bool:
    return os.geteuid() == 0 and shutil.which("mount") is not None


pytestmark = pytest.mark.skipif(
    not _may_mount(), reason="1 file system of 8 MiB not mounted: that takes root, and mount"
)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 8 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"1 file system of 8 MiB not mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def free(folder: Path) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def fill(folder: Path) -> None:
    """Leaves not a byte free."""
    with (folder / "filler").open("ab", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(64 * KIB))
    assert free(folder) == 0


@contextlib.contextmanager
def serving(small: Path, log: Path) -> Iterator[Served]:
    with served(data=small / "data", log=log, database="", **SETTINGS) as server:
        ready = httpx.get(f"{server.url}/health/ready", timeout=PATIENCE)
        assert ready.status_code == 200, ready.text
        yield server


async def furnish(api: Api) -> dict[str, str]:
    """A fleet of one device with an update to fetch, a binary to destroy, and one to upload."""
    product = await api.product()
    cohort = await api.cohort(product)
    device = await api.device(product, cohort)
    version = await api.version()
    await api.reach("SIGNED", version, KEPT)
    other = await api.version(artifact="radio")
    doomed = await api.reach("SIGNED", other, DOOMED)
    late = await api.binary(other, LATE, target="avr-unknown-none")
    await api.release(cohort, await api.bundle(version), name="spring")
    return {
        "device": device,
        "doomed": doomed,
        "late": late["parts"][0]["uploadUrl"],
    }


async def assert_reads_go_on(api: Api, house: dict[str, str]) -> None:
    update = (await api.ask(RESOLVE, device=house["device"]))["resolveUpdate"]
    assert (update["status"], update["release"]) == ("UPDATE", {"name": "spring"})
    # What a device polls for can't be noted, and is answered all the same.
    assert await api.do("claimUpdate", UPDATE, deviceId=house["device"]) == {
        "status": "UPDATE",
        "release": {"name": "spring"},
    }
    (entry,) = update["manifest"]
    assert (await api.http.get(entry["url"])).content == KEPT


async def assert_nothing_is_taken(api: Api, house: dict[str, str]) -> None:
    begun = time.monotonic()
    answer = await api.http.put(house["late"], content=LATE)
    assert time.monotonic() - begun < 2
    assert answer.status_code == 507
    assert answer.headers["retry-after"] == "60"
    assert answer.json()["errors"][0]["extensions"]["code"] == "STORAGE_FULL"
    error = await api.fail("createArtifact", "artifact { id }", name="bootloader")
    assert error["code"] == "STORAGE_FULL"


async def test_a_server_without_a_free_byte_reads_destroys_and_starts(
    small: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    key = new_key(data=small / "data", database="", **SETTINGS)
    ballast = small / "data" / "ballast"
    with serving(small, log) as server:
        async with client(server, key) as api:
            house = await furnish(api)
            assert ballast.stat().st_blocks * 512 == BALLAST
            fill(small)
            await assert_reads_go_on(api, house)
            await assert_nothing_is_taken(api, house)
            assert ballast.stat().st_size == BALLAST
        server.kill()
    fill(small)
    with serving(small, log) as server:
        async with client(server, key) as api:
            await assert_reads_go_on(api, house)
            await assert_nothing_is_taken(api, house)
            before = await api.ask(
                "query($id: ID!) { binary(id: $id) { downloadUrl } }", id=house["doomed"]
            )
            url = before["binary"]["downloadUrl"]
            fill(small)
            gone = await api.do("destroyBinary", DESTROYED, binaryId=house["doomed"])
            assert gone["state"] == "DESTROYED"
            assert gone["contentErasedAt"] is not None
            assert (await api.http.get(url)).status_code == 410
            fill(small)
            await assert_reads_go_on(api, house)
        assert server.stop() == 0
    fill(small)
    with serving(small, log) as server:
        async with client(server, key) as api:
            await assert_reads_go_on(api, house)
            (small / "filler").unlink()
            await recovered(api)
            assert (await api.http.put(house["late"], content=LATE)).status_code == 200
        assert ballast.stat().st_size == BALLAST
        assert server.stop() == 0
    assert "A chore failed" not in log.read_text()


async def recovered(api: Api) -> None:
    """Waits until new things are taken again, which nobody has to ask for."""
    deadline = time.monotonic() + PATIENCE
    while (await api.mutate("createArtifact", "artifact { id }", name="loader"))["errors"]:
        assert time.monotonic() < deadline
