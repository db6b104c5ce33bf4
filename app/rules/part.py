"""The parts in which content arrives, and when they are complete.

Source of the rules: the domain, section 4. The limits are those of S3's multipart uploads, so
that every storage backend takes the same parts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.rules.errors import BadUserInput, PartsIncomplete
from app.rules.text import label

MAX_PARTS: Final = 10_000
MIN_PART_SIZE: Final = 5 * 1024**2  # Bytes, for every part but the last.
MAX_PART_SIZE: Final = 5 * 1024**3  # Bytes.
MAX_MISSING_LISTED: Final = 100


class PartState(StrEnum):
    """What became of a registered part."""

    UPLOADABLE = "UPLOADABLE"
    VALID = "VALID"
    INVALID_SIZE = "INVALID_SIZE"
    INVALID_HASH = "INVALID_HASH"


@dataclass(frozen=True, slots=True)
class PartFacts:
    """A registered part: its index from 1, its declared size in bytes, its state."""

    index: int
    size: int
    state: PartState


def check_part(index: int, size: int, *, path: Sequence[str]) -> None:
    """Check what can be said of a part alone: index 1 to 10,000, size 1 byte to 5 GiB.

    `path` names the part; the refusal's path ends in `index` or `size`. Raises BadUserInput.
    """
    if not 1 <= index <= MAX_PARTS:
        path = (*path, "index")
        raise BadUserInput(f"{label(path)} is {index}, it must be 1 to {MAX_PARTS}.", path=path)
    if not 1 <= size <= MAX_PART_SIZE:
        path = (*path, "size")
        raise BadUserInput(
            f"{label(path)} is {size}, a part holds 1 to {MAX_PART_SIZE} bytes; "
            "an empty binary needs no part.",
            path=path,
        )


def check_minimum(sizes: Mapping[int, int], *, path: Sequence[str]) -> None:
    """Check that every part but the one with the highest index has at least 5 MiB.

    `sizes` maps index to bytes, of all the parts that would be registered together. Parts are
    never taken away one by one, so a part below another index is provably not the last, and can
    be refused at registration instead of after its upload. Raises BadUserInput that names the
    lowest such part.
    """
    last = max(sizes, default=0)
    small = [index for index, size in sizes.items() if size < MIN_PART_SIZE and index < last]
    if small:
        index = min(small)
        raise BadUserInput(
            f"{label(path)}: part {index} has {sizes[index]} bytes, but every part before the "
            f"last (now {last}) must have at least {MIN_PART_SIZE}.",
            path=path,
        )


def check_complete(
    parts: Collection[PartFacts], *, declared_size: int, path: Sequence[str] = ()
) -> None:
    """Check that the registered parts are the whole binary of `declared_size` bytes.

    Every part is valid, indexes run from 1 without gaps, sizes add up, and every part but the
    last has at least 5 MiB; an empty binary has no parts. Raises PartsIncomplete with the indexes
    that lack a valid part (the first 100 of them) and both sizes, or BadUserInput that names a
    part which is too small.
    """
    valid = {part.index: part.size for part in parts if part.state is PartState.VALID}
    stored_size = sum(valid.values())
    last = max((part.index for part in parts), default=1 if declared_size else 0)
    missing = [index for index in range(1, last + 1) if index not in valid]
    if missing or stored_size != declared_size:
        lacking = f"{len(missing)} of {last} parts lack valid content" if missing else "No gaps"
        raise PartsIncomplete(
            f"{lacking}; {stored_size} of {declared_size} bytes are stored. Upload what is "
            "missing, or register the parts with the right sizes.",
            missing=tuple(missing[:MAX_MISSING_LISTED]),
            declared_size=declared_size,
            stored_size=stored_size,
            path=path,
        )
    check_minimum(valid, path=path)
