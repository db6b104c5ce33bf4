"""The clients of a device on the page: each installs what its key signed, and nothing else."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from nacl.signing import SigningKey

from tests.api import Api
from tests.docs.pages import ROOT, blocks
from tests.journeys.server import Running

EXAMPLES = ROOT / "examples" / "device"
TOOLS = ("curl", "jq", "openssl", "basenc")
CONTENTS = (b"the first firmware", b"the second firmware" * 10_000)
# The header of an Ed25519 public key in DER (RFC 8410).
HEADER = bytes.fromhex("302a300506032b6570032100")

DEVICE = "query Q($id: ID!) { device(id: $id) { reportedRelease { id } } }"
OUTCOMES = """{
  events(
    filter: {kind: ["device.installed", "device.install_failed"]}, orderBy: {field: CREATED_AT}
  ) { nodes { kind } }
}"""


@dataclass
class Fleet:
    """A server, a device of a cohort there, and a folder that stands for the device."""

    api: Api
    cohort: str
    device: str
    folder: Path
    environment: Mapping[str, str]
    releases: int = 0

    async def release(self, content: bytes, *, by: SigningKey | None = None) -> str:
        """Makes a release of signed content the latest one."""
        signer = Api(self.api.http, self.api.key, by) if by else self.api
        self.releases += 1
        version = await signer.version(f"{self.releases}.0.0")
        await signer.reach("SIGNED", version, content)
        return await signer.release(self.cohort, await signer.bundle(version), f"r{self.releases}")

    def poll(self, *client: str | Path) -> subprocess.CompletedProcess[str]:
        """Runs a client once."""
        return subprocess.run(
            [str(one) for one in client],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def installed(self) -> bytes | None:
        """What the device runs."""
        path = self.folder / "firmware.bin"
        return path.read_bytes() if path.exists() else None

    async def reported(self) -> str:
        """The release that the device said it runs."""
        found = (await self.api.ask(DEVICE, id=self.device))["device"]["reportedRelease"]
        id: str = found["id"]
        return id

    async def outcomes(self) -> list[str]:
        """What the device said became of its installations, in order."""
        told = (await self.api.ask(OUTCOMES))["events"]["nodes"]
        return [one["kind"] for one in told]


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    running = Running(tmp_path, fork=True)
    with running.started(running.create_key()) as place:
        async with httpx.AsyncClient(base_url=place.url, trust_env=False) as http:
            api = Api(http, place.key)
            product = await api.product()
            cohort = await api.cohort(product)
            device = await api.device(product, cohort)
            made = await api.mutate(
                "createApiKey", "secret", name="device", role="DEVICE", deviceId=device
            )
            public = bytes(api.signer.verify_key)
            folder = tmp_path / "device"
            folder.mkdir()
            pem = folder / "trusted.pem"
            pem.write_text(
                "-----BEGIN PUBLIC KEY-----\n"
                f"{base64.b64encode(HEADER + public).decode()}\n"
                "-----END PUBLIC KEY-----\n"
            )
            environment = {
                "BINDERY_URL": place.url,
                "BINDERY_KEY": made["secret"],
                "BINDERY_DEVICE": device,
                "BINDERY_TRUSTED": base64.b64encode(public).decode(),
                "BINDERY_TRUSTED_PEM": str(pem),
                "NO_PROXY": "127.0.0.1",
            }
            yield Fleet(api, cohort, device, folder, environment)


@pytest.fixture(params=["device.py", "device.sh"])
def program(request: pytest.FixtureRequest) -> tuple[str, Path]:
    """How a client is run."""
    client: str = request.param
    if client == "device.sh" and (missing := [one for one in TOOLS if not shutil.which(one)]):
        pytest.skip(f"NOT SHOWN: {', '.join(missing)} not here")
    return sys.executable if client == "device.py" else "sh", EXAMPLES / client


async def test_a_client_installs_what_its_key_signed(
    fleet: Fleet, program: tuple[str, Path]
) -> None:
    ran = fleet.poll(*program)
    assert (ran.returncode, ran.stderr, fleet.installed) == (0, "", None)

    for content in CONTENTS:
        release = await fleet.release(content)
        ran = fleet.poll(*program)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert fleet.installed == content
        assert await fleet.reported() == release
    assert fleet.poll(*program).returncode == 0
    assert await fleet.outcomes() == ["device.installed"] * 2

    await fleet.release(b"of somebody else", by=SigningKey.generate())
    ran = fleet.poll(*program)
    assert ran.returncode == 1
    assert ran.stderr.startswith("not installed: no trusted key signed what came")
    assert fleet.installed == CONTENTS[-1]
    assert await fleet.outcomes() == [*["device.installed"] * 2, "device.install_failed"]
    assert not (fleet.folder / "firmware.new").exists()


async def test_a_client_that_is_refused_says_so(fleet: Fleet, program: tuple[str, Path]) -> None:
    """It does not end as if there were nothing to install."""
    for wrong, told in (
        ({"BINDERY_URL": "http://127.0.0.1:9"}, "refused|connect"),
        ({"BINDERY_KEY": "bky_"}, "401"),
        ({"BINDERY_DEVICE": fleet.cohort}, "refused: .*BAD_USER_INPUT"),
    ):
        there = Fleet(fleet.api, fleet.cohort, "", fleet.folder, {**fleet.environment, **wrong})
        ran = there.poll(*program)
        assert ran.returncode != 0
        assert re.search(told, ran.stderr), ran.stderr


async def test_a_line_that_fails_is_no_failed_installation(
    fleet: Fleet, program: tuple[str, Path]
) -> None:
    """Else a device with a bad line would halt the phase for all the others."""
    await fleet.release(CONTENTS[0])
    (blob,) = (one for one in (fleet.folder.parent / "data" / "blobs").rglob("*") if one.is_file())
    # The server sends no end of what is damaged: the client sees a connection that is cut.
    blob.write_bytes(bytes(len(CONTENTS[0])))
    ran = fleet.poll(*program)
    assert ran.returncode != 0
    assert fleet.installed is None
    assert await fleet.outcomes() == []


def test_the_page_shows_the_file() -> None:
    (shown,) = blocks((ROOT / "docs" / "device.md").read_text(encoding="utf-8"), "python")
    assert shown == (EXAMPLES / "device.py").read_text(encoding="utf-8")
