"""The suite of backups finds what must not be in a restored copy."""

from __future__ import annotations

import pytest

from tests.suites.backups import _compared

MOVES = {1: "UPLOADABLE", 2: "HASHABLE", 3: "HASHING", 4: "SIGNABLE", 5: "UPLOADABLE"}


def _seen(state: str, revision: int, size: int = 7) -> dict[str, object]:
    return {"state": state, "revision": revision, "bytesUploaded": str(size)}


@pytest.mark.parametrize(
    ("after", "findings"),
    [
        (_seen("HASHABLE", 2), 0),
        (_seen("SIGNABLE", 4), 0),
        (_seen("UPLOADABLE", 5, 0), 0),
        (_seen("HASHABLE", 2, 0), 1),
        (_seen("UPLOADABLE", 1), 1),
        (_seen("SIGNED", 5), 1),
        (_seen("UPLOADABLE", 6), 1),
    ],
)
def test_what_went_back_or_never_was_is_found(after: dict[str, object], findings: int) -> None:
    assert len(_compared("x", _seen("HASHABLE", 2), after, MOVES)) == findings
