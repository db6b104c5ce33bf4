"""What the server says of itself."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from app import migrations
from app.models import StorageIntent
from app.rules.access import Role
from app.server import Server
from tests.api import Api, Json
from tests.conftest import new_api

MIGRATIONS = [path.stem for path in Path(migrations.__file__).parent.glob("m[0-9]*.py")]
STATUS = """{ serverStatus { ready databaseHealthy storageHealthy
  verificationsWaiting verificationsRunning verificationsFailed } }"""


async def test_an_admin_sees_how_the_server_is_doing(api: Api) -> None:
    good = await api.uploaded(await api.version(), b"content")
    await api.do("finishBinaryUpload", "binary { id }", binaryId=good, startHashing=True)
    await api.wait(good, "SIGNABLE")
    assert (await api.ask(STATUS))["serverStatus"] == {
        "ready": True,
        "databaseHealthy": True,
        "storageHealthy": True,
        "verificationsWaiting": 0,
        "verificationsRunning": 0,
        "verificationsFailed": 0,
    }


async def test_nobody_else_does(api: Api, http: httpx.AsyncClient) -> None:
    assert api.key
    writer = await new_api(http, "acme", Role.WRITE)
    refusal = await writer.refused(STATUS)
    assert refusal["extensions"]["code"] == "FORBIDDEN"
    assert refusal["extensions"]["role"] == "ADMIN"


DETAILS = """{ serverStatus { database databaseVersion databaseSchema databaseLatencyMs
  storageHealthy storageFull storageFreeBytes storageReserveBytes storageFailedAt storageProbedAt
  ballastLackingBytes garbageCount intentCount } }"""


async def details(api: Api) -> Json:
    found: Json = (await api.ask(DETAILS))["serverStatus"]
    return found


async def test_it_tells_what_an_operator_wants_to_know(api: Api, database_url: str) -> None:
    found = await details(api)
    kind = "SQLITE" if database_url.startswith("sqlite") else "POSTGRESQL"
    assert found["database"] == kind
    assert re.match(r"3\.\d+" if kind == "SQLITE" else r"1\d\.\d+", found["databaseVersion"])
    assert found["databaseSchema"] == sorted(MIGRATIONS)[-1]
    assert 0 < found["databaseLatencyMs"] < 10_000
    assert (found["storageHealthy"], found["storageFull"]) == (True, False)
    assert int(found["storageFreeBytes"]) > 1 << 20
    assert found["storageReserveBytes"] == "0"
    assert (found["storageFailedAt"], found["storageProbedAt"]) == (None, None)
    assert found["ballastLackingBytes"] == "0"
    assert (found["garbageCount"], found["intentCount"]) == (0, 0)


async def test_it_counts_what_is_on_its_way_in_and_out(api: Api) -> None:
    await StorageIntent.create(blob="0" * 32, boot=uuid4())
    found = await details(api)
    assert (found["garbageCount"], found["intentCount"]) == (0, 1)


async def test_it_tells_of_a_failed_disk_and_of_a_full_one(
    api: Api, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    binary = await api.binary(await api.version())
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        refused = await api.http.put(binary["parts"][0]["uploadUrl"], content=b"content")
        assert refused.status_code == 503
        found = await details(api)
        assert found["storageHealthy"] is False
        assert found["storageFailedAt"] is not None
        assert found["storageProbedAt"] is not None
    found = await details(api)
    assert found["storageHealthy"] is True
    assert found["storageFailedAt"] < found["storageProbedAt"]
    monkeypatch.setattr(server.store, "_reserve", 1 << 60)
    found = await details(api)
    assert (found["storageHealthy"], found["storageFull"]) == (True, True)
    assert found["storageReserveBytes"] == str(1 << 60)
