"""Targets: what a binary is built for, or `portable`. Source of the rule: the domain, section 2.

A triplet is two to four parts of letters, digits, `_` and `.`, joined by `-`, 1 to 128
characters in all. Every name that `rustc --print target-list` prints is one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from app.rules.errors import BadUserInput
from app.rules.text import label

PORTABLE: Final = "portable"
MAX_TARGET: Final = 128

_TRIPLET: Final = re.compile(r"[A-Za-z0-9_.]+(?:-[A-Za-z0-9_.]+){1,3}")
_FORM: Final = (
    "a target triplet, two to four parts of letters, digits, '_' and '.' joined by '-', at most "
    f"{MAX_TARGET} characters, such as 'arm-linux-androidabi'"
)


def is_portable(target: str) -> bool:
    """Whether a binary of this target runs on every device; the word is reserved as spelt."""
    return target == PORTABLE


def target(value: str, *, path: Sequence[str]) -> str:
    """Return a binary's target unchanged: a triplet, or `portable`. Raises BadUserInput."""
    if not is_portable(value) and not _is_triplet(value):
        raise BadUserInput(f"{label(path)} must be '{PORTABLE}', or {_FORM}.", path=path)
    return value


def triplet(value: str, *, path: Sequence[str]) -> str:
    """Return a product's target unchanged: a triplet, never `portable`. Raises BadUserInput."""
    if not _is_triplet(value):
        raise BadUserInput(
            f"{label(path)} must be {_FORM}; '{PORTABLE}' is for binaries alone.", path=path
        )
    return value


def _is_triplet(value: str) -> bool:
    return len(value) <= MAX_TARGET and _TRIPLET.fullmatch(value) is not None
