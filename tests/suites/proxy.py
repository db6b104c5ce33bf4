"""A proxy before an S3 that fails in the ways that networks and S3 fail.

It also refuses what S3 refuses and moto lets pass: bytes that are not those of their checksum, a
link whose time is over, and a link whose checksum does not come with the bytes.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import aiohttp
from aiohttp import web
from yarl import URL

CHECKSUM: Final = "x-amz-checksum-sha256"
_HOP: Final = frozenset({"connection", "content-length", "expect", "host", "transfer-encoding"})


class Fault(StrEnum):
    """How a request fails."""

    RESET = "reset, the request was lost"
    LOST = "reset, the answer was lost"
    SILENT = "no answer, the request was lost"
    LATE = "no answer, the request was carried out"
    ERROR = "500"
    ERROR_AFTER = "500, the request was carried out"
    SLOW_DOWN = "503 SlowDown"
    CUT = "an answer that ends too early"
    TWICE = "carried out twice"


_BEFORE: Final = frozenset({Fault.RESET, Fault.SILENT, Fault.ERROR, Fault.SLOW_DOWN})


@dataclass
class Proxy:
    """Passes requests on to `target`; a share of them fails."""

    target: str
    chance: random.Random
    share: float
    patience: float
    """Seconds after which a client has given up waiting."""
    injected: Counter[Fault] = field(default_factory=Counter)
    refused: int = 0
    """Requests that S3 itself would have refused."""
    _session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """The address of the proxy, for as long as the block lasts."""
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
            self._session = session
            app = web.Application(client_max_size=1 << 30)
            app.router.add_route("*", "/{rest:.*}", self._entry)
            runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            try:
                host, port = runner.addresses[0][:2]
                yield f"http://{host}:{port}"
            finally:
                await runner.cleanup()

    async def _entry(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """What a test may put another in the place of."""
        return await self._handle(request)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if refusal := _refused(request, body):
            self.refused += 1
            return refusal
        fault = self._choose(request)
        if fault in _BEFORE:
            return await self._fail(request, fault)
        try:
            status, headers, answer = await self._pass(request, body)
            if fault is Fault.TWICE:
                await self._pass(request, body)
        except aiohttp.ClientError as error:
            return _error(500, f"Moto.{type(error).__name__}")
        if status == 500 and "uploadId" in request.query:
            # Moto breaks where S3 says that there is no such upload any more.
            return _error(404, "NoSuchUpload")
        if fault is Fault.TWICE:
            return web.Response(status=status, headers=headers, body=answer)
        if fault is Fault.CUT:
            return await _cut(request, status, headers, answer)
        if fault is not None:
            return await self._fail(request, fault)
        return web.Response(status=status, headers=headers, body=answer)

    def _choose(self, request: web.Request) -> Fault | None:
        if self.chance.random() >= self.share:
            return None
        faults = [fault for fault in Fault if fault is not Fault.CUT or request.method == "GET"]
        # Silence takes the longest, and there is no more to it than that.
        weights = [0.3 if fault in (Fault.SILENT, Fault.LATE) else 1.0 for fault in faults]
        (fault,) = self.chance.choices(faults, weights)
        self.injected[fault] += 1
        return fault

    async def _fail(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        match fault:
            case Fault.ERROR | Fault.ERROR_AFTER:
                return _error(500, "InternalError")
            case Fault.SLOW_DOWN:
                return _error(503, "SlowDown")
            case Fault.SILENT | Fault.LATE:
                await asyncio.sleep(self.patience)
        if request.transport is not None:
            request.transport.abort()
        raise web.HTTPInternalServerError

    async def _pass(self, request: web.Request, body: bytes) -> tuple[int, dict[str, str], bytes]:
        assert self._session is not None
        url = URL(self.target + request.raw_path, encoded=True)
        headers = {
            name: value for name, value in request.headers.items() if name.lower() not in _HOP
        }
        async with self._session.request(
            request.method, url, data=body, headers=headers, allow_redirects=False
        ) as answer:
            kept = {
                name: value
                for name, value in answer.headers.items()
                if name.lower() not in _HOP or request.method == "HEAD"
            }
            return answer.status, kept, await answer.read()


def _refused(request: web.Request, body: bytes) -> web.Response | None:
    """What S3 says to bytes and links that are not right; None to those that are."""
    query = request.query
    if "X-Amz-Date" in query:
        signed = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if datetime.now(UTC) > signed + timedelta(seconds=int(query["X-Amz-Expires"])):
            return _error(403, "AccessDenied")
        for name in query["X-Amz-SignedHeaders"].split(";"):
            if name not in request.headers:
                return _error(403, "SignatureDoesNotMatch")
    told = request.headers.get(CHECKSUM)
    found = base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")
    # A completion tells the checksum of all parts, of which it has none here.
    if told is not None and request.method == "PUT" and told != found:
        return _error(400, "BadDigest")
    return None


def _error(status: int, code: str) -> web.Response:
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
    return web.Response(status=status, text=text, content_type="application/xml")


async def _cut(
    request: web.Request, status: int, headers: dict[str, str], answer: bytes
) -> web.StreamResponse:
    """Sends half of an answer that is announced as whole."""
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(answer)
    await response.prepare(request)
    await response.write(answer[: len(answer) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
