"""Content that clients send to a bucket themselves, past the server.

An object that is made of parts is named by a name that ends in eight zeros; its parts by the same
name with their index, in hex, in the place of the zeros. Whole blobs have an `f` in that place, so
that each name says what it is. The parts are read like blobs; they are erased with their object.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

from app.storage.content import Digest

BASE: Final = 24
"""Digits before the index."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A part that is in the bucket. `sha256` is None where the bucket keeps no digests."""

    index: int
    size: int
    sha256: str | None
    tag: str


@runtime_checkable
class Uploads(Protocol):
    """What a store can do besides, whose clients may send to it. Raises StorageDegraded."""

    async def begin(self, name: str) -> str:
        """Begin an upload in parts to the new object `name`, and return its id."""

    async def part_url(
        self, name: str, upload: str, index: int, *, expect: Digest, seconds: int
    ) -> str:
        """Return where to PUT a part, good for these seconds and for these bytes alone.

        They have to be sent with the header of `part_headers`.
        """

    async def arrived(self, name: str, upload: str) -> Mapping[int, Arrived] | None:
        """Return the parts that are there by index; None if there is no such upload any more."""

    async def complete(
        self, name: str, upload: str, parts: Sequence[Arrived], *, size: int
    ) -> None:
        """Make the object of its parts, in order of the index; one that is made is success."""

    async def content_url(self, name: str, *, filename: str, seconds: int, cdn: str = "") -> str:
        """Return where to GET an object, good for these seconds; at `cdn` if that is given."""


def part_headers(sha256: str) -> dict[str, str]:
    """The header that has to come with a part's bytes."""
    return {"x-amz-checksum-sha256": base64_of(sha256)}


def object_name() -> str:
    """A name for an object that is sent in parts, never used before."""
    return secrets.token_hex(BASE // 2) + "0" * 8


def blob_name() -> str:
    """A name for a whole blob in the same store, never used before."""
    name = secrets.token_hex(16)
    return f"{name[:BASE]}f{name[BASE + 1 :]}"


def part_name(object_name: str, index: int) -> str:
    """The name of a part of an object."""
    return f"{object_name[:BASE]}{index:08x}"


def split(name: str) -> tuple[str, int | None]:
    """The object that has the blob `name`, and the index if it is a part of it."""
    if name[BASE] == "f":
        return name, None
    index = int(name[BASE:], 16)
    return (name[:BASE] + "0" * 8, index) if index else (name, None)


def base64_of(sha256: str) -> str:
    """A digest of 64 hex digits in the form that S3 has for it."""
    return base64.b64encode(bytes.fromhex(sha256)).decode("ascii")


def hex_of(checksum: str | None) -> str | None:
    """The digest in S3's form as 64 hex digits; None for none, or for one of several parts."""
    if checksum is None or "-" in checksum:
        return None
    return base64.b64decode(checksum).hex()


def named(part: Arrived) -> dict[str, Any]:
    """A part as it is named when an upload is completed."""
    checksum = {} if part.sha256 is None else {"ChecksumSHA256": base64_of(part.sha256)}
    return {"PartNumber": part.index, "ETag": part.tag, **checksum}
