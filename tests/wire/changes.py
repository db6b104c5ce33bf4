"""Changes of a few bytes: the ones that a line, a proxy or an attacker makes."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Final

from tests.wire.requests import Whole

MOST: Final = 6
"""Changes of one request."""
FALLING: Final = (16, 8, 4, 2, 1, 1)
"""How often there are so many: the fewer, the farther a request gets."""

_PIECES: Final = (
    *(
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\0",
        b"\xff",
        b"\xed\xa0\x80",
        b"\x1b[31m",
        b" ",
        b"\t",
    ),
    *(b"%", b"%00", b"%0d%0a", b"%ff", b"..", b"../../../../etc/passwd", b"//", b"?", b"#", b";"),
    *(b'"', b"'", b"' OR 1=1 --", b"\\", b"\\ud800", b"{", b"}", b"[" * 70, b"null", b"$", b"@"),
    *(b"-1", b"0", b"1e999", b"18446744073709551616", b"9" * 400, b"a" * 9000, "\u202e".encode()),
    *(b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"Expect: 100-continue\r\n"),
    *(b"Connection: close\r\n", b"Upgrade: websocket\r\n", b"Range: bytes=5-\r\n", b"Host: \r\n"),
    *(b"Content-Encoding: gzip\r\n", b"X-Forwarded-For: 127.0.0.1\r\n", b"Accept: text/html\r\n"),
)
_METHODS: Final = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"CONNECT", b"X-Y")
_NUMBER: Final = re.compile(rb"\d+")


def changed(whole: Whole, heads: Sequence[bytes], chance: random.Random) -> bytes:
    """A request with some of its bytes changed; half of the time in its head or body alone."""
    head, body = whole.head, whole.body
    (part,) = chance.choices(("head", "body", "all"), (3, 5, 1))
    if part == "head" or not body:
        return _several(head, heads, chance) + body
    if part == "all":
        return _several(head + body, heads, chance)
    body = _several(body, heads, chance)
    # The length that is told is right again, so that the body is read.
    return re.sub(rb"(?<=content-length: )\d+", str(len(body)).encode(), head) + body


def _several(data: bytes, heads: Sequence[bytes], chance: random.Random) -> bytes:
    (times,) = chance.choices(range(1, MOST + 1), FALLING)
    for _ in range(times):
        if data:
            data = chance.choice(CHANGES)(data, heads, chance)
    return data


def _flip(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def _replace(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]


def _insert(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(_PIECES) + data[at:]


def _remove(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    start, stop = _span(data, chance)
    return data[:start] + data[stop:]


def _repeat(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    start, stop = _span(data, chance)
    return data[:stop] + data[start:stop] * chance.randint(1, 3) + data[stop:]


def _cut(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def _repeat_line(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    lines = data.split(b"\r\n")
    at = chance.randrange(len(lines))
    return b"\r\n".join([*lines[: at + 1], *lines[at:]])


def _drop_line(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    lines = data.split(b"\r\n")
    at = chance.randrange(len(lines))
    return b"\r\n".join([*lines[:at], *lines[at + 1 :]])


def _number(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    found = list(_NUMBER.finditer(data))
    if not found:
        return data
    one = chance.choice(found)
    instead = chance.choice((b"0", b"-1", b"1", b"2147483648", b"9" * 20, b"1.5", b"0x10", b""))
    return data[: one.start()] + instead + data[one.end() :]


def _splice(data: bytes, heads: Sequence[bytes], chance: random.Random) -> bytes:
    other = chance.choice(heads)
    return data[: chance.randrange(len(data))] + other[chance.randrange(len(other)) :]


def _method(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    return chance.choice(_METHODS) + b" " + data.partition(b" ")[2]


def _span(data: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(data))
    return start, min(len(data), start + chance.choice((1, 1, 2, 4, 16, 64)))


Change = Callable[[bytes, Sequence[bytes], random.Random], bytes]
CHANGES: Final[tuple[Change, ...]] = (
    *(_flip, _flip, _replace, _insert, _insert, _insert, _remove, _repeat, _cut),
    *(_repeat_line, _drop_line, _number, _splice, _method),
)
