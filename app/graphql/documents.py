"""Trusted documents: operations that clients name by their hash instead of sending them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Documents:
    """The trusted documents by id, and whether no other is taken."""

    texts: dict[str, str] = field(default_factory=dict)
    only: bool = False

    @classmethod
    def load(cls, folder: Path | None, *, only: bool) -> Documents:
        """Every `.graphql` file of a folder, under `sha256:` and the hash of its bytes."""
        found = {}
        for path in sorted(folder.glob("**/*.graphql")) if folder else ():
            content = path.read_bytes()
            found[f"sha256:{hashlib.sha256(content).hexdigest()}"] = content.decode("utf-8")
        return cls(found, only)
