"""What the server acknowledged, kept in the harness's memory: outside of what is under test."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from tests.journeys.client import Json

SETTLED: dict[str, frozenset[str]] = {
    "HASHING": frozenset({"HASHING", "SIGNABLE"}),
}
"""The states that an acknowledged one becomes by itself."""


@dataclass
class Entry:
    """One binary: its acknowledged state, and the one that an unanswered request asked for."""

    id: str
    content: bytes
    part: Json
    state: str = "UPLOADABLE"
    stored: bool = False
    """Whether an upload of the content was acknowledged."""
    asked: str | None = None
    """The state that a request without an answer may have brought."""
    sending: bool = False
    """Whether an upload has had no answer."""
    download: str | None = None

    @property
    def hash(self) -> str:
        """The SHA-256 of the content, in lowercase hex."""
        return hashlib.sha256(self.content).hexdigest()

    def possible(self) -> frozenset[str]:
        """The states that this may be in without an acknowledgement being lost."""
        states = {self.state} if self.asked is None else {self.state, self.asked}
        return frozenset().union(*(SETTLED.get(state, {state}) for state in states))

    def acknowledge(self, state: str) -> None:
        """Note a move that was answered."""
        if state == "UPLOADABLE" or state == "DESTROYED":
            self.stored = False
        self.state, self.asked = state, None

    def settle(self, state: str, *, stored: bool) -> None:
        """Take what was found after a restart, and was possible, for what holds now."""
        self.state, self.asked = state, None
        self.stored, self.sending = stored, False


@dataclass
class Ledger:
    """The binaries of one client, which no other client touches."""

    live: list[Entry] = field(default_factory=list)
    gone: list[Entry] = field(default_factory=list)
    """Destroyed, and found so after a restart."""
    acknowledged: int = 0
    refused: list[str] = field(default_factory=list)
    """Answers that nothing explains."""
