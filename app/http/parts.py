"""PUT of a part's bytes: what the headers promise is judged before a byte is read."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from app.actions import part
from app.http import links
from app.models import BinaryPart
from app.rules.failures import (
    BadRequest,
    InvalidSize,
    LengthRequired,
    UnsupportedMediaType,
    UploadTimeout,
)
from app.rules.part import PartState
from app.server import Server

METHODS: Final = ("PUT",)
LEAST_BYTES: Final = 1024
"""What has to come of a body, unless it ends, before a stalled upload is ended."""

_LENGTH: Final = re.compile(rb"[0-9]{1,18}")


async def put(server: Server, request: Request) -> Response:
    """Stores the bytes of the part that the link names; the same bytes again are the same part.

    Answers 200 with the part. Raises what `links` and `actions.part.receive` raise, BadRequest,
    LengthRequired, UnsupportedMediaType, UploadTimeout, and ClientDisconnect.
    """
    link = links.check(request, kind="upload", methods=METHODS, key=server.secret)
    assert link.part_registration_id is not None
    registration = part.Registration(
        link.organization_id, link.binary_id, link.part_registration_id, link.epoch
    )
    declared = await part.open_part(registration)
    links.check_time(link)
    await _check_headers(request, declared, registration)
    chunks = _chunks(request, idle_seconds=server.settings.upload_idle_seconds)
    try:
        await part.receive(server.store, registration, chunks)
    finally:
        # A lost race or a broken transfer leaves bytes to erase.
        server.work.set()
    server.metrics.received(declared.size)
    return JSONResponse(
        {
            "index": declared.index,
            "size": declared.size,
            "hash": declared.hash,
            "state": PartState.VALID.name,
        },
        headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"},
    )


async def _check_headers(
    request: Request, declared: BinaryPart, registration: part.Registration
) -> None:
    length = _content_length(request)
    codings = ",".join(_values(request, b"content-encoding")).replace(" ", "").lower()
    if set(codings.split(",")) - {"", "identity"}:
        raise UnsupportedMediaType(
            "A part is its bytes as they are: send it without Content-Encoding."
        )
    if length != declared.size:
        await part.refuse_size(registration)
        raise InvalidSize(
            f"Part {declared.index} was declared with {declared.size} bytes, Content-Length says "
            f"{length}. Send the bytes declared, or register the part anew with the right size.",
            declared_size=declared.size,
            received_size=length,
        )


def _content_length(request: Request) -> int:
    """The one length that the request states. Raises LengthRequired, BadRequest."""
    if _values(request, b"transfer-encoding"):
        raise BadRequest("Send a part with a Content-Length, without Transfer-Encoding.")
    if _values(request, b"content-range"):
        raise BadRequest("Send a part as a whole, without Content-Range.")
    stated = _values(request, b"content-length")
    if not stated:
        raise LengthRequired("Send a part with a Content-Length that equals its declared size.")
    if len(stated) > 1 or not _LENGTH.fullmatch(stated[0].encode("latin-1")):
        raise BadRequest("Content-Length must be there once, and hold nothing but digits.")
    return int(stated[0])


def _values(request: Request, name: bytes) -> Sequence[str]:
    """Every value of a header, in the order sent: doubled ones are not joined."""
    return [
        value.decode("latin-1") for key, value in request.scope["headers"] if key.lower() == name
    ]


async def _chunks(request: Request, *, idle_seconds: float) -> AsyncIterator[bytes]:
    """The body as it comes. Raises UploadTimeout when too little comes, and ClientDisconnect.

    A byte now and then is as good as nothing: it would hold the connection for ever.
    """
    more, came, left = True, 0, idle_seconds
    while more:
        begun = time.monotonic()
        try:
            async with asyncio.timeout(left):
                message = await request.receive()
        except TimeoutError:
            raise UploadTimeout(
                f"Less than {LEAST_BYTES} bytes came within {idle_seconds} seconds; what had come"
                " was discarded. Send the part again."
            ) from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        more = message.get("more_body", False)
        body = message.get("body", b"")
        came, left = came + len(body), left - (time.monotonic() - begun)
        if came >= LEAST_BYTES:
            came, left = 0, idle_seconds
        if body:
            yield body
