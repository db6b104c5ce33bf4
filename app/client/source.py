"""The file that is sent: how it is cut, what it hashes to, and who signs it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from typing import Final

from nacl.signing import SigningKey

from app.client.outcome import Ended, Usage
from app.rules.part import MAX_PARTS, MIN_PART_SIZE

PIECE: Final = 1 << 20
PARTS_AIMED_AT: Final = 1_000

# PrivateKeyInfo of Ed25519 before its 32 bytes (RFC 8410), without and with the public key.
_KEY_PREFIXES: Final = (
    bytes.fromhex("302e020100300506032b657004220420"),
    bytes.fromhex("3051020101300506032b657004220420"),
)
_PEM: Final = re.compile(
    r"-----BEGIN PRIVATE KEY-----\s+([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of a file: index from 1, where it begins, its bytes, its SHA-256 in hex."""

    index: int
    start: int
    size: int
    hash: str


@dataclass(frozen=True, slots=True)
class Source:
    """A file as it was read."""

    path: Path
    size: int
    hash: str
    parts: tuple[Piece, ...]


def part_size(size: int) -> int:
    """The bytes of each part but the last: a function of the size alone, so that a second run
    cuts as the first did."""
    parts = min(PARTS_AIMED_AT, MAX_PARTS)
    needed = -(-size // parts)
    return max(MIN_PART_SIZE, -(-needed // PIECE) * PIECE)


async def read(path: Path) -> Source:
    """Reads a file once, in a thread. Raises Ended where it can't be read."""
    with _until_left() as stop:
        return await asyncio.to_thread(_read, path, stop)


async def digest(file: BufferedRandom) -> str:
    """The SHA-256 of all that a file holds, in hex. Raises Ended where it can't be read."""
    with _until_left() as stop:
        return await asyncio.to_thread(_digest, file, stop)


@contextlib.contextmanager
def _until_left() -> Iterator[threading.Event]:
    """Stops a thread when nobody waits for it any more: a process ends when its threads do."""
    stop = threading.Event()
    try:
        yield stop
    finally:
        stop.set()


def _digest(file: BufferedRandom, stop: threading.Event) -> str:
    whole = hashlib.sha256()
    for piece in _pieces(file.fileno(), 0, os.fstat(file.fileno()).st_size, stop):
        whole.update(piece)
    return whole.hexdigest()


def _read(path: Path, stop: threading.Event) -> Source:
    whole = hashlib.sha256()
    parts: list[Piece] = []
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            step = part_size(size)
            for start in range(0, size, step):
                part = hashlib.sha256()
                length = min(step, size - start)
                for piece in _pieces(file.fileno(), start, length, stop):
                    part.update(piece)
                    whole.update(piece)
                parts.append(Piece(len(parts) + 1, start, length, part.hexdigest()))
    except OSError as error:
        raise Ended(f"{path} can't be read: {error.strerror}.") from error
    return Source(path, size, whole.hexdigest(), tuple(parts))


def _pieces(descriptor: int, start: int, length: int, stop: threading.Event) -> Iterator[bytes]:
    end = start + length
    while start < end:
        if stop.is_set():
            raise Ended("Nobody waits for the file any more.")
        piece = os.pread(descriptor, min(PIECE, end - start), start)
        if not piece:
            raise Ended("The file became shorter while it was read.")
        yield piece
        start += len(piece)


def signer(path: Path) -> SigningKey:
    """The private key of a PEM file. It stays in this process. Raises Usage, Ended."""
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise Ended(f"{path} can't be read: {error.strerror}.") from error
    if "ENCRYPTED PRIVATE KEY" in text:
        raise Usage(f"{path} is encrypted; decrypt it with `openssl pkey -in {path}`.")
    found = _PEM.search(text)
    try:
        der = base64.b64decode("".join(found[1].split()), validate=True) if found else b""
    except ValueError:
        der = b""
    for prefix in _KEY_PREFIXES:
        seed = der[len(prefix) : len(prefix) + 32]
        if der.startswith(prefix) and len(seed) == 32:
            return SigningKey(seed)
    raise Usage(
        f"{path} holds no Ed25519 private key in PEM; `openssl genpkey -algorithm ed25519` makes"
        " one."
    )
