"""GET and HEAD of a binary's content: its parts, one after the other, as they are stored."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from app import database, tracing
from app.actions import health
from app.http import links
from app.http.ranges import RangeNotSatisfiable, Segment, Span, requested, segments
from app.http.refusal import refusal
from app.http.whole import Stretch, checked
from app.models import Binary, BinaryPart, StorageUpload
from app.rules.binary import DOWNLOADABLE, ContentHealth, State
from app.rules.failures import ContentCorrupt, ContentDestroyed, UploadSuperseded
from app.rules.link import Link
from app.rules.refusal import BinderyError
from app.server import Server
from app.storage.content import ContentStore

METHODS: Final = ("GET", "HEAD")

_VERIFIED: Final = frozenset({State.SIGNABLE, State.SIGNED})
_DAMAGED: Final = frozenset({ContentHealth.CORRUPT, ContentHealth.MISSING})
_Part = tuple[str, int, str]
"""A part's blob, its size in bytes, and its SHA-256 in hex."""
_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')


async def get(server: Server, request: Request) -> Response:
    """Sends the content, or the range asked for; HEAD, and a client that has it, get headers.

    A body that can't be completed with the very bytes that came ends in ContentCorrupt, so that
    the server cuts the connection; who puts ranges together checks them by the digest that each
    answer tells. Raises what `links` raises, ContentDestroyed, UploadSuperseded, ContentCorrupt.
    """
    link = links.check(request, kind="download", methods=METHODS, key=server.secret)
    binary = await _downloadable(link)
    links.check_time(link)
    if binary.content_health in _DAMAGED:
        raise _damaged()
    headers = _headers(binary, link)
    if _has_it(request, tag=headers["ETag"]):
        return Response(status_code=304, headers=headers)
    headers["Content-Length"] = str(binary.size)
    if request.method == "HEAD":
        return Response(headers=headers, media_type="application/octet-stream")
    if elsewhere := await _elsewhere(server, binary, link):
        return elsewhere
    try:
        span = _span(request, tag=headers["ETag"], size=binary.size)
    except RangeNotSatisfiable as error:
        answer = refusal(request, error)
        answer.headers["Content-Range"] = f"bytes */{binary.size}"
        return answer
    status = 200
    if span is not None:
        status = 206
        headers["Content-Length"] = str(span.stop - span.start)
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{binary.size}"
    async with _doubted(binary):
        first, rest = await _begun(server.store, link, binary, span or Span(0, binary.size))
    return _Content(
        first,
        rest,
        binary=binary,
        status=status,
        headers=headers,
        sent=server.metrics.sent,
    )


