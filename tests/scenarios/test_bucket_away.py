"""A bucket that can't be written to, and one that goes away and comes back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from aiohttp import web

from app.rules.failures import StorageDegraded
from app.settings import Settings
from app.storage import bucket
from app.storage.location import Location
from app.storage.s3 import S3Store
from tests.api import BINARY, Api
from tests.buckets import location, s3_server
from tests.suites.proxy import Proxy

__all__ = ["location", "s3_server"]


@pytest.fixture
async def proxy(s3_server: str) -> AsyncIterator[tuple[Proxy, str]]:
    made = Proxy(s3_server, random.Random(1), 0.0, 0.1)
    async with made.serving() as address:
        yield made, address


@pytest.mark.parametrize(
    ("method", "what"), [("PUT", "be written to"), ("DELETE", "be erased from")]
)
async def test_a_bucket_that_may_only_be_read_is_refused(
    proxy: tuple[Proxy, str],
    location: Location,
    method: str,
    what: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, address = proxy
    pass_on = made._handle

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.method == method:
            text = "<Error><Code>AccessDenied</Code></Error>"
            return web.Response(status=403, text=text, content_type="application/xml")
        return await pass_on(request)

    monkeypatch.setattr(made, "_answer", handle)
    store = S3Store(replace(location, endpoint=address))
    with pytest.raises(StorageDegraded) as raised:
        await store.open()
    assert str(raised.value) == (
        f"The bucket {location.bucket} of BINDERY_CONTENT can't {what}: the credentials"
        " (AWS_ACCESS_KEY_ID) are wrong, or not allowed to (AccessDenied)."
    )


class TestAway:
    """The bucket does not answer for a while; nothing has to be started again."""

    @pytest.fixture
    def settings(
        self,
        settings: Settings,
        location: Location,
        proxy: tuple[Proxy, str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> Settings:
        monkeypatch.setattr(bucket, "ATTEMPTS", 2)
        return replace(
            settings,
            content=f"s3://{location.bucket}/content",
            s3_endpoint=proxy[1],
            s3_direct=False,
        )

    async def test_it_is_told_and_over(
        self, api: Api, http: httpx.AsyncClient, proxy: tuple[Proxy, str], monkeypatch: Any
    ) -> None:
        made, _ = proxy
        version = await api.version()
        kept = await api.reach("SIGNED", version, b"kept")
        binary = await api.binary(version, b"content", "arm-linux-other")
        (part,) = binary["parts"]

        async def away(_request: web.Request) -> web.StreamResponse:
            text = "<Error><Code>ServiceUnavailable</Code></Error>"
            return web.Response(status=503, text=text, content_type="application/xml")

        with monkeypatch.context() as patched:
            patched.setattr(made, "_answer", away)
            refused = await http.put(part["uploadUrl"], content=b"content")
            assert refused.status_code == 503
            assert refused.json()["errors"][0]["extensions"]["code"] == "STORAGE_DEGRADED"
            assert int(refused.headers["retry-after"]) > 0
            ready = await http.get("/health/ready")
            assert (ready.status_code, ready.json()["storage"]) == (503, "failed")
            # What is destroyed is out of reach at once, and erased later.
            await api.do("destroyBinary", BINARY, binaryId=kept)
            assert await api.state(kept) == "DESTROYED"

        assert (await http.put(part["uploadUrl"], content=b"content")).status_code == 200
        assert (await http.get("/health/ready")).status_code == 200
        query = "query($id: ID!) { binary(id: $id) { contentErasedAt } }"
        for _ in range(200):
            if (await api.ask(query, id=kept))["binary"]["contentErasedAt"]:
                return
            await asyncio.sleep(0.1)
        raise AssertionError("The content was not erased once the bucket was back.")
