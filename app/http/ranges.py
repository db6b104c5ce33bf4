"""Which bytes a request asks for, and where they are. Source: RFC 9110, section 14."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from app.rules.failures import BadRequest

# Any second range makes this fail at its comma, so that thousands cost as little as two.
_ONE_RANGE: Final = re.compile(r"bytes=([0-9]*)-([0-9]*)", re.IGNORECASE)
_MOST_DIGITS: Final = 18


@dataclass(eq=False, kw_only=True)
class RangeNotSatisfiable(BadRequest):
    """The range begins at or beyond the end of the content; `size` is where that is."""

    http_status = 416

    size: int


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes from `start` on, up to and without `stop`."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Segment:
    """`length` bytes of a blob, from byte `start` of it on."""

    blob: str
    start: int
    length: int


def requested(values: Sequence[str], *, size: int) -> Span | None:
    """The span that the values of the header Range ask for; None means all the content.

    A malformed or reversed range, another unit, and more than one range are ignored, as the
    RFC allows. Raises RangeNotSatisfiable.
    """
    found = _ONE_RANGE.fullmatch(values[0]) if len(values) == 1 else None
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        return _suffix(_number(last), size=size)
    start = _number(first)
    stop = _number(last) + 1 if last else max(start + 1, size)
    if stop <= start:
        return None
    if start >= size:
        raise _beyond(size)
    return Span(start, min(stop, size))


def _suffix(length: int, *, size: int) -> Span | None:
    if length == 0:
        raise _beyond(size)
    # No Content-Range can say "nothing of nothing": empty content is sent as a whole.
    return Span(max(0, size - length), size) if size else None


def _number(digits: str) -> int:
    """The number; one with more digits than any content has bytes counts as 10^18."""
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= _MOST_DIGITS else 10**_MOST_DIGITS


def _beyond(size: int) -> RangeNotSatisfiable:
    return RangeNotSatisfiable(
        f"The content has {size} bytes, and none of them is in this range.", size=size
    )


def segments(blobs: Iterable[tuple[str, int]], span: Span) -> Iterator[Segment]:
    """Where the bytes of a span lie in blobs (name, size in bytes) that follow one another."""
    begin = 0
    for blob, size in blobs:
        start, stop = max(span.start - begin, 0), min(span.stop - begin, size)
        if start < stop:
            yield Segment(blob, start, stop - start)
        begin += size