async def _elsewhere(server: Server, binary: Binary, link: Link) -> Response | None:
    """Sends the client on to the bucket, or to the CDN before it, if all content is one object."""
    if server.uploads is None:
        return None
    with database.translated(), tracing.reading(StorageUpload):
        upload = await StorageUpload.get_or_none(binary_id=binary.id, using_db=database.reader())
    if upload is None:
        return None
    url = await server.uploads.content_url(
        upload.blob,
        filename=f"{binary.id}.bin",
        seconds=max(1, link.expires - int(time.time())),
        cdn=server.settings.s3_download_url,
    )
    headers = {"Location": url, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return Response(status_code=307, headers=headers)


async def _downloadable(link: Link) -> Binary:
    """The binary, if the link is of its present epoch and its content is complete."""
    with database.translated(), tracing.reading(Binary):
        binary = await Binary.get_or_none(
            organization_id=link.organization_id, id=link.binary_id, using_db=database.reader()
        )
    if binary is not None and binary.state is State.DESTROYED:
        raise ContentDestroyed("The binary was destroyed, its content is gone for good.")
    if binary is None or binary.epoch != link.epoch or binary.state not in DOWNLOADABLE:
        raise UploadSuperseded(
            "The content that this link was for is no more: the binary was reset or deleted."
            " Ask for a fresh link."
        )
    return binary


async def _begun(
    store: ContentStore, link: Link, binary: Binary, span: Span
) -> tuple[bytes, AsyncGenerator[bytes, None]]:
    """The first block of a span and the rest: what can't be read at all gets an answer of 500."""
    parts = await _parts(link)
    if span == Span(0, binary.size):
        rest = checked(store, _stretches(binary, parts))
    else:
        blobs = [(blob, size) for blob, size, _ in parts]
        rest = _blocks(store, list(segments(blobs, span)))
    try:
        if sum(size for _, size, _ in parts) != binary.size:
            raise _damaged()
        return await anext(rest, b""), rest
    except ContentCorrupt as error:
        await rest.aclose()
        # A reset or a destroy since the first look explains it better.
        await _downloadable(link)
        raise _damaged() from error


def _stretches(binary: Binary, parts: Sequence[_Part]) -> list[Stretch]:
    """What has a digest that the server has seen: all of it, or else each part by itself.

    Until the server has read the content, its hash is only what the uploader declared.
    """
    if binary.state in _VERIFIED:
        return [Stretch([(blob, size) for blob, size, _ in parts], binary.hash)]
    return [Stretch([(blob, size)], sha256) for blob, size, sha256 in parts]


async def _parts(link: Link) -> Sequence[_Part]:
    with database.translated(), tracing.reading(BinaryPart):
        rows = (
            await BinaryPart.filter(
                organization_id=link.organization_id, binary_id=link.binary_id, blob__isnull=False
            )
            .using_db(database.reader())
            .order_by("index")
            .values_list("blob", "size", "hash")
        )
    return [(blob, size, sha256) for blob, size, sha256 in rows]


async def _blocks(store: ContentStore, pieces: Iterable[Segment]) -> AsyncGenerator[bytes, None]:
    for piece in pieces:
        blocks = store.read(piece.blob, start=piece.start, length=piece.length)
        async with aclosing(blocks):
            async for block in blocks:
                yield block


@asynccontextmanager
async def _doubted(binary: Binary) -> AsyncIterator[None]:
    """Has the worker look at the content that this block finds to be damaged."""
    try:
        yield
    except ContentCorrupt:
        # Whoever downloads is not to wait for a database that is away, or a full disk.
        with suppress(BinderyError):
            await health.suspect(binary.organization_id, binary.id, epoch=binary.epoch)
        raise


class _Content(StreamingResponse):
    """A body that lets go of its blob at once when the client goes."""

    def __init__(
        self,
        first: bytes,
        rest: AsyncGenerator[bytes, None],
        *,
        binary: Binary,
        status: int,
        headers: dict[str, str],
        sent: Callable[[int], None],
    ) -> None:
        self._rest = rest
        self._binary = binary
        super().__init__(
            _chained(first, rest, sent),
            status_code=status,
            headers=headers,
            media_type="application/octet-stream",
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with _doubted(self._binary), aclosing(self._rest):
            await super().__call__(scope, receive, send)


async def _chained(
    first: bytes, rest: AsyncIterator[bytes], sent: Callable[[int], None]
) -> AsyncIterator[bytes]:
    yield first
    sent(len(first))
    async for block in rest:
        yield block
        sent(len(block))


def _headers(binary: Binary, link: Link) -> dict[str, str]:
    """What is said of the content with every answer.

    Until the server has read it, its digest is only what the uploader declared. Then the tag
    names the binary and its epoch, within which content never changes, and no digest is told.
    """
    verified = binary.state in _VERIFIED
    tag = f"sha256-{binary.hash}" if verified else f"{binary.id}-{binary.epoch}"
    seconds = max(0, link.expires - int(time.time()))
    headers = {
        "ETag": f'"{tag}"',
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'attachment; filename="{binary.id}.bin"',
        "Cache-Control": f"private, max-age={seconds}, immutable, no-transform",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    if verified:
        digest = base64.b64encode(bytes.fromhex(binary.hash)).decode("ascii")
        headers["Repr-Digest"] = f"sha-256=:{digest}:"
    return headers


def _has_it(request: Request, *, tag: str) -> bool:
    """Whether If-None-Match says that the client has the content already."""
    known = ",".join(request.headers.getlist("if-none-match"))
    return known.strip() == "*" or tag in _TAG.findall(known)


def _span(request: Request, *, tag: str, size: int) -> Span | None:
    """The range to send; If-Range takes nothing but the very tag. Raises RangeNotSatisfiable."""
    only_for = request.headers.getlist("if-range")
    if only_for and only_for != [tag]:
        return None
    return requested(request.headers.getlist("range"), size=size)


def _damaged() -> ContentCorrupt:
    return ContentCorrupt(
        "The stored content is damaged or missing. Reset or replace the binary and upload it anew."
    )
