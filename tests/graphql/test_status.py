"""What the server says of itself."""

from __future__ import annotations

import httpx

from app.rules.access import Role
from tests.api import Api
from tests.conftest import new_api

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
