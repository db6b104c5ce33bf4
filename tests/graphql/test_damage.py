"""Content that rots on the disk, as clients and devices see it: from the flip to its mend."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from pathlib import Path

import httpx

from app.models import Binary, BinaryPart
from app.rules.prn import parse_prn
from app.server import Server
from app.worker.scrubbing import Scrubbing
from tests.api import Api, Json
from tests.reads.test_deep import flip
from tests.worker.records import PAST
from tests.worker.running import until

ARM = "arm-linux-gnueabihf"
TOLD = """query($id: ID!, $device: ID!, $version: ID!) {
  binary(id: $id) {
    contentHealth contentCheckedAt updatedAt downloadUrl
    impact { devicesLosingUpdate } lossImpact { devicesLosingUpdate devicesStuck
      releases { nodes { effect release { name } } } }
    events(first: 1, orderBy: { field: CREATED_AT, direction: DESC }) {
      nodes { kind before after }
    }
  }
  damaged: binaries(filter: { contentHealth: [CORRUPT, MISSING] }) { nodes { id } }
  resolveBinary(target: "arm-linux-gnueabihf", artifactVersionId: $version) {
    binary { id } match reason
  }
  resolveUpdate(deviceId: $device) { status release { name } trace { reason } }
}"""


async def looked(server: Server, binary_id: str) -> Path:
    """Has the scrubber look at a binary now; gives the file of its content."""
    id = parse_prn(binary_id, path=()).id
    (part,) = await BinaryPart.filter(binary_id=id)
    await Binary.filter(id=id).update(content_checked_at=PAST)
    made = Scrubbing(server.store, rate=1 << 40, again_after=timedelta(days=30), interval=0.02)
    task = asyncio.create_task(made.run())

    async def done() -> bool:
        row = await Binary.get(id=id)
        return row.content_checked_at is not None and row.content_checked_at > PAST

    await until(done)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return server.settings.data / "blobs" / str(part.blob)[:2] / str(part.blob)


async def test_rotten_content_is_seen_not_served_and_counted(
    server: Server, api: Api, http: httpx.AsyncClient
) -> None:
    """The device's own binary rots; the portable one of its version does not stand in for it."""
    product = await api.product("router", ARM)
    cohort = await api.cohort(product)
    version = await api.version()
    binary = await api.reach("SIGNED", version, b"for arm", target=ARM)
    await api.reach("SIGNED", version, b"for all")
    await api.release(cohort, await api.bundle(version), "first")
    device = await api.device(product, cohort)

    async def told() -> Json:
        return await api.ask(TOLD, id=binary, device=device, version=version)

    path = await looked(server, binary)
    before = await told()
    assert before["binary"]["contentHealth"] == "OK"
    assert before["damaged"]["nodes"] == []
    assert before["resolveBinary"]["binary"] == {"id": binary}
    assert before["resolveUpdate"]["status"] == "UPDATE"
    assert before["binary"]["impact"]["devicesLosingUpdate"] == 1

    flip(path, 11)
    await looked(server, binary)
    after = await told()
    found = after["binary"]
    assert found["contentHealth"] == "CORRUPT"
    assert found["contentCheckedAt"] > before["binary"]["contentCheckedAt"]
    # News is a change of the binary; that all is well still is none.
    assert before["binary"]["updatedAt"] < before["binary"]["contentCheckedAt"]
    assert found["updatedAt"] == found["contentCheckedAt"]
    assert after["damaged"]["nodes"] == [{"id": binary}]
    (event,) = found["events"]["nodes"]
    assert event == {
        "kind": "binary.content_health",
        "before": {"contentHealth": "OK"},
        "after": {"contentHealth": "CORRUPT"},
    }
    assert after["resolveBinary"] == {
        "binary": None,
        "match": "NONE",
        "reason": "CONTENT_CORRUPT",
    }
    assert after["resolveUpdate"]["status"] == "NO_UPDATE"
    assert "CONTENT_CORRUPT" in [step["reason"] for step in after["resolveUpdate"]["trace"]]
    assert found["impact"]["devicesLosingUpdate"] == 0
    assert found["lossImpact"]["devicesLosingUpdate"] == 1
    (release,) = found["lossImpact"]["releases"]["nodes"]
    assert release == {"effect": "NEWLY_AFFECTED", "release": {"name": "first"}}
    answer = await http.get(found["downloadUrl"])
    assert answer.json()["errors"][0]["extensions"]["code"] == "CONTENT_CORRUPT"

    flip(path, 11)
    await looked(server, binary)
    mended = await told()
    assert mended["binary"]["contentHealth"] == "OK"
    assert mended["resolveBinary"]["binary"] == {"id": binary}
    assert mended["resolveUpdate"]["status"] == "UPDATE"
    assert (await http.get(mended["binary"]["downloadUrl"])).content == b"for arm"
