"""How many statements each mutation of a lifecycle takes, in its one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from app import database
from tests.api import Api, Json
from tests.conftest import new_api
from tests.statements import counted

BUDGETS: Final[dict[str, tuple[int, int]]] = {
    "archiveReleases": (5, 7),
    "claimUpdate": (10, 13),
    "createArtifact": (3, 4),
    "createArtifactVersion": (5, 6),
    "createBinary": (10, 11),
    "createBundle": (5, 7),
    "createCohort": (5, 6),
    "createDevice": (6, 7),
    "createProduct": (4, 5),
    "createRelease": (13, 15),
    "createSigningKey": (4, 5),
    "deleteBinary": (9, 10),
    "deleteDevice": (7, 8),
    "destroyBinary": (22, 28),
    "finishBinaryUpload": (5, 6),
    "pinDevice": (5, 6),
    "quarantineDevice": (4, 5),
    "reportDeviceState": (4, 5),
    "resetBinary": (9, 10),
    "signBinary": (9, 10),
    "startBinaryHashing": (4, 5),
    "unpinDevice": (4, 5),
    "updateBinary": (4, 5),
    "updateDevice": (4, 5),
    "updateRelease": (6, 8),
}
"""The statements of each on SQLite and on PostgreSQL, that which finds the key included.

What is left: the key; on PostgreSQL the locks and one notice; the look-up of what the input names;
the write; its Event. `destroyBinary` reads the impact under its locks, and erases the content.
"""


@dataclass
class Counting(Api):
    """A client that counts the statements of each mutation."""

    most: dict[str, int] = field(default_factory=dict)

    async def mutate(self, name: str, selection: str, /, **input: Any) -> Json:
        """Sends it; the largest number counts."""
        with counted() as seen:
            payload = await super().mutate(name, selection, **input)
        self.most[name] = max(len(seen.texts), self.most.get(name, 0))
        return payload


async def test_each_mutation_keeps_its_budget(http: httpx.AsyncClient) -> None:
    api = Counting(http, (await new_api(http, "acme")).key)
    product = await api.product()
    cohort = await api.cohort(product)
    device = await api.device(product, cohort)
    version = await api.version()
    back = await api.reach("HASHABLE", version, b"again", "a-first-target")
    await api.do("resetBinary", "binary { id }", binaryId=back)
    await api.do("updateBinary", "binary { id }", binaryId=back, description="told")
    await api.do("deleteBinary", "deletedBinaryId", binaryId=back)
    binary = await api.reach("SIGNED", version)
    bundle = await api.bundle(version)
    first = await api.release(cohort, bundle, "first", version="1.0.0")
    phased = await api.release(cohort, bundle, "second", version="2.0.0", phase={"value": 5})
    reported = {"releaseId": first, "bundleId": bundle, "version": "1.0.0"}
    for _ in range(2):
        await api.do("claimUpdate", "update { status }", deviceId=device, reported=reported)
    told = {"deviceId": device, "reported": reported, "outcome": "INSTALLED"}
    await api.do("reportDeviceState", "device { id }", **told)
    await api.do("updateRelease", "release { id }", releaseId=phased, disabled=True)
    await api.do("pinDevice", "device { id }", deviceId=device, releaseId=first)
    await api.do("unpinDevice", "device { id }", deviceId=device)
    await api.do("updateDevice", "device { id }", deviceId=device, tags=["beta"])
    await api.do("quarantineDevice", "device { id }", deviceId=device)
    await api.do("archiveReleases", "releases { id }", releaseIds=[phased])
    query = "query($id: ID!) { binary(id: $id) { impact { planToken } } }"
    token = (await api.ask(query, id=binary))["binary"]["impact"]["planToken"]
    await api.do("destroyBinary", "binary { id }", binaryId=binary, planToken=token)
    await api.do("deleteDevice", "deletedDeviceId", deviceId=device)
    place = ("sqlite", "postgres").index(database.dialect(database.reader()))
    assert api.most == {name: number[place] for name, number in BUDGETS.items()}


async def test_a_poll_counts_where_a_phase_may_keep_the_device_out(http: httpx.AsyncClient) -> None:
    api = Api(http, (await new_api(http, "acme")).key)
    product = await api.product()
    cohort = await api.cohort(product)
    device = await api.device(product, cohort)
    version = await api.version()
    await api.reach("SIGNED", version)
    bundle = await api.bundle(version)
    first = await api.release(cohort, bundle, "first")
    second = await api.release(cohort, bundle, "second", phase={"value": 5})

    async def numbers_read(reported: str) -> int:
        with counted() as seen:
            report = {"releaseId": reported}
            await api.do("claimUpdate", "update { status }", deviceId=device, reported=report)
        return sum("release_claim_count" in text for text in seen.texts)

    # As it is told what there is, and again with the release locked; it has a place from then on.
    assert await numbers_read(first) == 2
    assert [await numbers_read(reported) for reported in (first, second)] == [0, 0]
    await api.do("updateDevice", "device { id }", deviceId=device, cohortId=None)
    await api.do("updateDevice", "device { id }", deviceId=device, cohortId=cohort)
    assert await numbers_read(second) == 0
    assert await numbers_read(first) == 2
