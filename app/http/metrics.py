"""What the process counts, for Prometheus to fetch."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import time
from datetime import UTC, datetime
from typing import Final

from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response

from app.actions.access import authenticate
from app.http.refusal import request_id
from app.metrics import Known
from app.reads import census
from app.rules.access import Role, require
from app.rules.binary import ContentHealth, State, VerificationStatus
from app.rules.errors import Unauthenticated
from app.rules.failures import DatabaseUnavailable, MethodNotAllowed
from app.server import Server

METHODS: Final = ("GET", "HEAD")
FRESH_SECONDS: Final = 10.0
"""How old a census may be: it reads every binary, and anybody may fetch as often as they like."""

_FORWARDED: Final = ("forwarded", "via", "x-forwarded-for", "x-real-ip")
_HERE: Final = ("localhost", "127.0.0.1", "::1")


class MetricsPage:
    """The handler of `/metrics`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._counted_at = float("-inf")
        self._counting = asyncio.Lock()

    async def __call__(self, request: Request) -> Response:
        """Answers with every metric, to those who may see it.

        Raises MethodNotAllowed, Unauthenticated, KeyRevoked, KeyExpired, Forbidden.
        """
        if request.method not in METHODS:
            raise MethodNotAllowed("Metrics are fetched with GET or HEAD.")
        await _admit(request, token=self._server.settings.metrics_token)
        await self._count()
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(
            encode(self._server.metrics.registry),
            headers={"Content-Type": media_type, "Cache-Control": "no-store"},
        )

    async def _count(self) -> None:
        known = self._server.metrics.known
        async with self._counting:
            if time.monotonic() - self._counted_at < FRESH_SECONDS:
                return
            try:
                found = await census.take(at=datetime.now(UTC))
            except DatabaseUnavailable:
                # What is not known is not told: an alert on an old number would be wrong.
                _forget(known)
                return
            self._counted_at = time.monotonic()
            _tell(known, found)


async def _admit(request: Request, *, token: str) -> None:
    """Lets in who is on this machine, has the token, or an ADMIN key."""
    sent = request.headers.get("authorization", "")
    scheme, _, secret = sent.partition(" ")
    if not sent and _is_local(request):
        return
    secret = secret.strip() if scheme.lower() == "bearer" else ""
    if token and hmac.compare_digest(secret.encode(), token.encode()):
        return
    if not secret:
        raise Unauthenticated(
            "Metrics are told to whoever sends an ADMIN key, or the token of"
            " BINDERY_METRICS_TOKEN, as `Authorization: Bearer …`; without one on loopback only."
        )
    actor = await authenticate(secret, at=datetime.now(UTC), request_id=request_id(request))
    require(actor.role, Role.ADMIN)


def _is_local(request: Request) -> bool:
    """Whether the request comes from this machine and was meant for it.

    A proxy beside the server connects from here too, and so does the browser of whoever works
    here: a request that was forwarded, or asks for another host's name, is not local.
    """
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        loopback = ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
    return loopback and request.url.hostname in _HERE


def _tell(known: Known, found: census.Census) -> None:
    known.database.set(1)
    for state in State:
        count, size = found.binaries.get(state.value, (0, 0))
        known.binaries.labels(state.value).set(count)
        known.content.labels(state.value).set(size)
    for status in VerificationStatus:
        number = found.verifications.get(status.value, 0)
        known.verifications.labels(status.value).set(number)
    known.leases.labels("held").set(found.held)
    known.leases.labels("expired").set(found.expired)
    known.stuck.set(found.stuck)
    known.garbage.set(found.garbage)
    known.intents.set(found.unfinished)
    known.waiting.set(found.webhooks)
    for health in (ContentHealth.CORRUPT, ContentHealth.MISSING):
        known.damaged.labels(health.value).set(found.damaged.get(health.value, 0))


def _forget(known: Known) -> None:
    known.database.set(0)
    for gauge in (
        known.binaries,
        known.content,
        known.verifications,
        known.leases,
        known.damaged,
    ):
        gauge.clear()
    for single in (known.stuck, known.garbage, known.intents, known.waiting):
        single.set(float("nan"))
