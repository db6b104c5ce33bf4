"""Requests over a bare socket, for clients that stop in the middle."""

from __future__ import annotations

import socket
import struct
from typing import Final
from urllib.parse import urlsplit

from tests.journeys.client import Json

SMALL_BUFFER: Final = 64 * 1024
"""Bytes that the client's system takes before the client reads; the server waits then."""


def connected(base: str) -> socket.socket:
    """A connection to the server, with little room for what comes."""
    address = urlsplit(base)
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    one.settimeout(10)
    one.connect((address.hostname, address.port))
    return one


def download(one: socket.socket, url: str) -> None:
    """Ask for content."""
    one.sendall(f"GET {_target(url)} HTTP/1.1\r\nHost: faults\r\n\r\n".encode())


def upload(one: socket.socket, part: Json) -> None:
    """Announce the bytes of a part; none of them is sent."""
    lines = [f"{part['uploadMethod']} {_target(part['uploadUrl'])} HTTP/1.1", "Host: faults"]
    lines += [f"{entry['name']}: {entry['value']}" for entry in part["uploadHeaders"]]
    lines += [f"Content-Length: {part['size']}", "", ""]
    one.sendall("\r\n".join(lines).encode())


def rest(one: socket.socket) -> bytes:
    """All that still comes, until the connection ends, however that is."""
    got = bytearray()
    try:
        while block := one.recv(1 << 20):
            got += block
    except OSError:
        pass
    return bytes(got)


def read(one: socket.socket, size: int) -> bytes:
    """The next bytes, as many as asked for or all until the end."""
    got = bytearray()
    while len(got) < size and (block := one.recv(size - len(got))):
        got += block
    return bytes(got)


def reset(one: socket.socket) -> None:
    """Go away at once, as a client does whose system was pulled from under it."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()


def _target(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
