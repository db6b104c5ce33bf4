"""Signed links with pieces of another organization's."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Final

from app.rules.ids import new_id
from tests.suites.tenants import Tenant

_PIECES: Final = {
    "binary": re.compile("(?<=/content/)[0-9a-f-]{36}|(?<=/upload/)[0-9a-f-]{36}"),
    "part": re.compile("(?<=/)[0-9a-f-]{36}(?=[?])"),
    "organization": re.compile("(?<=organization=)[0-9a-f-]{36}"),
    "signature": re.compile("(?<=signature=)[0-9a-f]{64}"),
}


@dataclass(frozen=True)
class LinkPlace:
    """A piece of one's own upload or download link, and the method that it is sent by."""

    link: str
    piece: str
    method: str

    def __str__(self) -> str:
        return f"{self.method} {self.link} link, {self.piece}"

    def urls(self, own: Tenant, other: Tenant, chance: random.Random) -> list[str]:
        """One's own link with the other's piece, and with one that nobody has."""
        pattern = _PIECES[self.piece]
        found = pattern.search(other.links[self.link])
        assert found is not None
        nobodys = str(new_id())
        if self.piece == "signature":
            nobodys = "".join(chance.choices("0123456789abcdef", k=64))
        return [pattern.sub(piece, own.links[self.link]) for piece in (found[0], nobodys)]


LINK_PLACES: Final = tuple(
    LinkPlace(link, piece, method)
    for link, methods in (("download", ("GET", "HEAD")), ("upload", ("PUT",)))
    for piece in _PIECES
    for method in methods
    if (link, piece) != ("download", "part")
)
